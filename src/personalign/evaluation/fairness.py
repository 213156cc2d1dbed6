"""Is a method as close to everybody? Any score a person, split by sex, age and country.

Each group's mean stands with its bootstrap interval and its size. How far apart groups are is one
figure, the gap between the highest and the lowest group mean, and one permutation test of it: the
scores are dealt to the same groups at random, again and again, and each time the gap between that
deal's highest and lowest group is taken. So the choice of the two extreme groups, and the wild
means of small ones, are part of what chance is allowed. p has the usual +1 (Phipson and Smyth,
2010). A p is for one split; who looks at three splits of five methods has looked fifteen times.

Groups of fewer than `MINIMUM` scored people say nothing and are not shown: small countries are
pooled as "other", small age bands and sexes are left out. Both are listed with their sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.dataset.describe import column
from personalign.errors import EvaluationError
from personalign.evaluation.statistics import Interval, bootstrap_mean

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents

SPLITS = ("sex", "age", "country")
"""What people are split by."""

MINIMUM = 5
"""Scored people a group needs to be shown."""

OTHERS = "other"
"""Name of the countries too small to stand alone."""

PERMUTATIONS = 10_000
"""Deals of the permutation test: p no smaller than 1 in 10,001."""

_BLOCK = 2_000_000
"""Scores dealt at once."""


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups."""

    high: str
    """The group with the highest mean."""
    low: str
    """The group with the lowest mean."""
    difference: float
    """High minus low, in units of the score."""
    p: float
    """Share of random deals whose gap is as large."""


@dataclass(frozen=True)
class Split:
    """Everybody in groups, by one thing."""

    by: str
    """What people were split by, such as "sex"."""
    groups: dict[str, Interval]
    """Mean and interval by group; `people` of the interval is the group's size."""
    gap: Gap | None
    """Between the farthest two; None where fewer than two groups are shown."""
    pooled: dict[str, int]
    """Scored people of the groups that were put together as "other"."""
    left_out: dict[str, int]
    """Scored people of the groups that are too small to be shown at all."""
    unknown: int
    """Scored people of whom it is not known."""
    unscored: int
    """People without a score, whatever their group."""


def fairness(
    scores: ArrayLike,
    people: Respondents,
    *,
    by: Sequence[str] = SPLITS,
    minimum: int = MINIMUM,
    seed: int = 0,
) -> list[Split]:
    """The score split by sex, bands of ten years of age, and country.

    scores: (people,) one a person, such as `AlignedScore.per_person`; NaN where there is none.
    people: in the same order. by: some of `SPLITS`. minimum: see `split_scores`. seed: of the
    bootstrap and of the permutations.
    Raises EvaluationError for a split there is not, or as many scores as there are not people.
    """
    return [
        split_scores(
            scores,
            groups_of(people, one),
            by=one,
            minimum=minimum,
            pool=one == "country",
            seed=seed,
        )
        for one in by
    ]


