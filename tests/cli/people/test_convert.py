"""`personalign people convert`: every kind into every other, bad lines told, whole or not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from personalign.cli.main import app
from personalign.dataset.johnson import write_johnson
from personalign.dataset.papi import read_people
from personalign.dataset.simulate import simulate

KINDS = ("dat", "dat.gz", "parquet", "csv", "json")


def _convert(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["people", "convert", *map(str, arguments)])


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind: str, tmp_path: Path) -> None:
    people = simulate(35, seed=2)
    write_johnson(people, tmp_path / "people.dat")
    there, back = tmp_path / f"there.{kind}", tmp_path / "back.dat"
    for source, target in ((tmp_path / "people.dat", there), (there, back)):
        result = _convert(source, target, "--strict")
        assert result.exit_code == 0, result.output
        assert "35 people read from" in result.output
    assert back.read_bytes() == (tmp_path / "people.dat").read_bytes()
    assert np.array_equal(read_people(there).responses, people.responses)


def test_bad_lines_are_told_and_counted(tmp_path: Path) -> None:
    write_johnson(simulate(20, seed=2), tmp_path / "people.dat")
    lines = (tmp_path / "people.dat").read_bytes().split(b"\r\n")
    lines[4], lines[9] = b"garbage", lines[9][:-1] + b"x"
    (tmp_path / "people.dat").write_bytes(b"\r\n".join(lines))
    result = _convert(
        tmp_path / "people.dat", tmp_path / "out.csv", "--json", tmp_path / "report.json"
    )
    assert result.exit_code == 0, result.output
    assert "18 people read from" in result.output
    assert "1 line is shorter than a record: left out (line 5)." in result.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["lines"], report["people"], report["left_out"]) == (20, 18, 2)
    assert report["problems"] == {"short": 1, "answers": 1}
    assert report["examples"] == {"short": [5], "answers": [10]}
    strict = _convert(tmp_path / "people.dat", tmp_path / "strict.csv", "--strict")
    assert strict.exit_code == 1
    assert strict.stderr.startswith("Line 5 of people.dat is shorter than a record.")
    assert not (tmp_path / "strict.csv").exists()


def test_the_other_form_is_refused(tmp_path: Path) -> None:
    write_johnson(simulate(20, seed=2), tmp_path / "people.dat")
    simulate(20, seed=2).write(tmp_path / "people.json")
    for name in ("people.dat", "people.json"):
        result = _convert(tmp_path / name, tmp_path / "out.csv", "--form", "120")
        assert result.exit_code == 1
        assert "was to be read as the 120-item form" in result.stderr
        assert not (tmp_path / "out.csv").exists()


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    simulate(3, seed=2).write(tmp_path / "a.json")
    (tmp_path / "b.csv").write_text("mine")
    assert "is there already" in _convert(tmp_path / "a.json", tmp_path / "b.csv").stderr
    assert (tmp_path / "b.csv").read_text() == "mine"
    assert _convert(tmp_path / "a.json", tmp_path / "b.csv", "--force").exit_code == 0
    assert len(read_people(tmp_path / "b.csv")) == 3


def test_what_a_raw_file_has_no_place_for(tmp_path: Path) -> None:
    simulate(3, seed=2).write(tmp_path / "a.json")
    result = _convert(tmp_path / "a.json", tmp_path / "a.dat")
    assert "people are numbered from 1 instead" in result.output
    assert "cannot be written" in _convert(tmp_path / "a.json", tmp_path / "a.xlsx").stderr
