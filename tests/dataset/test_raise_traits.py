"""Raised people: one more in every item's own direction, kept on the scale."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.raise_traits import VERSIONS, moved_and_clipped, raise_traits, versions
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import trait_means

FORM = ipip_neo_300()


@pytest.fixture(scope="module")
def people() -> Respondents:
    simulated = simulate(6, seed=2)
    responses = simulated.responses.copy()
    responses[0, ::11] = 0
    return Respondents(responses, simulated.ids, simulated.demographics, simulated.source)


def everywhere(response: int) -> Respondents:
    return Respondents(np.full((1, 300), response, np.int8), ("p",))


@pytest.mark.parametrize("response", [1, 2, 3, 4, 5])
def test_each_item_moves_in_its_own_direction(response: int) -> None:
    raised = raise_traits(everywhere(response)).responses[0]
    for item, found in zip(FORM, raised, strict=True):
        expected = min(response + 1, 5) if item.sign > 0 else max(response - 1, 1)
        assert found == expected, item


def test_raising_by_nothing_or_nothing_changes_nothing(people: Respondents) -> None:
    for same in (raise_traits(people, by=0), raise_traits(people, ())):
        assert (same.responses == people.responses).all() and same.ids == people.ids


def test_raised_and_lowered_again_where_nothing_was_clipped(people: Respondents) -> None:
    back = raise_traits(raise_traits(people), by=-1)
    clipped = people.keyed == 5
    assert clipped.any()
    assert (back.keyed == people.keyed)[~clipped].all()
    assert (back.keyed[clipped] == 4).all()


def test_missing_stays_missing_and_the_rest_of_the_scale_is_kept(people: Respondents) -> None:
    raised = raise_traits(people, by=3)
    assert ((raised.responses == 0) == (people.responses == 0)).all()
    assert raised.responses.max() == 5 and raised.responses[raised.responses > 0].min() == 1


def test_other_traits_stay(people: Respondents) -> None:
    raised = raise_traits(people, "EN")
    moved = (raised.responses != people.responses).any(axis=0)
    assert moved.any() and set(FORM.traits[moved]) == {"E", "N"}


def test_scores_rise_by_one_less_the_clipped(people: Respondents) -> None:
    rise = trait_means(raise_traits(people).responses) - trait_means(people.responses)
    given, clipped = moved_and_clipped(people, FORM.numbers.tolist())
    assert np.allclose(rise, 1 - clipped / given)
    for place, trait in enumerate(TRAITS):  # counted by hand
        own = people.keyed[:, FORM.traits == trait]
        assert (given[:, place] == (own > 0).sum(axis=1)).all()
        assert (clipped[:, place] == (own == 5).sum(axis=1)).all()


def test_versions_are_all_the_raised_people_in_order(people: Respondents) -> None:
    together = versions(people)
    size = len(people)
    assert len(together) == len(VERSIONS) * size
    for number, version in enumerate(VERSIONS):
        some = together.select(slice(number * size, (number + 1) * size))
        traits = {"base": "", "all": "OCEAN"}.get(version, version)
        assert (some.responses == raise_traits(people, traits).responses).all()
        assert some.demographics is not None and people.demographics is not None
        assert some.demographics.equals(people.demographics)
    assert len(set(together.ids)) == len(together)
    assert together.ids[:size] == people.ids and together.ids[size] == f"{people.ids[0]}+OCEAN"


def test_a_trait_there_is_not() -> None:
    with pytest.raises(PeopleError, match="no trait 'X'"):
        raise_traits(everywhere(3), "EX")