def groups_of(people: Respondents, by: str) -> list[str | None]:
    """(people,) each one's sex, age band ("20-29") or country; None where it is not known.

    >>> from personalign.dataset.simulate import simulate
    >>> set(groups_of(simulate(50), "sex")) == {"female", "male"}
    True
    """
    if by not in SPLITS:
        raise EvaluationError(f"People are not split by {by!r}; choose {', '.join(SPLITS)}.")
    known = column(people, by).to_list()
    if by == "age":
        decades = [None if age is None else int(age) // 10 * 10 for age in known]
        return [None if first is None else f"{first}-{first + 9}" for first in decades]
    return [str(value).strip() or None if value is not None else None for value in known]


def split_scores(
    scores: ArrayLike,
    groups: Sequence[str | None],
    *,
    by: str,
    minimum: int = MINIMUM,
    pool: bool = False,
    seed: int = 0,
) -> Split:
    """Any score, split by any grouping.

    scores: (people,) floats, NaN where there is none. groups: (people,) names, None for unknown.
    by: what the grouping is called. minimum: scored people a group needs, at least 2. pool:
    whether smaller groups are put together as "other", if that is large enough, or left out.
    Raises EvaluationError where the two differ in length or the minimum is below 2.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(groups),):
        raise EvaluationError(
            f"The scores have the shape {values.shape} and there are {len(groups)} people to "
            f"split by {by}; give one score a person."
        )
    if minimum < 2:
        raise EvaluationError(
            f"The smallest group to show is {minimum}; one person has no interval, so give 2 or "
            "more."
        )
    scored = np.isfinite(values)
    members: dict[str, list[int]] = {}
    for place in np.flatnonzero(scored).tolist():
        name = groups[place]
        if name is not None:
            members.setdefault(name, []).append(place)
    small = {name: len(who) for name, who in members.items() if len(who) < minimum}
    pooled: dict[str, int] = {}
    own = [] if OTHERS in small else members.get(OTHERS, [])  # a group of that name in the file
    if pool and small and sum(small.values()) + len(own) >= minimum:
        pooled, small = small, {}
        members[OTHERS] = sorted(own + [place for name in pooled for place in members[name]])
    gone = set(small) | (set(pooled) - {OTHERS})
    shown = {name: np.array(members[name]) for name in _ordered(members) if name not in gone}
    return Split(
        by=by,
        groups={name: bootstrap_mean(values[who], seed=seed) for name, who in shown.items()},
        gap=_gap(values, shown, seed),
        pooled=_by_size(pooled),
        left_out=_by_size(small),
        unknown=sum(1 for place in np.flatnonzero(scored).tolist() if groups[place] is None),
        unscored=int((~scored).sum()),
    )


def permutation_p(values: NDArray[np.float64], codes: NDArray[np.int64], *, seed: int = 0) -> float:
    """p of the gap between the highest and lowest group mean, under scores dealt at random.

    values: (people,) scores. codes: (people,) 0 to groups - 1, every one of them there.
    """
    # Around the mean, so that a shift of all scores changes no comparison.
    values = values - values.mean()
    sizes = np.bincount(codes)
    members = (codes[:, None] == np.arange(len(sizes))) / sizes  # a product gives group means
    observed = np.ptp(values @ members) * (1 - 1e-12)  # the same deal in another order must count
    rng = np.random.default_rng(seed)
    reached = done = 0
    while done < PERMUTATIONS:
        deals = min(PERMUTATIONS - done, max(1, _BLOCK // len(values)))
        dealt = rng.permuted(np.tile(values, (deals, 1)), axis=1)
        reached += int((np.ptp(dealt @ members, axis=1) >= observed).sum())
        done += deals
    return (1 + reached) / (1 + PERMUTATIONS)


def _gap(values: NDArray[np.float64], shown: dict[str, NDArray], seed: int) -> Gap | None:
    if len(shown) < 2:
        return None
    means = {name: float(values[who].mean()) for name, who in shown.items()}
    high, low = max(means, key=lambda name: means[name]), min(means, key=lambda name: means[name])
    codes = np.full(len(values), -1)
    # By first member: names, and so the order they sort in, mean nothing to the test.
    for code, who in enumerate(sorted(shown.values(), key=lambda who: int(who[0]))):
        codes[who] = code
    there = codes >= 0
    return Gap(
        high, low, means[high] - means[low], permutation_p(values[there], codes[there], seed=seed)
    )


def _ordered(members: dict[str, list[int]]) -> list[str]:
    """Age bands by age, all else by size, largest first; "other" last."""

    def place(name: str) -> tuple[bool, float, str]:
        start = name.partition("-")[0]
        rank = float(start) if start.isdecimal() else -float(len(members[name]))
        return name == OTHERS, rank, name

    return sorted(members, key=place)


def _by_size(groups: dict[str, int]) -> dict[str, int]:
    return dict(sorted(groups.items(), key=lambda group: (-group[1], group[0])))
