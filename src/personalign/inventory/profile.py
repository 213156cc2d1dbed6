"""One person's profile: the 30 facets, the 5 traits, and where both stand in a norm group.

Takes the person's raw responses; the means are of keyed values, 1-5, over whatever is answered.
Percentiles need an age. They use the tables of the 300-item form where every facet has at least
half of its 10 items answered, else those of the 120-item form, on its items alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.errors import AnswersError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.norms import NormScores, Sex, norm_scores
from personalign.inventory.scoring import facet_means, facet_sums, trait_means


@dataclass(frozen=True)
class Profile:
    """What one person's answers add up to."""

    facets: NDArray[np.float64]
    """(30,) keyed means, 1-5, in the order of `FACETS`; NaN where nothing is answered."""
    traits: NDArray[np.float64]
    """(5,) keyed means, 1-5, in the order of `TRAITS`."""
    answered: int
    """How many of the 300 items are answered."""
    standing: NormScores | None = None
    """T scores and percentiles among people of the same sex and age, where the age is known."""

    def as_dict(self) -> dict[str, object]:
        """Plain values for a JSON file; None where a score cannot be computed."""
        standing = self.standing
        return {
            "answered": self.answered,
            "norm_group": standing.norms.group if standing else None,
            "norm_items": standing.norms.items if standing else None,
            "traits": _named(TRAITS, self.traits, standing.trait_percentiles if standing else None),
            "facets": _named(FACETS, self.facets, standing.facet_percentiles if standing else None),
        }


def profile_of(responses: ArrayLike, *, sex: Sex | None = None, age: int | None = None) -> Profile:
    """The profile of one person.

    Arguments:
        responses: (300,) raw responses, 0 missing.
        sex: "male" or "female"; without it, the mean of both tables is used.
        age: in years; without it, there are no percentiles.

    Raises AnswersError for a sex without an age, and as `norm_group` does.

    >>> profile_of(np.full(300, 3)).traits
    array([3., 3., 3., 3., 3.])
    """
    values = np.asarray(responses).reshape(-1)
    if sex is not None and age is None:
        raise AnswersError(
            "Percentiles are by sex and age, and only the sex was given. Give the age too, or "
            "neither to see scores without percentiles."
        )
    standing = None
    if age is not None:
        form = ipip_neo_300()
        if np.isnan(facet_sums(values, form)).any():
            form = ipip_neo_120()
        columns = ipip_neo_300().columns(form)
        standing = norm_scores(values[columns], form, sex=sex, age=age)
    return Profile(
        facets=facet_means(values),
        traits=trait_means(values),
        answered=int((values > 0).sum()),
        standing=standing,
    )


def _named(
    names: dict[str, str], means: NDArray[np.float64], percentile: NDArray[np.float64] | None
) -> dict[str, dict[str, object]]:
    percents = [None] * len(means) if percentile is None else [_plain(p, 1) for p in percentile]
    return {
        code: {"name": name, "mean": _plain(mean, 4), "percentile": percent}
        for (code, name), mean, percent in zip(names.items(), means, percents, strict=True)
    }


def _plain(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
