"""`personalign stress` and `personalign heads` as somebody meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.heads import heads
from personalign.cli.stress import stress
from personalign.dataset.papi import write_people
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError, MethodError, PeopleError

APP = typer.Typer()
APP.command()(stress)
APP.command()(heads)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.json"
    write_people(simulate(3, seed=1), path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_methods_are_put_under_stress(model: Path, people: Path, tmp_path: Path) -> None:
    facts, figure = tmp_path / "facts.json", tmp_path / "cost.svg"
    outputs = ("--json", facts, "--figure", figure)
    given = ("--people", people, "--model", model, "--limit", 2, "--methods", "none,iti")
    result = run("stress", *given, "--max-kl", 0.01, *outputs)
    assert result.exit_code == 0, result.output
    found = json.loads(facts.read_text())["methods"]
    assert set(found) == {"none", "iti"}
    as_made = found["none"]["asked"]["as made"]
    assert f"{as_made['composite']:.2f}" in result.stdout
    assert all(one["kl"] <= 0.01 + 1e-6 for one in found["iti"]["side_effects"])
    assert found["none"]["trade_off"] is None and found["none"]["side_effects"][0]["kl"] == 0
    assert figure.read_text().count("<svg") == 1


def test_heads_are_counted_and_drawn(model: Path, people: Path, tmp_path: Path) -> None:
    facts, figure = tmp_path / "facts.json", tmp_path / "heads.png"
    given = ("--people", people, "--model", model, "--method", "iti", "--counts", "1,3")
    outputs = ("--json", facts, "--figure", figure)
    result = run("heads", *given, "--alphas", "0,2", *outputs)
    assert result.exit_code == 0, result.output
    found = json.loads(facts.read_text())
    assert [one["heads"] for one in found["by_heads"]] == [1, 3]
    assert found["by_heads"][0]["composites"][0] == found["by_heads"][1]["composites"][0]
    assert f"Two people share {found['shared_between_people']:.0%}" in result.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        (("stress", "--methods", "few-shot-nearest"), EvaluationError, "no persona"),
        (("stress", "--methods", "pas,pas"), EvaluationError, "only once"),
        (("stress", "--methods", "magic"), MethodError, "magic"),
        (("stress", "--figure", "cost.gif"), PeopleError, "cost.gif"),
        (("heads", "--method", "few-shot"), EvaluationError, "choose pas, iti or dials"),
        (("heads", "--counts", "1,many"), EvaluationError, "1,many is no list of numbers"),
        (("heads", "--counts", "99"), MethodError, "99 heads"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    arguments: tuple[str, ...], error: type[Exception], reason: str, model: Path, people: Path
) -> None:
    result = run(*arguments, "--people", people, "--model", model)
    assert isinstance(result.exception, error) and reason in str(result.exception)
