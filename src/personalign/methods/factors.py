"""What people's answers have in common: a few factors, and where one person stands on them.

    (response_i - mean_i) / scale_i = sum over factors of loading_ik f_k + noise_i

with f standard normal and the noise independent. A person's f is known from their answers only so
far: `Factors.scores` gives its mean given the answers that are there,

    (I + sum over answered i of l_i l_i' / noise_i)^-1  sum over answered i of l_i z_i / noise_i

so that a missing answer takes nothing for granted, and whoever answered little stays near 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import FactorAnalysis

from personalign.errors import MethodError

LEAST_NOISE = 0.05
"""Least share of an item's variance that is its own; less would let one answer decide a factor."""


@dataclass(frozen=True, eq=False)
class Factors:
    """A factor model of one questionnaire's items."""

    means: NDArray[np.float32]
    """(items,) mean response."""
    scales: NDArray[np.float32]
    """(items,) standard deviation of the responses."""
    loadings: NDArray[np.float32]
    """(items, factors)."""
    noise: NDArray[np.float32]
    """(items,) the share of the variance that is the item's own."""

    @classmethod
    def fit(cls, responses: NDArray[np.int8], factors: int) -> Factors:
        """By maximum likelihood, from a population's answers.

        responses: (people, items) 1-5, 0 missing. Raises MethodError where there are not more
        people than items, or an item nobody answered, or everybody alike.
        """
        there = responses > 0
        people, items = responses.shape
        if people <= items:
            raise MethodError(
                f"{people} people are too few to see what the answers to {items} items have in "
                f"common; give at least {items + 1}."
            )
        answers = np.where(there, responses, np.nan).astype(np.float64)
        with np.errstate(invalid="ignore"):
            means = np.nansum(answers, axis=0) / there.sum(axis=0)
            scales = np.sqrt(np.nansum((answers - means) ** 2, axis=0) / there.sum(axis=0))
        if not (scales > 0).all():
            item = int(np.argmin(np.nan_to_num(scales, nan=0.0) > 0))
            raise MethodError(
                f"The population's answers to item {item + 1} of {items} are all the same or "
                "missing, so nothing can be learnt from it; give other people."
            )
        standard = np.where(there, (answers - means) / scales, 0.0)
        fitted = FactorAnalysis(n_components=factors, svd_method="lapack").fit(standard)
        return cls(
            means.astype(np.float32),
            scales.astype(np.float32),
            fitted.components_.T.astype(np.float32),
            np.maximum(fitted.noise_variance_, LEAST_NOISE).astype(np.float32),
        )

    def scores(self, responses: NDArray[np.integer]) -> NDArray[np.float32]:
        """(people, factors) mean of each person's factors given what they answered.

        responses: (people, items) 1-5, 0 missing.
        """
        there = (responses > 0).astype(np.float64)
        standard = (responses - self.means.astype(np.float64)) / self.scales * there
        weights = self.loadings.astype(np.float64) / self.noise[:, None]
        evidence = standard @ weights
        patterns, which = np.unique(there, axis=0, return_inverse=True)
        found = np.empty_like(evidence)
        for number, pattern in enumerate(patterns):  # usually one: everything answered
            known = np.eye(weights.shape[1]) + (self.loadings.T * pattern) @ weights
            rows = which.reshape(-1) == number
            found[rows] = np.linalg.solve(known, evidence[rows].T).T
        return found.astype(np.float32)
