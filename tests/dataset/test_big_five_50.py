"""The open file of the 50 markers comes in as ticked, whole, and mistakes are named by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from personalign.dataset.big_five_50 import COLUMNS, read_big_five_50, recognises
from personalign.dataset.papi import read_people
from personalign.errors import PeopleError

HEAD = ["race", "age", "engnat", "gender", "hand", "source", "country", *COLUMNS]


def _write(path: Path, rows: list[list[object]], separator: str = "\t", end: str = "\r\n") -> Path:
    lines = [separator.join(map(str, row)) for row in [HEAD, *rows]]
    path.write_bytes((end.join(lines) + end).encode())
    return path


def _row(answers: object = 4, age: object = 30, gender: object = 2, country: str = "SE") -> list:
    return [3, age, 1, gender, 1, 1, country, *([answers] * 50)]


@pytest.mark.parametrize(("separator", "end"), [("\t", "\r\n"), (",", "\n")])
def test_answers_come_in_as_ticked(tmp_path: Path, separator: str, end: str) -> None:
    drawn = np.random.default_rng(0).integers(0, 6, (7, 50))
    rows = [[*_row()[:7], *answers] for answers in drawn.tolist()]
    path = _write(tmp_path / "open.csv", rows, separator, end)
    assert recognises(path)
    people = read_big_five_50(path)
    assert np.array_equal(people.responses, drawn)
    assert people.inventory.name == "IPIP-Big5-50"
    assert people.ids == tuple("1234567")


def test_what_is_no_age_sex_or_country_is_unknown(tmp_path: Path) -> None:
    rows = [
        _row(age=30, gender=1, country="US"),
        _row(age=1998, gender=3, country="(nu"),
        _row(age="", gender=0, country=""),
        _row(age="999999999999", gender=2, country="A1"),
    ]
    table = read_big_five_50(_write(tmp_path / "open.csv", rows)).demographics
    assert table is not None
    assert table["age"].to_list() == [30, None, None, None]
    assert table["sex"].to_list() == ["male", None, None, "female"]
    assert table["country"].to_list() == ["US", None, None, None]


@pytest.mark.parametrize("answer", ["6", "-1", "x", "4.5"])
def test_what_is_no_answer_is_named_by_its_line(tmp_path: Path, answer: str) -> None:
    rows = [_row(), _row()]
    rows[1][9] = answer
    path = _write(tmp_path / "open.csv", rows)
    with pytest.raises(PeopleError, match=f"Line 3 of open.csv has '{answer}' in the column E3"):
        read_big_five_50(path)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("id,i1,i2\n1,2,3\n")
    assert not recognises(other)
    assert not recognises(tmp_path / "absent.csv")
    with pytest.raises(PeopleError, match="lacks 50 of the 50 columns"):
        read_big_five_50(other)
    with pytest.raises(PeopleError, match="holds no people"):
        read_big_five_50(_write(tmp_path / "empty.csv", []))
    cut = tmp_path / "cut.csv"
    cut.write_bytes(b"")
    with pytest.raises(PeopleError, match=r"cut\.csv"):
        read_big_five_50(cut)


def test_the_released_file(released: Path) -> None:
    people = read_people(released / "respondents" / "ipip_big5_50.csv")
    assert len(people) == 19_719
    assert people.inventory.name == "IPIP-Big5-50"
    assert np.bincount(people.responses.ravel()).tolist()[0] == 50
    assert people.demographics is not None
    counts = dict(people.demographics["sex"].value_counts().iter_rows())
    assert counts == {"female": 11_985, "male": 7_608, None: 126}
    assert people.demographics["age"].max() <= 120  # type: ignore[operator]
    assert people.demographics.schema["age"] == pl.Int16
