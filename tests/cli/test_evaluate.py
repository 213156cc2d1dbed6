"""`personalign evaluate` end to end, on a tiny random model in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from personalign.cli.main import app
from personalign.dataset.simulate import simulate
from personalign.methods.registry import METHODS
from tests.bench.sketch import Sketch

runner = CliRunner()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of four simulated people."""
    path = tmp_path_factory.mktemp("people") / "people.json"
    simulate(4, seed=3).write(path)
    return path


@pytest.fixture
def sketch(monkeypatch: pytest.MonkeyPatch) -> type[Sketch]:
    """A method that costs nothing, under the name sketch."""
    monkeypatch.setitem(METHODS, "sketch", Sketch)
    return Sketch


def test_table_json_and_report(
    model: Path, people: Path, sketch: type[Sketch], tmp_path: Path
) -> None:
    arguments = ["evaluate", "--people", str(people), "--model", str(model)]
    arguments += ["--methods", "none, sketch", "--limit", "2", "--seed", "4"]
    arguments += ["--out", str(tmp_path / "raw"), "--json", str(tmp_path / "scores.json")]
    arguments += ["--report", str(tmp_path / "report.html"), "--decision", "median"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for name in ("none", "sketch", "constant 3", "item median", "facet mean", "ridge"):
        assert f"\n{name} " in result.stdout
    assert "2 people" in result.stdout and "decision median" in result.stdout
    found = json.loads((tmp_path / "scores.json").read_text())
    assert (found["seed"], found["decision"], found["people"]["count"]) == (4, "median", 2)
    assert set(found["methods"]) == {"none", "sketch"}
    assert found["methods"]["sketch"]["swap"]["difference"]["people"] == 2
    assert "simulated" in found["references"]["ridge"]["fitted_on"]
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert len(list((tmp_path / "raw").glob("*/finished.json"))) == 2


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(
    model: Path,
    people: Path,
    sketch: type[Sketch],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Sketch, "people_at_once", 2)
    out = tmp_path / "raw"
    arguments = ["evaluate", "--people", str(people), "--model", str(model)]
    arguments += ["--methods", "sketch", "--out", str(out), "--json", str(tmp_path / "s.json")]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Sketch, "_persona", interrupted)
        stopped = runner.invoke(app, arguments)
    assert stopped.exit_code == 130
    assert f"kept in {out}; run the same command again to go on." in stopped.stderr
    assert not (tmp_path / "s.json").exists() and not list(out.glob("*/finished.json"))

    assert runner.invoke(app, arguments).exit_code == 0
    assert len(list(out.glob("*/finished.json"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Sketch, "_persona", interrupted)
        assert runner.invoke(app, arguments).exit_code == 0, "finished: nobody is asked again"


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["--methods", "none,magic"], 1, "There is no method 'magic'"),
        (["--methods", "none,none"], 1, "each only once; got none, none"),
        (["--methods", ","], 1, "Name at least one method"),
        (["--limit", "0"], 2, "--limit"),
        (["--wording", "sung"], 2, "--wording"),
        (["--people", "nobody.json"], 1, "nobody.json"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    model: Path, people: Path, tmp_path: Path, extra: list[str], code: int, words: str
) -> None:
    arguments = ["evaluate", "--people", str(people), "--model", str(model)]
    result = runner.invoke(app, [*arguments, "--out", str(tmp_path / "raw"), *extra])
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "raw").exists()


def test_reference_rows_may_not_be_fitted_on_the_people_scored(
    model: Path, people: Path, tmp_path: Path
) -> None:
    arguments = ["evaluate", "--people", str(people), "--population", str(people)]
    arguments += ["--model", str(model), "--out", str(tmp_path / "raw")]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "are also in" in result.stderr


@pytest.mark.slow
def test_the_real_methods_under_both_protocols(
    model: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path / "cache"))
    for protocol in ("honest", "paper"):
        path = tmp_path / f"{protocol}.json"
        arguments = ["evaluate", "--people", str(people), "--model", str(model), "--limit", "2"]
        arguments += ["--protocol", protocol, "--json", str(path), "--out", str(tmp_path / "raw")]
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, result.output
        found = json.loads(path.read_text())
        assert list(found["methods"]) == ["none", "few-shot", "pas"]
        assert found["methods"]["pas"]["protocol"] == protocol
        assert found["methods"]["none"]["protocol"] == "honest"
        assert ("pas (paper)" in result.stdout) == (protocol == "paper")
