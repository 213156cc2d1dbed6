"""`personalign demo` end to end, on a tiny random model in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from personalign.cli import demo as demo_command
from personalign.cli.demo import standing_out
from personalign.cli.main import app
from personalign.methods.registry import METHODS
from personalign.model.fake import fake_decoder
from tests.bench.sketch import Sketch

runner = CliRunner()


def test_it_prints_the_table_and_writes_one_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "sketch", Sketch)
    monkeypatch.setattr(demo_command, "METHODS", ("none", "sketch"))
    monkeypatch.setattr(demo_command, "MAX_NEW_TOKENS", 5)
    decoder = fake_decoder("llama")
    monkeypatch.setattr("personalign.model.decoder.Decoder.load", lambda *_, **__: decoder)
    out = tmp_path / "report"
    arguments = ["demo", "--people", "3", "--out", str(out), "--json", str(tmp_path / "d.json")]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for name in ("none", "sketch", "constant 3", "ridge"):
        assert f"\n{name} " in result.stdout
    assert str(out / "report.html") in result.stdout
    assert [path.name for path in out.iterdir()] == ["report.html"]
    html = (out / "report.html").read_text(encoding="utf-8")
    assert html.count('<section class="sample">') == html.count('<section class="card">') == 3
    assert "These people are simulated" in html and "pocket one" in html
    assert "3 simulated people, aligned" in html
    assert json.loads((tmp_path / "d.json").read_text())["people"]["count"] == 3


def test_one_person_is_too_few_to_swap() -> None:
    assert runner.invoke(app, ["demo", "--people", "1"]).exit_code == 2


def test_people_far_from_each_other_stand_out() -> None:
    means = np.random.default_rng(0).normal(size=(12, 5))
    chosen = standing_out(means, 3)
    assert len(set(chosen)) == 3
    assert chosen[0] == np.linalg.norm(means - means.mean(axis=0), axis=1).argmax()
    assert standing_out(means[:2], 3) in ([0, 1], [1, 0])
