"""Intervals over people, and paired differences between two methods.

People are the unit of resampling everywhere: a person's items are correlated, two people are not.
A person without a value (NaN) is left out and not counted.

**Interval.** The expanded percentile bootstrap of Hesterberg (2015, "What Teachers Should Know
About the Bootstrap", The American Statistician 69(4), 371-386). The plain percentile interval of a
mean is too narrow for few people, by the factor z / t times sqrt((n - 1) / n); reading the
quantiles at Phi(-+ sqrt(n / (n - 1)) t) instead of at 2.5% and 97.5% mends it. At a thousand people
the two are the same.

**p value.** A paired sign-flip (permutation) test: under "no difference" each person's difference
is as likely to have the other sign. All 2^n flips where that is few, a seeded sample of them, with
the usual +1 (Phipson and Smyth, 2010), where it is many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from personalign.errors import EvaluationError

RESAMPLES = 10_000
"""Bootstrap samples: from seed to seed an end of an interval moves by about 1% of its width."""

FLIPS = 10_000
"""Sign flips drawn where all of them (2 ** people) would be more."""

_BLOCK = 2_000_000
"""Draws held in memory at once."""


@dataclass(frozen=True)
class Interval:
    """A mean over people and the interval around it."""

    mean: float
    """The mean of the values that are there."""
    low: float
    """Lower end; NaN where fewer than two people have a value."""
    high: float
    """Upper end; NaN where fewer than two people have a value."""
    people: int
    """People with a value."""
    level: float = 0.95
    """Coverage aimed at."""

    @property
    def ends(self) -> tuple[float, float]:
        """(low, high)."""
        return (self.low, self.high)


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b over the people who have both."""

    interval: Interval
    """The mean difference and its bootstrap interval."""
    p: float
    """Two-sided p of the paired sign-flip test; NaN without two people."""

    @property
    def mean(self) -> float:
        """Mean of a - b; negative: a is lower, which for a score of errors is better."""
        return self.interval.mean

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval.low > 0 or self.interval.high < 0


def bootstrap_mean(
    values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """The mean of one value per person, with its expanded percentile bootstrap interval.

    Args:
        values: (people,) floats; NaN is a person without a value, who is left out.
        seed: seeds the resampling; the same seed and number of people resample the same people.
        resamples: bootstrap samples.
        level: coverage, between 0 and 1.

    Raises:
        EvaluationError: values is not one-dimensional, or nobody has a value.

    >>> bootstrap_mean([2.0, 3.0, 4.0, float("nan")]).people
    3
    """
    kept = _finite(values)
    if not 0 < level < 1:
        raise EvaluationError(
            f"The level {level} of an interval must lie between 0 and 1, such as 0.95."
        )
    mean = float(kept.mean())
    n = len(kept)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n, level)
    # Around the mean, so that shifting every value shifts the interval exactly as far.
    centred = kept - mean
    means = _resampled_means(centred, resamples, np.random.default_rng(seed))
    tail = float(stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - level) / 2, n - 1)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, mean + float(low), mean + float(high), n, level)


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> PairedDifference:
    """The mean of a - b over the same people, with its interval and a sign-flip p.

    Args:
        a, b: (people,) one value per person, in one order; NaN in either leaves the person out.
        seed, resamples, level: as for `bootstrap_mean`.

    Raises:
        EvaluationError: a and b differ in length, or nobody has both values.
    """
    left, right = np.asarray(a, float), np.asarray(b, float)
    if left.shape != right.shape:
        raise EvaluationError(
            f"A paired difference needs the same people on both sides, got values of shape "
            f"{left.shape} and {right.shape}."
        )
    difference = left - right
    interval = bootstrap_mean(difference, seed=seed, resamples=resamples, level=level)
    return PairedDifference(interval, sign_flip_p(difference, seed=seed))


def sign_flip_p(differences: ArrayLike, *, seed: int = 0, flips: int = FLIPS) -> float:
    """Two-sided p of "no difference" under random signs of the differences, NaN left out.

    >>> sign_flip_p([1.0, 1.0, 1.0])  # 2 of the 8 sign patterns are as far from zero
    0.25
    """
    kept = _finite(differences)
    n = len(kept)
    if n < 2:
        return float("nan")
    # A hair of tolerance: a flip that repeats the observed sum in another order must count.
    observed = abs(kept.sum()) * (1 - 1e-12)
    if 2**n <= flips:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs((2.0 * patterns - 1) @ kept) >= observed))
    rng = np.random.default_rng(seed)
    reached = done = 0
    while done < flips:
        rows = min(flips - done, max(1, _BLOCK // n))
        signs = rng.integers(0, 2, (rows, n), dtype=np.int8) * 2.0 - 1
        reached += int((np.abs(signs @ kept) >= observed).sum())
        done += rows
    return (1 + reached) / (1 + flips)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    """The values that are there, or an error where none is."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise EvaluationError(
            f"An interval over people takes one value per person, got the shape {array.shape}."
        )
    kept = array[np.isfinite(array)]
    if not len(kept):
        raise EvaluationError(
            f"None of the {len(array)} people has a score, so there is no mean to give."
        )
    return kept


def _resampled_means(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(resamples,) means of people drawn with replacement, a block of resamples at a time."""
    n = len(values)
    means = np.empty(resamples)
    rows = max(1, _BLOCK // n)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        means[start:stop] = values[rng.integers(0, n, (stop - start, n))].mean(axis=1)
    return means
