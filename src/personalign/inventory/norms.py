"""Where a person stands among people of the same sex and age: T scores and percentiles.

The norm tables (means and standard deviations of facet and trait sums, by sex and age group, for
the 120- and the 300-item form) are Johnson's, as shipped in five-factor-e (`import ipipneo`). That
package scores by position in an order of its own; we hand it nothing of the kind. We compute each
facet's sum ourselves and look up that facet's norm by its code.

    T = 50 + 10 (sum - mean) / sd,   percentile = c1 - c2 T + c3 T^2 - c4 T^3

The cubic approximates the normal distribution between T = 32 and 73; beyond, Johnson's program
says 1 and 99. We say 99 from where the cubic first passes it, so that more is never less.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.errors import AnswersError, InventoryError
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.scoring import facet_sums, trait_sums

Sex = Literal["male", "female"]

YOUNGEST, OLDEST = 10, 110
"""Ages the norm tables cover."""

_FROM = {120: (YOUNGEST, 21, 41, 61), 300: (YOUNGEST, 21)}  # first ages of the tables
_TOP = 70.0  # where the cubic has passed 99; above, it bends down again, to 98.9 at T = 73
_TABLE_ORDER = "NEOAC"  # order of the traits in a norm table


@dataclass(frozen=True)
class Norms:
    """Means and standard deviations of one group of people."""

    group: str
    """The group in words, such as "women between 21 and 40 years old"."""
    items: int
    """Length of the form they are of, 120 or 300."""
    ages: tuple[int, int]
    """The youngest and the oldest it is used for, in years."""
    facet_means: NDArray[np.float64]
    """(30,) means of facet sums, in the order of `FACETS`."""
    facet_sds: NDArray[np.float64]
    """(30,) standard deviations of facet sums."""
    trait_means: NDArray[np.float64]
    """(5,) means of trait sums, in the order of `TRAITS`."""
    trait_sds: NDArray[np.float64]
    """(5,) standard deviations of trait sums."""


@dataclass(frozen=True)
class NormScores:
    """People's standing in one norm group."""

    norms: Norms
    """The group they are compared with."""
    facet_t: NDArray[np.float64]
    """(people, 30) or (30,) T scores: mean 50, standard deviation 10; NaN if too few answers."""
    trait_t: NDArray[np.float64]
    """(people, 5) or (5,) T scores."""

    @property
    def facet_percentiles(self) -> NDArray[np.float64]:
        """Share of the group below, 1 to 99, of each facet."""
        return percentiles(self.facet_t)

    @property
    def trait_percentiles(self) -> NDArray[np.float64]:
        """Share of the group below, 1 to 99, of each trait."""
        return percentiles(self.trait_t)


def norm_group(*, sex: Sex | None, age: int, items: int = 300) -> Norms:
    """The norm group of a person.

    Arguments:
        sex: "male", "female", or None for the mean of both tables.
        age: in years, 10 to 110.
        items: 120 or 300, the form that was answered.

    Raises AnswersError for another sex or age, InventoryError for another form.

    >>> norm_group(sex="female", age=30, items=120).group
    'women between 21 and 40 years old'
    """
    from ipipneo.norm import Norm

    if sex not in ("male", "female", None):
        raise AnswersError(
            f"There are no norms for the sex {sex!r}; the tables know male and female. "
            "Give one of the two, or none for both tables' mean."
        )
    if isinstance(age, bool) or not isinstance(age, int | np.integer):
        raise AnswersError(f"The age {age!r} is no whole number of years; give one, such as 34.")
    if not YOUNGEST <= age <= OLDEST:
        raise AnswersError(
            f"There are no norms for the age {age}; the tables cover {YOUNGEST} to {OLDEST} years. "
            "Leave the age out to see scores without percentiles."
        )
    if items not in (120, 300):
        raise InventoryError(
            f"There are no norms for a form of {items} items; there are for 120 and 300. Score "
            "one of those forms."
        )
    letter = {"male": "M", "female": "F", None: "N"}[sex]
    table = Norm(sex=letter, age=int(age), nquestion=items)
    values = np.array(table["ns"], dtype=np.float64)
    facet_places = np.array([_facet_place(code) for code in FACETS])
    trait_places = np.array([1 + _TABLE_ORDER.index(code) for code in TRAITS])
    group = str(table["category"])
    if sex is None:
        group = f"people aged {age}, mean of the tables for men and women"
    return Norms(
        group=group,
        items=items,
        ages=_ages(age, items),
        facet_means=values[facet_places],
        facet_sds=values[facet_places + 6],
        trait_means=values[trait_places],
        trait_sds=values[trait_places + 5],
    )


def norm_scores(
    responses: ArrayLike, inventory: Inventory | None = None, *, sex: Sex | None, age: int
) -> NormScores:
    """Compare people of one sex and age with their norm group.

    Arguments:
        responses: (people, items) or (items,) raw responses, 0 missing; up to half of a facet's
            items may be missing and are prorated.
        inventory: whose items the columns are, the 300-item form when left out; its length says
            which tables are used.

    Raises as `norm_group` does.
    """
    form = inventory or ipip_neo_300()
    group = norm_group(sex=sex, age=age, items=len(form))
    facets = facet_sums(responses, form)
    traits = trait_sums(responses, form)
    return NormScores(
        norms=group,
        facet_t=50 + 10 * (facets - group.facet_means) / group.facet_sds,
        trait_t=50 + 10 * (traits - group.trait_means) / group.trait_sds,
    )


def percentiles(t_scores: ArrayLike) -> NDArray[np.float64]:
    """Johnson's cubic from T scores to percentiles, 1 below T = 32 and at most 99.

    >>> percentiles([20.0, 50.0, 80.0]).round()
    array([ 1., 50., 99.])
    """
    from ipipneo.model import NormCubic, NormScale

    t = np.asarray(t_scores, dtype=np.float64)
    c1, c2, c3, c4 = (
        float(constant.value)
        for constant in (NormCubic.CONST1, NormCubic.CONST2, NormCubic.CONST3, NormCubic.CONST4)
    )
    cubic = c1 - c2 * t + c3 * t**2 - c4 * t**3
    cubic = np.where(t < int(NormScale.CONST_MIN), 1.0, cubic)
    cubic = np.where(t > _TOP, 99.0, cubic)
    return np.clip(cubic, 1.0, 99.0)


def _ages(age: int, items: int) -> tuple[int, int]:
    starts = [*_FROM[items], OLDEST + 1]
    return next((a, b - 1) for a, b in itertools.pairwise(starts) if a <= age < b)


def _facet_place(code: str) -> int:
    """Where a facet's mean stands in a norm table; its standard deviation stands 6 further on.

    A table holds a 0, five trait means, five trait deviations, then for each trait of N E O A C
    six facet means and six facet deviations.
    """
    return 11 + 12 * _TABLE_ORDER.index(code[0]) + int(code[1]) - 1
