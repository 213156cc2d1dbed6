"""Files of people: converted exactly once, written and read back alike, refused when in doubt."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personalign.dataset.coordinate import opposite_key_correlation
from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents, demographics_table
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import to_keyed

ANSWERS = arrays(np.int8, st.tuples(st.integers(1, 4), st.just(300)), elements=st.integers(0, 5))
ENDINGS = ("json", "csv", "parquet")
SIGNS = ipip_neo_300().signs


def _papi_rows(responses: np.ndarray) -> list[dict[str, Any]]:
    """Records as PAPI stores them: keyed values behind ten fields."""
    moment = {"sec": 27, "min": 46, "hour": 11, "date": 1, "month": 1, "year": 101}
    return [
        {"case": 500 + row, "sex": 1 + row % 2, "age": 20 + row, **moment, "country": "USA      "}
        | {f"i{number}": int(value) for number, value in enumerate(keyed, 1)}
        for row, keyed in enumerate(to_keyed(responses, SIGNS))
    ]


def _plausible(people: int, seed: int = 0) -> np.ndarray:
    """(people, 300) responses driven by one latent trait a facet."""
    rng = np.random.default_rng(seed)
    facets = {code: rng.normal(size=people) for code in dict.fromkeys(ipip_neo_300().facets)}
    lean = np.stack([facets[item.facet] * item.sign for item in ipip_neo_300()], axis=1)
    noisy = 3 + lean + rng.normal(size=lean.shape)
    return np.clip(np.rint(noisy), 1, 5).astype(np.int8)


def _save(rows: list[dict[str, Any]], path: Path) -> Path:
    table = pl.DataFrame(rows)
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        table.write_csv(path)
    else:
        table.write_parquet(path)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_papi_s_layout_is_converted(ending: str, tmp_path: Path) -> None:
    responses = np.random.default_rng(0).integers(0, 6, (3, 300)).astype(np.int8)
    people = read_people(_save(_papi_rows(responses), tmp_path / f"papi.{ending}"))
    assert np.array_equal(people.responses, responses)
    assert people.ids == ("500", "501", "502")
    assert people.demographics is not None
    assert people.demographics.to_dict(as_series=False) == {
        "sex": ["male", "female", "male"],
        "age": [20, 21, 22],
        "country": ["USA"] * 3,
        "time": [datetime(2001, 2, 1, 11, 46, 27)] * 3,
    }
    assert people.source == f"papi.{ending} (keyed values, turned into responses; PAPI's layout)"


@pytest.mark.parametrize("ending", ENDINGS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(responses=ANSWERS)
def test_written_and_read_back(ending: str, tmp_path: Path, responses: np.ndarray) -> None:
    count = len(responses)
    table = demographics_table([None] * count, list(range(20, 20 + count)), ["Åland, FI"] * count)
    people = Respondents(responses, tuple(f"p {row}" for row in range(count)), table)
    people.write(tmp_path / f"people.{ending}")
    again = read_people(tmp_path / f"people.{ending}")
    assert np.array_equal(again.responses, responses)
    assert again.ids == people.ids
    assert again.demographics is not None
    assert again.demographics.equals(table)
    assert again.source == f"people.{ending} (responses; marked)"


@pytest.mark.parametrize("ending", ENDINGS)
def test_keyed_papi_is_never_reversed_twice(ending: str, tmp_path: Path) -> None:
    """Read, write, read, write, read: the responses of the first reading, every time."""
    responses = _plausible(40)
    source = _save(_papi_rows(responses), tmp_path / "papi.json")
    assert np.array_equal(read_people(source).responses, read_people(source).responses)
    people = read_people(source)
    for turn in range(3):
        people.write(tmp_path / f"{turn}.{ending}")
        people = read_people(tmp_path / f"{turn}.{ending}")
        assert np.array_equal(people.responses, responses)


def test_the_released_people(released: Path, tmp_path: Path) -> None:
    path = released / "papi" / "respondents_dev.json"
    stored = json.loads(path.read_text())
    people = read_people(path)
    assert len(people) == 150
    for row, person in enumerate(stored):
        assert people.ids[row] == str(person["case"])
        for item in people.inventory:
            value = person[f"i{item.number}"]
            wanted = 6 - value if item.sign < 0 and value else value
            assert people.responses[row, item.number - 1] == wanted
    assert opposite_key_correlation(people.responses) == pytest.approx(-0.415, abs=0.005)
    assert opposite_key_correlation(people.keyed) == pytest.approx(+0.415, abs=0.005)
    assert np.array_equal(read_people(path, coordinate="keyed").responses, people.responses)
    with pytest.raises(PeopleError, match="taken to store response values"):
        read_people(path, coordinate="response")


def test_a_file_that_says_nothing_is_refused_unless_told(tmp_path: Path) -> None:
    responses = _plausible(3)
    rows = [{f"i{n}": int(value) for n, value in enumerate(row, 1)} for row in responses]
    path = _save(rows, tmp_path / "people.csv")
    with pytest.raises(PeopleError, match=r"Nothing in people\.csv tells whether"):
        read_people(path)
    as_ticked = read_people(path, coordinate="response")
    assert np.array_equal(as_ticked.responses, responses)
    assert as_ticked.ids == ("1", "2", "3")
    assert as_ticked.demographics is None
    keyed = read_people(path, coordinate="keyed")
    assert np.array_equal(keyed.responses, to_keyed(responses, SIGNS))


def test_answers_that_contradict_the_coordinate(tmp_path: Path) -> None:
    rows = [{f"i{n}": int(v) for n, v in enumerate(row, 1)} for row in _plausible(40)]
    path = _save(rows, tmp_path / "people.json")
    assert len(read_people(path, coordinate="response")) == 40
    with pytest.raises(PeopleError, match='Say coordinate="response"'):
        read_people(path, coordinate="keyed")
    assert len(read_people(path, coordinate="keyed", check=False)) == 40
    few = _save(rows[:29], tmp_path / "few.json")
    assert len(read_people(few, coordinate="keyed")) == 29
    # Someone saved responses in PAPI's own layout: the layout alone is not believed.
    papi = _save(_papi_rows(to_keyed(_plausible(40), SIGNS).astype(np.int8)), tmp_path / "odd.json")
    with pytest.raises(PeopleError, match="PAPI's layout"):
        read_people(papi)
    assert np.array_equal(read_people(papi, coordinate="response").responses, _plausible(40))


def test_a_mark_wins_over_everything_but_a_contrary_word(tmp_path: Path) -> None:
    agreeing_with_all = np.repeat(np.arange(1, 6, dtype=np.int8), 10)[:, None].repeat(300, axis=1)
    people = Respondents(agreeing_with_all, tuple(map(str, range(50))))
    people.write(tmp_path / "people.csv")
    assert np.array_equal(read_people(tmp_path / "people.csv").responses, agreeing_with_all)
    with pytest.raises(PeopleError, match="marked as response and was to be read as keyed"):
        read_people(tmp_path / "people.csv", coordinate="keyed")


def test_marked_as_keyed_or_as_nonsense(tmp_path: Path) -> None:
    responses = _plausible(2)
    rows = [row | {"coordinate": "keyed"} for row in _papi_rows(responses)]
    path = _save(rows, tmp_path / "people.json")
    assert np.array_equal(read_people(path).responses, responses)
    rows[1]["coordinate"] = "response"
    with pytest.raises(PeopleError, match=r"column coordinate of people\.json holds"):
        read_people(_save(rows, tmp_path / "people.json"))


def test_the_short_form_lands_on_its_own_items(tmp_path: Path) -> None:
    short = ipip_neo_120()
    responses = np.random.default_rng(0).integers(1, 6, (2, 120)).astype(np.int8)
    rows = [{f"i{n}": int(v) for n, v in enumerate(row, 1)} for row in responses]
    path = _save(rows, tmp_path / "short.csv")
    people = read_people(path, coordinate="response")
    columns = ipip_neo_300().columns(short)
    assert np.array_equal(people.responses[:, columns], responses)
    assert np.array_equal(people.only(short).responses, people.responses)
    keyed = read_people(path, coordinate="keyed")
    assert np.array_equal(keyed.responses[:, columns], to_keyed(responses, short.signs))


def test_blanks_are_missing(tmp_path: Path) -> None:
    rows = _papi_rows(_plausible(2))
    rows[0]["i1"] = None
    del rows[1]["i300"]
    path = tmp_path / "people.json"
    path.write_text(json.dumps(rows))
    people = read_people(path)
    assert people.responses[0, 0] == 0
    assert people.responses[1, 299] == 0
    assert (people.responses == 0).sum() == 2
    _save(rows, tmp_path / "people.csv")
    text = (tmp_path / "people.csv").read_text().replace(",,", ", ,")
    (tmp_path / "people.csv").write_text(text)
    assert np.array_equal(read_people(tmp_path / "people.csv").responses, people.responses)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("value", [6, -1, 2.5, "agree"])
def test_values_that_are_no_answers(ending: str, value: float | str, tmp_path: Path) -> None:
    rows = _papi_rows(_plausible(2))
    for row in rows:
        row["i7"] = str(row["i7"]) if isinstance(value, str) else type(value)(row["i7"])
    rows[1]["i7"] = value
    path = _save(rows, tmp_path / f"people.{ending}")
    with pytest.raises(PeopleError, match=f"person 2 has .*{value}.* in the column i7"):
        read_people(path)


def test_columns_that_are_missing(tmp_path: Path) -> None:
    rows = _papi_rows(_plausible(1))
    for number in (150, 200):
        del rows[0][f"i{number}"]
    with pytest.raises(PeopleError, match="lacks 2 of the columns i1-i300, i150 first"):
        read_people(_save(rows, tmp_path / "people.csv"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("people.json", "[{", "cannot be read as json"),
        ("people.json", "{}", "no list of records"),
        ("people.json", "[1, 2]", "no list of records"),
        ("people.json", "[]", "holds no people"),
        ("people.csv", "", "cannot be read as csv"),
        ("people.csv", "case,i1\n", "holds no people"),
        ("people.parquet", "PAR1", "cannot be read as parquet"),
        ("people.xlsx", "", "ending in '.xlsx' cannot be read"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PeopleError, match=message):
        read_people(tmp_path / name)


def test_jsonl_is_the_same_table(tmp_path: Path) -> None:
    rows = _papi_rows(_plausible(4))
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    people, same = read_people(path), read_people(_save(rows, tmp_path / "people.json"))
    assert np.array_equal(people.responses, same.responses)
    assert people.ids == same.ids


@pytest.mark.parametrize("ending", ENDINGS)
def test_questionnaire_split_and_time_come_back(ending: str, tmp_path: Path) -> None:
    form = big_five_50()
    answers = np.random.default_rng(0).integers(0, 6, (5, 50)).astype(np.int8)
    table = demographics_table(["male"] * 5, [30] * 5, [None] * 5).with_columns(
        pl.Series("time", [datetime(2001, 2, 3, 4, 5, 6)] * 4 + [None], dtype=pl.Datetime("us"))
    )
    ids = tuple("abcde")
    people = Respondents(answers, ids, table, inventory=form, split="tuning")
    people.write(tmp_path / f"people.{ending}")
    again = read_people(tmp_path / f"people.{ending}")
    assert np.array_equal(again.responses, answers)
    assert (again.inventory.name, again.split, again.ids) == (form.name, "tuning", ids)
    assert again.demographics is not None
    assert again.demographics.equals(table)


def test_the_short_form_written_as_itself(tmp_path: Path) -> None:
    answers = np.random.default_rng(0).integers(0, 6, (5, 120)).astype(np.int8)
    Respondents(answers, tuple("abcde"), inventory=ipip_neo_120()).write(tmp_path / "short.csv")
    again = read_people(tmp_path / "short.csv")
    assert again.inventory is ipip_neo_120()
    assert np.array_equal(again.responses, answers)


def test_two_questionnaires_in_one_file(tmp_path: Path) -> None:
    rows = _papi_rows(_plausible(2))
    rows[0]["inventory"], rows[1]["inventory"] = "IPIP-NEO-300", "IPIP-NEO-120"
    with pytest.raises(PeopleError, match=r"inventory of people\.json names 2 questionnaires"):
        read_people(_save(rows, tmp_path / "people.json"))
    rows[0]["inventory"] = rows[1]["inventory"] = "IPIP-Big5-50"
    del rows[0]["i7"], rows[1]["i7"]
    with pytest.raises(PeopleError, match="lacks 1 of the 50 columns of IPIP-Big5-50, i7 first"):
        read_people(_save(rows, tmp_path / "people.json"))


def test_raw_files_are_read_and_written_by_their_ending(tmp_path: Path) -> None:
    people = simulate(40, seed=1)
    for name in ("people.dat", "people.dat.gz"):
        people.write(tmp_path / name)
        again = read_people(tmp_path / name)
        assert np.array_equal(again.responses, people.responses)
        assert again.source == f"{name} (keyed values, turned into responses; Johnson's layout)"
    with (tmp_path / "people.dat").open("ab") as file:
        file.write(b"\r\njunk")
    assert "; 1 of 41 lines left out)" in read_people(tmp_path / "people.dat").source
    with pytest.raises(PeopleError, match="Line 41 of people"):
        read_people(tmp_path / "people.dat", strict=True)
    with pytest.raises(PeopleError, match="was to be read as response"):
        read_people(tmp_path / "people.dat", coordinate="response")


def test_a_raw_file_of_responses_is_found_out(tmp_path: Path) -> None:
    """Somebody wrote answers as ticked into Johnson's layout: reversing them shows."""
    ticked = to_keyed(simulate(40, seed=1).responses, SIGNS).astype(np.int8)
    Respondents(ticked, tuple(map(str, range(40)))).write(tmp_path / "people.dat")
    with pytest.raises(PeopleError, match="Johnson's layout"):
        read_people(tmp_path / "people.dat")
    assert len(read_people(tmp_path / "people.dat", check=False)) == 40


