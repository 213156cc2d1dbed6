"""`personalign people split`: two files that never share a person, and evaluation minds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from personalign.cli.main import app
from personalign.dataset.papi import read_people
from personalign.dataset.simulate import simulate
from personalign.methods.registry import METHODS
from personalign.model.fake import fake_decoder
from tests.bench.sketch import Sketch


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Forty simulated people."""
    path = tmp_path / "people.json"
    simulate(40, seed=3).write(path)
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_both_parts_and_their_counts(people: Path, tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "parts"
    arguments = ("people", "split", people, "-o", folder, "--format", ending)
    result = _run(*arguments, "--tuning-share", 0.25, "--json", tmp_path / "counts.json")
    assert result.exit_code == 0, result.output
    parts = {name: read_people(folder / f"{name}.{ending}") for name in ("tuning", "reported")}
    assert {name: part.split for name, part in parts.items()} == {n: n for n in parts}
    assert len(parts["tuning"]) == 10
    assert not set(parts["tuning"].ids) & set(parts["reported"].ids)
    assert sorted(path.name for path in folder.iterdir()) == [
        f"reported.{ending}",
        f"tuning.{ending}",
    ]
    found = json.loads((tmp_path / "counts.json").read_text())
    assert found["parts"] == {"tuning": 10, "reported": 30}
    for part in ("tuning", "reported"):
        assert sum(row[part] for row in found["strata"]) == found["parts"][part]


def test_parts_are_not_replaced_without_a_word(people: Path, tmp_path: Path) -> None:
    assert _run("people", "split", people, "-o", tmp_path / "parts").exit_code == 0
    before = (tmp_path / "parts" / "tuning.parquet").read_bytes()
    again = _run("people", "split", people, "-o", tmp_path / "parts", "--seed", 5)
    assert again.exit_code == 1
    assert "there already" in " ".join(again.output.split())
    assert (tmp_path / "parts" / "tuning.parquet").read_bytes() == before
    forced = _run("people", "split", people, "-o", tmp_path / "parts", "--seed", 5, "--force")
    assert forced.exit_code == 0
    assert (tmp_path / "parts" / "tuning.parquet").read_bytes() != before


def test_a_refused_split_leaves_nothing(people: Path, tmp_path: Path) -> None:
    result = _run("people", "split", people, "-o", tmp_path / "parts", "--tuning-share", 1.5)
    assert result.exit_code == 1
    assert not (tmp_path / "parts").exists()


def test_evaluate_refuses_tuning_people_unless_told(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "sketch", Sketch)
    decoder = fake_decoder("llama")
    decoder.model.save_pretrained(tmp_path / "model")
    decoder.tokenizer.save_pretrained(tmp_path / "model")
    parts = tmp_path / "parts"
    assert _run("people", "split", people, "-o", parts).exit_code == 0
    common = ("--model", tmp_path / "model", "--methods", "sketch", "--limit", 2)
    common += ("--out", tmp_path / "raw", "--json", tmp_path / "scores.json")
    refused = _run("evaluate", "--people", parts / "tuning.parquet", *common)
    assert refused.exit_code == 1
    assert "--on-tuning-people" in refused.output
    assert not (tmp_path / "scores.json").exists()
    told = _run("evaluate", "--people", parts / "tuning.parquet", *common, "--on-tuning-people")
    assert told.exit_code == 0, told.output
    assert "people of the tuning part" in " ".join(told.output.split())
    assert json.loads((tmp_path / "scores.json").read_text())["people"]["split"] == "tuning"
    fine = _run(
        "evaluate",
        *("--people", parts / "reported.parquet", "--population", parts / "tuning.parquet"),
        *common,
    )
    assert fine.exit_code == 0, fine.output
    assert json.loads((tmp_path / "scores.json").read_text())["people"]["split"] == "reported"
