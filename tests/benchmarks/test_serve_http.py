"""The load over HTTP, on a tiny model: whole replies, each checked; and a wrong one is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.serve_http import Ask, Heard, count, main, show
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN


@pytest.mark.slow
def test_every_reply_is_whole_and_what_it_would_be_alone(model: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(model), "--clients", "4", "--seconds", "1.5", "--personas", "2"]
    figures = main([*arguments, "--max-tokens", "6", "--json", str(tmp_path / "out.json")])
    assert figures.errors == {}
    assert figures.differ == 0
    assert figures.checked == figures.requests >= 4
    assert 0 < figures.first_seconds[0] <= figures.total_seconds[0] <= figures.total_seconds[2]
    assert json.loads((tmp_path / "out.json").read_text())["requests"] == figures.requests


def test_a_wrong_reply_and_a_broken_one_are_counted(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = generate(Decoder.load(model), PLAIN, "Hello?", max_new_tokens=5)[0]
    right = Heard(Ask("tiny", "Hello?", PLAIN), said, 5, 0.1, 0.4)
    wrong = replace(right, text=said + ".")
    broken = replace(right, text="", error="status 500")
    figures = count(str(model), [right, wrong, broken], clients=1, seconds=2.0, max_tokens=5)
    assert (figures.requests, figures.checked, figures.differ) == (3, 2, 1)
    assert figures.errors == {"status 500": 1}
    assert figures.requests_per_second == 1.0
    show(figures)
    assert "differ      1 of 2" in capsys.readouterr().out
