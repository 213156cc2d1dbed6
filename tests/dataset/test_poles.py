"""People at the ends of traits: the keyed values are 5 or 1, and nothing else is answered."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.poles import people_at_poles
from personalign.errors import PeopleError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.inventory.keys import TRAITS


@pytest.mark.parametrize("form", [ipip_neo_300(), big_five_50()], ids=lambda form: form.name)
def test_an_end_is_the_end_in_the_direction_of_the_trait(form: Inventory) -> None:
    people = people_at_poles(inventory=form)
    assert people.ids == tuple(f"{trait} {end}" for trait in TRAITS for end in ("high", "low"))
    for name, keyed in zip(people.ids, people.keyed, strict=True):
        own = form.traits == name[0]
        assert set(keyed[own]) == {5 if name.endswith("high") else 1}
        assert not keyed[~own].any()


def test_opposite_ends_are_opposite_answers() -> None:
    high, low = people_at_poles("C").responses
    answered = high != 0
    assert ((high + low)[answered] == 6).all() and (answered == (low != 0)).all()
    items = [item for item in ipip_neo_300() if item.trait == "C"]
    minus = next(item for item in items if item.sign < 0)
    assert high[minus.number - 1] == 1
    assert len(np.unique(high[answered])) == 2  # both ends of the scale are ticked


@pytest.mark.parametrize(("traits", "ends"), [("X", ["high"]), ("C", ["middle"]), ("", ["high"])])
def test_nobody_else(traits: str, ends: list[str]) -> None:
    with pytest.raises(PeopleError, match="There is nobody called"):
        people_at_poles(traits, ends)
