"""`personalign inventory`: the items, whole or by facet."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from personalign.cli.inventory import inventory
from personalign.errors import InventoryError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import ipip_neo_120, ipip_neo_300

APP = typer.Typer()
APP.command()(inventory)


def _inventory(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_all_items_as_json(tmp_path: Path) -> None:
    forms = (("300", ipip_neo_300()), ("120", ipip_neo_120()), ("50", big_five_50()))
    for form, items in forms:
        target = tmp_path / f"{form}.json"
        result = _inventory("--form", form, "--json", target)
        assert result.exit_code == 0, result.output
        stored = json.loads(target.read_text())
        assert stored["inventory"] == items.name
        assert [row["number"] for row in stored["items"]] == items.numbers.tolist()
        assert [row["statement"] for row in stored["items"]] == [i.statement for i in items]
        assert [row["sign"] for row in stored["items"]] == items.signs.tolist()


def test_one_facet_or_one_trait() -> None:
    output = _inventory("--facet", "n1").output
    assert "10 items" in output
    assert "Worry about things." in output
    assert "Make friends easily." not in output
    assert "24 items" in _inventory("--facet", "O", "--form", "120").output


def test_a_facet_that_does_not_exist() -> None:
    result = _inventory("--facet", "N7")
    assert isinstance(result.exception, InventoryError)
    assert "There is no facet 'N7'" in str(result.exception)


def test_the_markers_have_traits_only() -> None:
    output = _inventory("--form", "50", "--facet", "E").output
    assert "10 items" in output and "E Extraversion" in output
    result = _inventory("--form", "50", "--facet", "E1")
    assert isinstance(result.exception, InventoryError)
    assert "traits and no facets" in str(result.exception)
