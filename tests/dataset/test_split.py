"""Laws of the split: nobody twice, nobody lost, each stratum its share, and the part is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents, demographics_table
from personalign.dataset.split import (
    AGE_BANDS,
    age_band,
    is_tuning_part,
    refuse_tuning_people,
    split_people,
    strata,
)
from personalign.errors import EvaluationError, PeopleError
from personalign.inventory.big_five_50 import big_five_50

PERSON = st.tuples(
    st.sampled_from(["male", "female", None]), st.one_of(st.none(), st.integers(5, 99))
)


def _people(known: list[tuple[str | None, int | None]]) -> Respondents:
    count = len(known)
    return Respondents(
        np.ones((count, 50), dtype=np.int8),
        tuple(f"p{row}" for row in range(count)),
        demographics_table([s for s, _ in known], [a for _, a in known], ["SE"] * count),
        inventory=big_five_50(),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(PERSON, min_size=8, max_size=80), st.floats(0.2, 0.8), st.integers(0, 5))
def test_everybody_is_in_one_part_and_strata_keep_their_share(
    known: list, share: float, seed: int
) -> None:
    people = _people(known)
    parts = split_people(people, tuning_share=share, seed=seed)
    ids = [set(part.ids) for part in parts.values()]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == set(people.ids)
    assert len(parts["tuning"]) == np.floor(share * len(people) + 0.5)
    drawn = Counter(strata(parts["tuning"]))
    for stratum, count in Counter(strata(people)).items():
        assert abs(drawn[stratum] - share * count) < 1 + 1e-9
    for name, part in parts.items():
        assert part.split == name
        assert part.inventory is people.inventory
        assert list(part.ids) == [one for one in people.ids if one in set(part.ids)]


def test_the_seed_decides() -> None:
    people = _people([("male", 20)] * 40)
    first = split_people(people, seed=1)["tuning"].ids
    assert split_people(people, seed=1)["tuning"].ids == first
    assert split_people(people, seed=2)["tuning"].ids != first


def test_people_of_whom_nothing_is_known() -> None:
    people = replace(_people([(None, None)] * 10), demographics=None)
    assert [len(part) for part in split_people(people).values()] == [5, 5]
    assert set(strata(people)) == {("unknown", "unknown")}


def test_age_bands_leave_no_gap() -> None:
    bands = [age_band(age) for age in range(1, 100)]
    assert list(dict.fromkeys(bands)) == list(AGE_BANDS)
    assert all(AGE_BANDS[band][0] <= age <= AGE_BANDS[band][1] for age, band in enumerate(bands, 1))


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_shares_that_are_none(share: float) -> None:
    with pytest.raises(PeopleError, match="tuning share is"):
        split_people(_people([("male", 20)] * 4), tuning_share=share)


def test_a_part_without_people_is_refused() -> None:
    with pytest.raises(PeopleError, match="leaves one part empty"):
        split_people(_people([("male", 20)] * 4), tuning_share=0.01)
    with pytest.raises(PeopleError, match="of 0 people"):
        split_people(_people([("male", 20)]).select([]))


def test_a_part_is_not_split_again() -> None:
    tuning = split_people(_people([("male", 20)] * 8))["tuning"]
    with pytest.raises(PeopleError, match="already the tuning part"):
        split_people(tuning)


def test_a_tuning_person_stays_one_whatever_happens() -> None:
    parts = split_people(_people([("male", 20)] * 8))
    tuning, reported = parts["tuning"], parts["reported"]
    together = Respondents.concat([reported, tuning])
    assert together.split == "reported+tuning"
    for people in (tuning, tuning.select([0]), tuning.only([1]), together):
        assert is_tuning_part(people)
        with pytest.raises(EvaluationError, match="on_tuning_people=True"):
            refuse_tuning_people(people)
    refuse_tuning_people(reported)
    refuse_tuning_people(_people([("male", 20)]))


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_the_part_survives_a_file(tmp_path: Path, ending: str) -> None:
    tuning = split_people(_people([("male", 20), (None, None)] * 4))["tuning"]
    tuning.write(tmp_path / f"tuning.{ending}")
    again = read_people(tmp_path / f"tuning.{ending}")
    assert (again.split, again.inventory.name, again.ids) == ("tuning", "IPIP-Big5-50", tuning.ids)
    assert np.array_equal(again.responses, tuning.responses)
