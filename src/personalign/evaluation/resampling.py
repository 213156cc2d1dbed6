"""Intervals of what is no mean: correlations and agreements, by resampling people.

People are drawn with replacement, with everything that is theirs, and the figure is computed anew;
the interval is read off as for a mean (`statistics.py`). A draw in which the figure does not exist
(everything equal, say) is left out; where that is more than half of them, there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from personalign.evaluation.statistics import Interval

DRAWS = 2_000
"""Draws of people: a figure over thousands of rows each."""


def bootstrap_people(
    people: Sequence[str],
    figure: Callable[[NDArray[np.int64]], float],
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Interval:
    """A figure over rows, with its interval over the people the rows are of.

    people: (rows,) whose each row is. figure: rows -> the figure over them, NaN where it does not
        exist; it is given each row as often as its person was drawn.
    Returns an Interval whose mean is the figure over all rows; NaN ends for one person.

    >>> values = np.array([1.0, 2.0, 4.0])
    >>> bootstrap_people(["a", "a", "b"], lambda rows: values[rows].mean()).people
    2
    """
    names = list(dict.fromkeys(people))
    places = {name: number for number, name in enumerate(names)}
    whose = np.array([places[name] for name in people], dtype=np.int64)
    rows_of = [np.flatnonzero(whose == number) for number in range(len(names))]
    whole = float(figure(np.arange(len(whose))))
    n = len(names)
    nothing = Interval(whole, float("nan"), float("nan"), n, level)
    if n < 2 or not np.isfinite(whole):
        return nothing
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, n, (draws, n))
    found = np.array([figure(np.concatenate([rows_of[p] for p in one])) for one in drawn])
    found = found[np.isfinite(found)]
    if 2 * len(found) < draws:
        return nothing
    tail = float(stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - level) / 2, n - 1)))
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(whole, float(low), float(high), n, level)


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Rank correlation, ties sharing their mean rank; NaN where either side is all equal.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1].round(12))
