"""The 50 markers are the published ones, keyed as published, and nobody chose what is held out."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.big_five_50 import COLUMNS, read_big_five_50
from personalign.errors import InventoryError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.forms import FORMS, get_inventory
from personalign.inventory.items import Inventory, Item, ipip_neo_300
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import facet_means, reliability, trait_means, trait_sums

FORM = big_five_50()


def _held_out(trait: str) -> set[int]:
    """The rule of the module's text, drawn again."""
    mine = [item for item in FORM if item.trait == trait]
    plus = [item for item in mine if item.sign > 0]
    minus = [item for item in mine if item.sign < 0]
    out = round(0.4 * len(plus))
    chosen = set()
    for items, count in ((plus, out), (minus, 4 - out)):
        ordered = sorted(items, key=lambda item: sha256(item.statement.encode()).hexdigest())
        chosen |= {item.number for item in ordered[len(items) - count :]}
    return chosen


def test_ten_items_a_trait_six_to_learn_from() -> None:
    assert Counter(FORM.traits.tolist()) == dict.fromkeys(TRAITS, 10)
    assert Counter(item.trait for item in FORM.tuning) == dict.fromkeys(TRAITS, 6)
    assert Counter(item.trait for item in FORM.held_out) == dict.fromkeys(TRAITS, 4)
    assert FORM.numbers.tolist() == list(range(1, 51))
    assert [item.short_number for item in FORM.tuning] == list(range(1, 31))


def test_what_is_held_out_follows_the_rule() -> None:
    for trait in TRAITS:
        held_out = {item.number for item in FORM.held_out if item.trait == trait}
        assert held_out == _held_out(trait)
        signs = Counter(item.sign for item in FORM.held_out if item.trait == trait)
        assert signs[1] >= 1 and signs[-1] >= 1  # a constant cannot please both


def test_every_statement_is_the_codebook_s_without_its_subject(released: Path) -> None:
    text = (released / "respondents" / "ipip_big5_50_codebook.txt").read_text(encoding="utf-8")
    printed = dict(re.findall(r"^([EANCO]\d+)\t(I .+?)\s*$", text, flags=re.M))
    assert set(printed) == set(COLUMNS)
    for item, column in zip(FORM, COLUMNS, strict=True):
        assert printed[column] == f"I {item.statement[0].lower()}{item.statement[1:]}"
        assert item.trait == column[0]


def test_real_people_agree_with_the_key(released: Path) -> None:
    """19,719 people: keyed, every item rises with its trait's rest; alpha is high."""
    people = read_big_five_50(released / "respondents" / "ipip_big5_50.csv")
    for trait in TRAITS:
        keyed = people.keyed[:, FORM.traits == trait].astype(float)
        whole = keyed[(keyed > 0).all(axis=1)]
        for place in range(10):
            rest = whole.sum(axis=1) - whole[:, place]
            assert np.corrcoef(whole[:, place], rest)[0, 1] > 0.25
    found = reliability(people.responses, FORM)
    known = {"E": 0.87, "A": 0.82}  # as ipip.ori.org gives them
    assert found.facets == {} and found.people == 19_719
    assert min(found.traits[trait] for trait in TRAITS) > 0.75
    for trait, alpha in known.items():
        assert found.traits[trait] == pytest.approx(alpha, abs=0.06)


def test_traits_are_scored_and_facets_refused() -> None:
    responses = np.where(FORM.signs > 0, 5, 1)
    assert trait_means(responses, FORM).tolist() == [5.0] * 5
    assert trait_sums(responses, FORM).tolist() == [50.0] * 5
    half = responses.copy()
    half[np.flatnonzero(FORM.traits == "E")[:6]] = 0
    assert np.isnan(trait_sums(half, FORM)).tolist() == [t == "E" for t in TRAITS]
    with pytest.raises(InventoryError, match="no facets"):
        facet_means(responses, FORM)


def test_a_number_it_does_not_have() -> None:
    with pytest.raises(InventoryError, match=r"Item 51 is outside this 50-item .* numbered 1-50"):
        FORM.columns([51])


def test_every_form_goes_by_its_own_name() -> None:
    for name in FORMS:
        assert get_inventory(name).name == name
    assert ipip_neo_300().has_facets and not FORM.has_facets
    with pytest.raises(InventoryError, match=r"no questionnaire 'NEO'.*IPIP-NEO-300"):
        get_inventory("NEO")


@pytest.mark.parametrize(
    "item", [Item(1, "Worry.", None, 1), Item(1, "Worry.", "N1", 1, trait="E")]
)
def test_an_item_without_its_trait_is_refused(item: Item) -> None:
    with pytest.raises(InventoryError, match="Item 1 has trait"):
        Inventory("odd", (item,))
