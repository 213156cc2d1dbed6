"""What answers add up to: facet and trait means, prorated sums, Cronbach's alpha.

Takes raw responses and keys them itself, so nobody has to remember to. Missing answers (0) are left
out: never a score of 0. Facets come in the order of `FACETS`, traits in the order of `TRAITS`.
Norms and percentiles are in `norms.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.errors import InventoryError
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS, to_keyed


def facet_means(
    responses: ArrayLike, inventory: Inventory | None = None, *, minimum: int = 1
) -> NDArray[np.float64]:
    """Mean keyed value of the answered items of each facet.

    Arguments:
        responses: (people, items) or (items,) raw responses, 1-5, 0 missing.
        inventory: whose items the columns are; the 300-item form when left out.
        minimum: answered items a facet needs; NaN below it.

    Returns:
        (people, 30) or (30,) means from 1 to 5, in the order of `FACETS`.

    Raises InventoryError where the number of columns is not the inventory's, or it has no facets.

    >>> facet_means(np.full(300, 3))[:3]
    array([3., 3., 3.])
    """
    form = inventory or ipip_neo_300()
    _needs_facets(form)
    return _means(responses, form, form.facets, FACETS, minimum)


def trait_means(
    responses: ArrayLike, inventory: Inventory | None = None, *, minimum: int = 1
) -> NDArray[np.float64]:
    """Mean keyed value of the answered items of each trait: (people, 5), in the order of `TRAITS`.

    Arguments and errors as for `facet_means`.
    """
    form = inventory or ipip_neo_300()
    return _means(responses, form, form.traits, TRAITS, minimum)


def facet_sums(
    responses: ArrayLike, inventory: Inventory | None = None, *, minimum_share: float = 0.5
) -> NDArray[np.float64]:
    """Facet scores on the scale of norm tables: the sum a complete answer sheet would have.

    Missing answers are prorated: the mean of the answered items times the facet's items in this
    form (10 of the 300, 4 of the 120). NaN where less than `minimum_share` of them is answered.

    Returns (people, 30) or (30,).
    """
    form = inventory or ipip_neo_300()
    _needs_facets(form)
    return _sums(responses, form, form.facets, FACETS, minimum_share)


def trait_sums(
    responses: ArrayLike, inventory: Inventory | None = None, *, minimum_share: float = 0.5
) -> NDArray[np.float64]:
    """The five traits' prorated sums, each the sum of its six prorated facet sums.

    Summing facets keeps a facet with many blanks from weighing less. Where the inventory has no
    facets, a trait is prorated over its own items. Returns (people, 5) or (5,).
    """
    if inventory is not None and not inventory.has_facets:
        return _sums(responses, inventory, inventory.traits, TRAITS, minimum_share)
    facets = facet_sums(responses, inventory, minimum_share=minimum_share)
    owners = np.array([code[0] for code in FACETS])
    return np.stack([facets[..., owners == trait].sum(axis=-1) for trait in TRAITS], axis=-1)


def cronbach_alpha(keyed: ArrayLike) -> float:
    """Cronbach's alpha of one scale: k / (k - 1) * (1 - sum of item variances / variance of sums).

    Arguments:
        keyed: (people, k items) keyed values, 0 or NaN where missing. People who left any of them
            out are left out.

    Returns NaN for fewer than 2 items, fewer than 2 complete people, or sums that do not vary.

    Source: Cronbach (1951), Psychometrika 16, 297-334.

    >>> cronbach_alpha([[1, 1], [3, 3], [5, 5]])
    1.0
    """
    values = np.asarray(keyed, dtype=np.float64)
    complete = values[np.all((values != 0) & ~np.isnan(values), axis=1)]
    people, items = complete.shape
    if items < 2 or people < 2:
        return float("nan")
    total = complete.sum(axis=1).var(ddof=1)
    if total == 0:
        return float("nan")
    return float(items / (items - 1) * (1 - complete.var(axis=0, ddof=1).sum() / total))


@dataclass(frozen=True)
class Reliability:
    """How well the items of each scale hang together among some people."""

    facets: dict[str, float]
    """Cronbach's alpha of each facet, by code; empty where the inventory has no facets."""
    traits: dict[str, float]
    """Cronbach's alpha of each trait over its items, by letter."""
    people: int
    """How many people it was computed over, before incomplete ones were left out of a scale."""


def reliability(responses: ArrayLike, inventory: Inventory | None = None) -> Reliability:
    """Cronbach's alpha of all 5 traits, and of all 30 facets where the inventory has them.

    Arguments:
        responses: (people, items) raw responses, 0 missing.
    """
    form = inventory or ipip_neo_300()
    keyed = to_keyed(_checked(responses, form), form.signs)
    return Reliability(
        facets={code: cronbach_alpha(keyed[:, form.facets == code]) for code in FACETS}
        if form.has_facets
        else {},
        traits={code: cronbach_alpha(keyed[:, form.traits == code]) for code in TRAITS},
        people=len(keyed),
    )


def _means(
    responses: ArrayLike,
    form: Inventory,
    scale_of: NDArray[np.str_],
    scales: Iterable[str],
    minimum: int,
) -> NDArray[np.float64]:
    keyed = to_keyed(_checked(responses, form), form.signs)
    membership = np.stack([scale_of == scale for scale in scales], axis=1).astype(np.float64)
    answered = (keyed > 0).astype(np.float64) @ membership  # (..., scales)
    totals = keyed.astype(np.float64) @ membership
    enough = answered >= max(minimum, 1)
    return np.where(enough, totals / np.maximum(answered, 1), np.nan)


def _sums(
    responses: ArrayLike,
    form: Inventory,
    scale_of: NDArray[np.str_],
    scales: Iterable[str],
    share: float,
) -> NDArray[np.float64]:
    codes = list(scales)
    items = np.array([(scale_of == code).sum() for code in codes])
    given = _checked(responses, form) > 0
    answered = np.stack([given[..., scale_of == code].sum(axis=-1) for code in codes], axis=-1)
    sums = _means(responses, form, scale_of, codes, minimum=1) * items
    return np.where(answered >= share * items, sums, np.nan)


def _needs_facets(form: Inventory) -> None:
    if not form.has_facets:
        raise InventoryError(
            f"{form.name} has traits and no facets; ask for the traits' scores instead, or use "
            "the IPIP-NEO for facets."
        )


def _checked(responses: ArrayLike, form: Inventory) -> NDArray:
    values = np.asarray(responses)
    if values.shape[-1:] != (len(form),):
        raise InventoryError(
            f"The responses have the shape {values.shape}; {form.name} has {len(form)} items, so "
            f"they need (people, {len(form)}). Name the inventory the columns belong to."
        )
    return values
