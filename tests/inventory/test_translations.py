"""Every item of the short form is there in German, belongs to the right item, and can be ticked."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from personalign.errors import InventoryError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.translations import languages_of, translation

ROWS = list(
    csv.DictReader(
        (files("personalign.inventory") / "data" / "ipip_neo_120_de.csv")
        .read_text("utf-8")
        .splitlines()
    )
)


def test_each_of_the_120_has_a_german_statement_of_its_own() -> None:
    german = translation("de").statements
    assert set(german) == {item.number for item in ipip_neo_120()}
    assert len({text.lower() for text in german.values()}) == 120
    for text in german.values():
        assert text.endswith(".") and not text.endswith("..") and text == text.strip()
        assert text[0].isupper() and len(text) > 10


def test_each_stands_beside_the_english_it_translates() -> None:
    english = {item.number: item.statement for item in ipip_neo_120()}
    assert {int(row["number"]): row["english"] for row in ROWS} == english


def test_what_was_changed_is_kept_and_is_little() -> None:
    changed = [row for row in ROWS if row["theirs"]]
    assert [int(row["number"]) for row in changed] == [86, 216]
    assert all(row["theirs"] != row["german"] for row in changed)


def test_the_five_options_are_there_and_differ() -> None:
    options = translation("de").options
    assert sorted(options) == [1, 2, 3, 4, 5] and len(set(options.values())) == 5


def test_the_long_form_is_in_english_alone() -> None:
    assert languages_of(ipip_neo_120()) == ("en", "de")
    assert languages_of(ipip_neo_300()) == ("en",)
    with pytest.raises(InventoryError, match="fr"):
        translation("fr")
