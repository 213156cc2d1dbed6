"""Laws of `Respondents`: nothing is lost, nothing can be written to, mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personalign.dataset.people import DEMOGRAPHICS, Respondents, demographics_table
from personalign.errors import InventoryError, PeopleError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import to_responses

ANSWERS = arrays(np.int8, st.tuples(st.integers(1, 6), st.just(300)), elements=st.integers(0, 5))


def _people(responses: np.ndarray, demographics: bool = True) -> Respondents:
    count = len(responses)
    table = demographics_table(
        ["male", "female", None] * count, [30] * 3 * count, ["USA"] * 3 * count
    )
    return Respondents(
        responses,
        tuple(f"p{row}" for row in range(count)),
        table.head(count) if demographics else None,
        source="a test",
    )


@settings(max_examples=50, deadline=None)
@given(ANSWERS)
def test_keyed_is_in_the_trait_s_direction(responses: np.ndarray) -> None:
    people = _people(responses)
    assert people.keyed.dtype == np.int8
    assert np.array_equal(to_responses(people.keyed, people.inventory.signs), responses)


@settings(max_examples=50, deadline=None)
@given(ANSWERS, st.data())
def test_selecting_parts_and_putting_them_together(
    responses: np.ndarray, data: st.DataObject
) -> None:
    people = _people(responses)
    cut = data.draw(st.integers(1, len(people)))
    parts = [people.select(slice(0, cut)), people.select(slice(cut, None))]
    again = Respondents.concat([part for part in parts if len(part)])
    assert np.array_equal(again.responses, people.responses)
    assert again.ids == people.ids
    assert again.demographics is not None
    assert people.demographics is not None
    assert again.demographics.equals(people.demographics)
    assert again.source == people.source


@settings(max_examples=50, deadline=None)
@given(ANSWERS)
def test_mask_equals_its_indices(responses: np.ndarray) -> None:
    people = _people(responses)
    mask = np.arange(len(people)) % 2 == 0
    by_mask, by_index = people.select(mask), people.select(np.flatnonzero(mask))
    assert np.array_equal(by_mask.responses, by_index.responses)
    assert by_mask.ids == by_index.ids == tuple(people.ids[::2])


def test_order_and_negative_indices() -> None:
    people = _people(np.eye(3, 300, dtype=np.int8))
    assert people.select([2, 0]).ids == ("p2", "p0")
    assert people.select([-1]).ids == ("p2",)
    assert len(people.select([])) == 0


@settings(max_examples=50, deadline=None)
@given(ANSWERS)
def test_only_hides_every_other_item(responses: np.ndarray) -> None:
    people = _people(responses)
    full = ipip_neo_300()
    seen = people.only(full.tuning)
    hidden, shown = full.columns(full.held_out), full.columns(full.tuning)
    assert not seen.responses[:, hidden].any()
    assert np.array_equal(seen.responses[:, shown], responses[:, shown])
    assert np.array_equal(seen.only(full.tuning).responses, seen.responses)
    assert not seen.only(full.held_out).responses.any()
    assert np.array_equal(people.responses, responses)


def test_demographics_of_a_part_without_are_null() -> None:
    with_some = _people(np.ones((2, 300), dtype=np.int8))
    without = _people(np.ones((1, 300), dtype=np.int8), demographics=False)
    table = Respondents.concat([with_some, without]).demographics
    assert table is not None
    assert table["age"].to_list() == [30, 30, None]
    assert Respondents.concat([without, without]).demographics is None


def test_further_demographics_are_kept() -> None:
    times = pl.Series("time", [datetime(2005, 3, 1), datetime(2006, 4, 2)])
    some = _people(np.ones((2, 300), dtype=np.int8))
    assert some.demographics is not None
    some = replace(some, demographics=some.demographics.with_columns(times))
    both = Respondents.concat([some, _people(np.ones((1, 300), dtype=np.int8))])
    for people, expected in ((both, [*times, None]), (some.select([1]), [times[1]])):
        assert people.demographics is not None
        assert people.demographics.columns == [*DEMOGRAPHICS, "time"]
        assert people.demographics["time"].to_list() == expected


def test_the_questionnaire_is_kept_and_never_mixed() -> None:
    short = Respondents(np.full((2, 50), 4), ("a", "b"), inventory=big_five_50())
    for people in (short.select([1]), short.only([1, 2]), Respondents.concat([short, short])):
        assert people.inventory is big_five_50()
        assert people.responses.shape == (len(people), 50)
    assert np.array_equal(short.keyed[0], np.where(big_five_50().signs > 0, 4, 2))
    with pytest.raises(PeopleError, match="IPIP-NEO-300 and IPIP-Big5-50"):
        Respondents.concat([_people(np.ones((1, 300), dtype=np.int8)), short])
    with pytest.raises(PeopleError, match="one column an item of IPIP-Big5-50"):
        Respondents(np.ones((1, 300), dtype=np.int8), ("a",), inventory=big_five_50())


def test_the_part_of_a_split_is_kept_and_joined() -> None:
    whole = _people(np.ones((2, 300), dtype=np.int8))
    parts = [replace(whole, split=name) for name in ("tuning", "reported")]
    assert parts[0].select([0]).split == parts[0].only([1]).split == "tuning"
    assert Respondents.concat(parts).split == "tuning+reported"
    assert Respondents.concat([whole, parts[0]]).split == "tuning"
    assert Respondents.concat([whole, whole]).split is None


def test_responses_cannot_be_written_to() -> None:
    mine = np.ones((1, 300), dtype=np.int8)
    people = _people(mine)
    with pytest.raises(ValueError, match="read-only"):
        people.responses[0, 0] = 5
    mine[0, 0] = 2  # the caller's own array stays writable


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        (np.ones((2, 120), dtype=np.int8), r"shape \(2, 120\); they need \(people, 300\)"),
        (np.ones(300, dtype=np.int8), r"shape \(300,\)"),
        (np.ones((1, 300)), "stored as float64"),
        (np.full((1, 300), 6), "Person 1 has 6 at item 1"),
        (np.full((1, 300), -1), "has -1"),
        (np.full((1, 300), 257), "has 257"),
    ],
)
def test_responses_that_are_none(responses: np.ndarray, message: str) -> None:
    with pytest.raises(PeopleError, match=message):
        Respondents(responses, ("a",))


def test_lengths_have_to_agree() -> None:
    responses = np.ones((2, 300), dtype=np.int8)
    with pytest.raises(PeopleError, match="1 ids for 2 people"):
        Respondents(responses, ("a",))
    with pytest.raises(PeopleError, match="1 rows of demographics for 2 people"):
        Respondents(responses, ("a", "b"), pl.DataFrame({"sex": ["male"]}))


def test_people_and_items_that_are_not_there() -> None:
    people = _people(np.ones((2, 300), dtype=np.int8))
    with pytest.raises(PeopleError, match="no person at index 2"):
        people.select([0, 2])
    with pytest.raises(PeopleError, match=r"mask has the shape \(3,\)"):
        people.select([True, False, True])
    with pytest.raises(InventoryError, match="Item 301"):
        people.only([301])
    with pytest.raises(PeopleError, match="no people to put together"):
        Respondents.concat([])
