"""`personalign reason` as somebody meets it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.reason import reason
from personalign.dataset.papi import write_people
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError, MethodError, PeopleError

APP = typer.Typer()
APP.command()(reason)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few questions of two of the data sets, hand-written."""
    folder = tmp_path_factory.mktemp("data")
    coins = [
        {"question": f"A coin is heads up. {name} flips it. Is it heads up?", "answer": "no"}
        for name in ("Ann", "Bob", "Eve")
    ]
    (folder / "coin_flip__coin_flip.json").write_text(json.dumps({"examples": coins}))
    sums = [{"sQuestion": "Ann has 2 pens and buys 3. How many?", "lSolutions": ["5"]}]
    (folder / "AddSub__AddSub.json").write_text(json.dumps(sums))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_the_papers_two_personas_beside_the_plain_model(
    model: Path, data: Path, tmp_path: Path
) -> None:
    facts, rows, figure = (tmp_path / name for name in ("facts.json", "rows.jsonl", "fig.svg"))
    given = ("--data", data, "--model", model, "--tasks", "coin,addsub", "--max-tokens", 6)
    outputs = ("--json", facts, "--rows", rows, "--figure", figure)
    result = run(*given, "--methods", "iti", *outputs)
    assert result.exit_code == 0, result.output
    told = json.loads(facts.read_text())
    assert list(told["reasoning"]["tasks"]) == ["addsub", "coin", "all"]
    assert list(told["reasoning"]["tasks"]["coin"]) == ["base", "C+1", "C-1"]
    assert told["way"] == "alpha" and told["reasoning"]["prompting"] == "zero-shot"
    written = [json.loads(line) for line in rows.read_text().splitlines()]
    assert len(written) == 3 * (3 + 1)
    right = sum(row["right"] for row in written if row["persona"] == "C+1")
    assert told["reasoning"]["tasks"]["all"]["C+1"]["right"] == right
    assert "Coin flip" in result.stdout and "AddSub" in result.stdout
    assert figure.read_text().count("<svg") == 1


def test_people_and_several_methods(model: Path, data: Path, tmp_path: Path) -> None:
    people, facts = tmp_path / "people.json", tmp_path / "facts.json"
    write_people(simulate(3, seed=1), people)
    given = ("--data", data, "--model", model, "--tasks", "coin", "--max-tokens", 4)
    who = ("--people", people, "--people-limit", 2, "--traits", "N", "--way", "answers")
    how = ("--methods", "none,iti", "--prompting", "few-shot", "--mixed", "--limit", 2)
    result = run(*given, *who, *how, "--json", facts)
    assert result.exit_code == 0, result.output
    told = json.loads(facts.read_text())["reasoning"]
    names = list(told["tasks"]["coin"])
    assert names[:3] == ["base", "none N high", "none N low"] and len(names) == 1 + 2 * (2 + 2)
    assert told["people"]["none"]["coin"]["people"] == 2
    assert told["people"]["none"]["coin"]["difference"]["mean"] == 0
    assert told["tasks"]["coin"]["base"]["samples"] == 2
    assert told["tasks"]["coin"]["base"]["seconds_per_sample"] is None
    assert "mean over 2" in result.stdout and "not measured" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "reason_"),
    [
        ((), EvaluationError, "either the folder"),
        (("--tasks", "chess"), EvaluationError, "chess"),
        (("--traits", "X"), EvaluationError, "--traits X is no list"),
        (("--alphas", "far"), EvaluationError, "--alphas far is no list"),
        (("--alphas", "1,nan"), EvaluationError, "--alphas 1,nan is no list"),
        (("--alphas", "1", "--way", "answers"), EvaluationError, "need --traits and --way alpha"),
        (("--methods", "few-shot-nearest"), EvaluationError, "no persona"),
        (("--methods", "few-shot"), EvaluationError, "no alpha to change"),
        (("--methods", "magic"), MethodError, "magic"),
        (("--figure", "fig.gif"), PeopleError, "fig.gif"),
        (("--hub",), EvaluationError, "not both"),
    ],
)
def test_what_it_refuses(
    model: Path, data: Path, arguments: tuple[str, ...], error: type[Exception], reason_: str
) -> None:
    where = ("--data", data) if arguments else ()
    tasks = () if "--tasks" in arguments else ("--tasks", "coin")
    result = run(*where, "--model", model, *tasks, *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, error) and reason_ in str(result.exception)


def test_everybody_has_a_name(model: Path, data: Path, tmp_path: Path) -> None:
    people = replace(simulate(2, seed=1), ids=("Ann", "Ann"))
    write_people(people, tmp_path / "people.json")
    given = ("--data", data, "--model", model, "--tasks", "coin", "--methods", "none")
    result = run(*given, "--people", tmp_path / "people.json")
    assert isinstance(result.exception, EvaluationError) and "one id" in str(result.exception)
