"""`personalign people describe`, `select`, `plot`: what they print and write, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from personalign.cli.main import app
from personalign.dataset.describe import describe
from personalign.dataset.papi import read_people
from personalign.dataset.simulate import simulate


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.parquet"
    simulate(90, seed=1).write(path)
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["people", *(str(argument) for argument in arguments)])


def test_select_then_describe_against_all(people: Path, tmp_path: Path) -> None:
    sets, scores, page = tmp_path / "sets", tmp_path / "scores.json", tmp_path / "page.html"
    chosen = _run("select", people, "-o", sets, "--k", 10, "--json", scores)
    assert chosen.exit_code == 0, chosen.output
    assert "largest standardised difference" in chosen.output
    stored = json.loads(scores.read_text(encoding="utf-8"))
    assert (stored["people"], stored["chosen"]) == (90, 10)
    record = (sets / "selection.json").read_bytes()
    assert _run("select", people, "-o", sets, "--k", 10).exit_code == 0
    assert (sets / "selection.json").read_bytes() == record

    test = sets / "test-set.parquet"
    told = _run("describe", test, "--against", people, "--json", scores, "--report", page)
    assert told.exit_code == 0, told.output
    assert "10 chosen against all 90" in told.output
    described = json.loads(scores.read_text(encoding="utf-8"))
    assert described["traits"] == describe(read_people(test)).as_dict()["traits"]
    assert described["against"]["chosen"] == 10
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_rest_can_be_the_dev_set(people: Path, tmp_path: Path) -> None:
    result = _run("select", people, "-o", tmp_path, "--k", 10, "--dev", "rest", "--format", "csv")
    assert result.exit_code == 0, result.output
    assert len(read_people(tmp_path / "dev-set.csv")) == 80


@pytest.mark.parametrize(
    ("kind", "more"),
    [("pyramid", ()), ("clusters", ("--k", 9)), ("radars", ("--sheet", 2)), ("person", ())],
)
def test_figures_are_written(people: Path, tmp_path: Path, kind: str, more: tuple) -> None:
    result = _run("plot", people, "--kind", kind, "-o", tmp_path / "figure.svg", *more)
    assert result.exit_code == 0, result.output
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("select", "-o", "sets", "--k", 91), "Cannot choose 2 x 91 = 182 of 90 people"),
        (("describe", "--report", "page.pdf"), "'page.pdf'; it ends in .html"),
        (("plot", "--kind", "traits", "-o", "figure.pdf"), "'figure.pdf'"),
        (("plot", "--kind", "traits", "-o", "f.svg", "--sheet", 2), "belongs to radars"),
        (("plot", "--kind", "radars", "-o", "f.svg", "--sheet", 3), "no sheet 3"),
        (("plot", "--kind", "person", "-o", "f.svg", "--person", "me"), "Nobody here is called"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *rest = arguments
    result = _run(command, people, *rest)
    assert result.exit_code == 1
    assert words in result.output.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []
