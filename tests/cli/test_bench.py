"""`personalign bench` as somebody types it: run, status, report, compare, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from personalign.cli.main import app

runner = CliRunner()

TOML = """
title = "Typed"
block = 2
[model]
name = "{model}"
[people]
simulated = 3
[methods]
names = ["none", "few-shot"]
settings.few-shot.answers = {answers}
[evaluations.aligned]
"""


@pytest.fixture(scope="module")
def toml(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("typed") / "typed.toml"
    path.write_text(TOML.format(model=model, answers=5))
    return path


def typed(*words: object) -> str:
    result = runner.invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


def test_run_status_report_and_compare(toml: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = typed("bench", toml, "--out", out)
    assert "Aligned score" in said and "constant 3" in said and "few-shot" in said
    assert (out / "report" / "index.html").exists()
    assert "3 of 3" in typed("bench", "status", out) and "Finished." in typed(
        "bench", "status", out
    )
    assert (out / "report" / "aligned-score-3-people.tex").exists()
    again = typed("bench", "report", out, "--out", tmp_path / "page")
    assert "Aligned score" in again and (tmp_path / "page" / "index.html").exists()
    lines = [json.loads(line) for line in typed("bench", "rows", out, "aligned").splitlines()]
    assert [(row["method"], row["seed"]) for row in lines] == [("none", 0)] * 3 + [
        ("few-shot", 0)
    ] * 3
    refused = runner.invoke(app, ["bench", "rows", str(out), "causal"])
    assert refused.exit_code == 1 and "has no complete rows of 'causal'" in refused.output
    other = tmp_path / "other.toml"
    other.write_text(toml.read_text().replace("answers = 5", "answers = 9"))
    typed("bench", "run", other, "--out", tmp_path / "other")
    said = typed("bench", "compare", out, tmp_path / "other")
    assert "methods.settings.few-shot.answers: 5 | 9" in said and "A - B" in said


def test_the_folder_is_named_after_the_run(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed("bench", toml)
    (folder,) = (tmp_path / "personalign-results").iterdir()
    assert folder.name.startswith("typed-")


def test_the_evaluations_are_listed() -> None:
    said = typed("bench", "evaluations")
    assert "aligned" in said and "max_kl = None" in said and "judge = 'likelihood'" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bench", "nowhere.toml"], "cannot be read as a run's TOML"),
        (["bench", "status", "."], "holds no run"),
        (["bench", "report", "."], "holds no run"),
        (["bench", "compare", ".", "."], "holds no run"),
    ],
)
def test_what_is_refused(words: list[str], message: str) -> None:
    result = runner.invoke(app, words)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
