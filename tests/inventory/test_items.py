"""The bank is Johnson's, item by item; the forms and the split follow from it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from personalign.errors import InventoryError
from personalign.inventory.items import Inventory, Item, ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS


def test_every_row_of_the_released_key(released: Path) -> None:
    with (released / "papi" / "item_key.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 300
    for row in rows:
        item = ipip_neo_300().item(int(row["Full#"]))
        assert item.statement == row["Item"]
        assert item.facet == row["Key"]
        assert FACETS[item.facet] == row["Facet"]
        assert item.sign == {"+": 1, "-": -1}[row["Sign"][0]]
        assert item.short_number == (int(float(row["Short#"])) if row["Short#"] else None)


def test_the_split_is_the_released_one(released: Path) -> None:
    split = json.loads((released / "papi" / "split.json").read_text())
    full = ipip_neo_300()
    assert sorted(item.number for item in full.tuning) == sorted(split["train_index"])
    assert [item.number for item in full.held_out] == sorted(split["test_index"])


def test_full_form_is_in_order_of_numbers() -> None:
    full = ipip_neo_300()
    assert full.numbers.tolist() == list(range(1, 301))
    assert full.columns(full).tolist() == list(range(300))
    assert len({item.statement for item in full}) == 300


def test_short_form_is_in_its_own_order() -> None:
    short = ipip_neo_120()
    assert [item.short_number for item in short] == list(range(1, 121))
    assert short.items == ipip_neo_300().tuning
    assert short.tuning == short.items
    assert short.held_out == ()


def test_counts_of_the_keys() -> None:
    full = ipip_neo_300()
    assert set(Counter(full.facets.tolist()).values()) == {10}
    assert set(Counter(ipip_neo_120().facets.tolist()).values()) == {4}
    assert set(full.facets.tolist()) == set(FACETS)
    assert "".join(TRAITS) == "OCEAN"
    assert sum(item.sign > 0 for item in full.tuning) == 65
    assert sum(item.sign > 0 for item in full.held_out) == 87
    assert all(item.trait == item.facet[0] for item in full)


def test_fewer_than_sixty_tuning_items_have_a_number_up_to_120() -> None:
    """What lets an answers file that names no form be told apart by its numbers."""
    assert sum(item.number <= 120 for item in ipip_neo_300().tuning) == 57


def test_arrays_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ipip_neo_300().signs[0] = -1


@pytest.mark.parametrize("number", [0, 301, -1])
def test_unknown_items(number: int) -> None:
    with pytest.raises(InventoryError, match=f"Item {number} .* numbered 1-300"):
        ipip_neo_300().item(number)
    with pytest.raises(InventoryError, match=f"Item {number} "):
        ipip_neo_300().columns([1, number])


def test_short_form_lacks_the_held_out_items() -> None:
    missing = ipip_neo_300().held_out[0]
    with pytest.raises(InventoryError, match="not among the 120 items"):
        ipip_neo_120().columns([missing])


@pytest.mark.parametrize(
    "items",
    [
        (Item(1, "Worry.", "N1", 1), Item(1, "Worry.", "N1", 1)),
        (Item(1, "Worry.", "N7", 1),),
        (Item(1, "Worry.", "N1", 0),),
    ],
)
def test_inventories_that_make_no_sense(items: tuple[Item, ...]) -> None:
    with pytest.raises(InventoryError):
        Inventory("odd", items)