def test_json_records_that_differ_in_their_fields(tmp_path: Path) -> None:
    rows = _papi_rows(_plausible(3))
    rows[1] = dict(reversed(rows[1].items()))
    del rows[2]["country"]
    people = read_people(_save(rows, tmp_path / "people.json"))
    assert np.array_equal(people.responses, _plausible(3))
    assert people.demographics is not None
    assert people.demographics["country"].to_list() == ["USA", "USA", None]


@pytest.mark.parametrize("text", ["[{}", "[{},]", "[{} {}]", "[{}] x", '[{"i1": 1}, 2]', "x"])
def test_json_that_is_damaged(text: str, tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(PeopleError, match=r"people\.json (cannot be read|is no list)"):
        read_people(tmp_path / "people.json")


def test_no_file_no_ending_no_such_coordinate(tmp_path: Path) -> None:
    with pytest.raises(PeopleError, match="There is no file of people"):
        read_people(tmp_path / "people.json")
    with pytest.raises(PeopleError, match="The coordinate 'raw' is unknown"):
        read_people(tmp_path / "people.json", coordinate="raw")  # type: ignore[arg-type]
    people = Respondents(_plausible(1), ("a",))
    with pytest.raises(PeopleError, match="cannot be written"):
        people.write(tmp_path / "people.txt")
    assert list(tmp_path.iterdir()) == []
