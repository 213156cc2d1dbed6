"""`Item` and `Inventory`, and the IPIP-NEO: 300 statements, the 120-item short form, the split.

An inventory says of each item which trait it belongs to, in which direction, and whether methods
may learn from it (`tuning`) or are scored on it (`held_out`); facets are there where the
questionnaire has them. Another questionnaire is one such inventory more (`forms.py`).

The IPIP-NEO's bank is `data/ipip_neo.csv`: number, statement, facet, sign and short-form number, as
in Johnson's key. The IPIP is in the public domain (ipip.ori.org). The wording *is* the instrument,
so no statement is ever tidied up.

The split follows "Personality Alignment of Large Language Models": what a method learns of a
person it learns from the 120 short-form items (`tuning`), and it is scored on the other 180
(`held_out`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from personalign.errors import InventoryError
from personalign.inventory.keys import FACETS, TRAITS


@dataclass(frozen=True)
class Item:
    """One statement of the questionnaire."""

    number: int
    """Its number in the questionnaire, from 1; of the IPIP-NEO, in the 300-item form."""
    statement: str
    """The exact wording, full stop included: "Worry about things."."""
    facet: str | None
    """The facet's code, such as "N1"; None in a questionnaire that has traits only."""
    sign: int
    """+1 where agreeing raises the facet and the trait, -1 where it lowers them."""
    short_number: int | None = None
    """Its number among the items that methods may learn from, None where it is held out; of the
    IPIP-NEO, its number in the 120-item form."""
    trait: str = ""
    """The trait's letter: O, C, E, A or N; the facet's, where there is one."""

    def __post_init__(self) -> None:
        if not self.trait and self.facet:
            object.__setattr__(self, "trait", self.facet[0])

    @property
    def is_tuning(self) -> bool:
        """Whether methods may learn from it."""
        return self.short_number is not None


@dataclass(frozen=True)
class Inventory:
    """An ordered set of items; arrays of answers have one column an item, in this order."""

    name: str
    """Such as "IPIP-NEO-300"."""
    items: tuple[Item, ...]
    """The items, in the form's order."""

    def __post_init__(self) -> None:
        numbers = [item.number for item in self.items]
        if len(set(numbers)) != len(numbers):
            raise InventoryError(
                f"The inventory {self.name!r} lists an item number twice; each of its "
                f"{len(numbers)} items needs its own number."
            )
        for item in self.items:
            if (item.facet is not None and item.facet not in FACETS) or item.sign not in (-1, 1):
                raise InventoryError(
                    f"Item {item.number} has facet {item.facet!r} and sign {item.sign!r}; a facet "
                    f"is one of {', '.join(FACETS)} or None, and a sign is +1 or -1."
                )
            if item.trait not in TRAITS or (item.facet and item.facet[0] != item.trait):
                raise InventoryError(
                    f"Item {item.number} has trait {item.trait!r} and facet {item.facet!r}; a "
                    f"trait is one of {', '.join(TRAITS)}, and a facet's is its first letter."
                )

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """(items,) the items' numbers in the questionnaire."""
        return _frozen(np.array([item.number for item in self.items], dtype=np.int64))

    @cached_property
    def signs(self) -> NDArray[np.int8]:
        """(items,) +1 or -1."""
        return _frozen(np.array([item.sign for item in self.items], dtype=np.int8))

    @cached_property
    def traits(self) -> NDArray[np.str_]:
        """(items,) trait letters."""
        return _frozen(np.array([item.trait for item in self.items], dtype=np.str_))

    @cached_property
    def facets(self) -> NDArray[np.str_]:
        """(items,) facet codes, "" where an item has none."""
        return _frozen(np.array([item.facet or "" for item in self.items], dtype=np.str_))

    @cached_property
    def has_facets(self) -> bool:
        """Whether every item belongs to a facet."""
        return all(item.facet for item in self.items)

    @cached_property
    def tuning(self) -> tuple[Item, ...]:
        """The items that methods may learn from, in the order of their `short_number`."""
        chosen = [item for item in self.items if item.short_number is not None]
        return tuple(sorted(chosen, key=lambda item: item.short_number or 0))

    @cached_property
    def held_out(self) -> tuple[Item, ...]:
        """The items that methods are scored on, by number."""
        chosen = [item for item in self.items if not item.is_tuning]
        return tuple(sorted(chosen, key=lambda item: item.number))

    @cached_property
    def _column_of(self) -> dict[int, int]:
        return {item.number: column for column, item in enumerate(self.items)}

    def item(self, number: int) -> Item:
        """The item with this number; InventoryError if it is not here."""
        try:
            return self.items[self._column_of[number]]
        except KeyError:
            raise InventoryError(self._unknown(number)) from None

    def columns(self, items: Iterable[Item | int]) -> NDArray[np.int64]:
        """(len(items),) the 0-based columns of these items (or item numbers) in this inventory.

        >>> ipip_neo_300().columns([1, 300])
        array([  0, 299])
        """
        numbers = [item.number if isinstance(item, Item) else int(item) for item in items]
        try:
            return np.array([self._column_of[number] for number in numbers], dtype=np.int64)
        except KeyError as error:
            raise InventoryError(self._unknown(error.args[0])) from None

    def _unknown(self, number: object) -> str:
        if self.numbers.tolist() == list(range(1, len(self) + 1)):
            return (
                f"Item {number} is outside this {len(self)}-item inventory; "
                f"items are numbered 1-{len(self)}. Ask for one of those."
            )
        return (
            f"Item {number} is not among the {len(self)} items of {self.name}; its items carry "
            "their numbers of the 300-item form. Use ipip_neo_300() for all of 1-300."
        )


@cache
def ipip_neo_300() -> Inventory:
    """The full form: 300 items by number, so an item's column is its number - 1.

    >>> ipip_neo_300().item(1)
    Item(number=1, statement='Worry about things.', facet='N1', sign=1, short_number=1, trait='N')
    """
    return Inventory("IPIP-NEO-300", read_items("ipip_neo.csv"))


@cache
def ipip_neo_120() -> Inventory:
    """The short form: 120 items in the short form's order.

    >>> [item.number for item in ipip_neo_120()][:6]
    [1, 2, 3, 4, 5, 6]
    """
    return Inventory("IPIP-NEO-120", ipip_neo_300().tuning)


def read_items(name: str) -> tuple[Item, ...]:
    """The items of a bank in data/: number, statement, facet or trait, sign, short_number."""
    text = (files("personalign.inventory") / "data" / name).read_text(encoding="utf-8")
    return tuple(
        Item(
            number=int(row["number"]),
            statement=row["statement"],
            facet=row.get("facet") or None,
            sign=int(row["sign"]),
            short_number=int(row["short_number"]) if row["short_number"] else None,
            trait=row.get("trait") or "",
        )
        for row in csv.DictReader(text.splitlines())
    )


def _frozen(array: NDArray) -> NDArray:
    array.flags.writeable = False
    return array
