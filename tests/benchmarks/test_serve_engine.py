"""Serving timed on a tiny model: every row is there, and what is counted is what is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import serve_engine
from personalign.model.persona import PLAIN
from personalign.server.engine import Engine


def test_every_way_makes_the_tokens_that_are_counted() -> None:
    decoder = serve_engine.decoder_for("small", gpu=False)
    prompts = serve_engine.prompts_of(decoder, 3, 5)
    assert serve_engine.plain_generate(decoder, prompts, 7) == 21
    people = [PLAIN, *(serve_engine.somebody(decoder, seed) for seed in range(2))]
    with Engine(decoder) as engine:
        assert serve_engine.served(engine, prompts, people, 7) == 21
        assert engine.stats().tokens_generated == 21


def test_ways_are_timed_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = serve_engine.decoder_for("small", gpu=False)
    monkeypatch.setattr(serve_engine, "timed", lambda work: (work(), 0.5))
    rounds = serve_engine.throughput(decoder, 4, 5, 3, rounds=2, alone=2)
    assert len(rounds) == 2 and all(
        speed["processor"] > 0 for speeds in rounds for speed in speeds.values()
    )
    assert {name: speed["clock"] for name, speed in rounds[1].items()} == {
        serve_engine.ONE: 2 * 3 / 0.5,
        serve_engine.BATCH: 24,
        serve_engine.BASE: 24,
        "1 distinct": 24,
        "4 distinct": 24,
    }


def test_the_script_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "figures.json"
    words = "--shape small --rows 4 --tokens 3 --prompt 6 --rounds 1 --personas 30 --pairs 3"
    monkeypatch.setattr("sys.argv", ["serve_engine.py", *words.split(), "--json", str(kept)])
    serve_engine.main()
    printed = capsys.readouterr().out
    for row in ("generate, one at a time", "base", "4 distinct", "cold / warm", "KB of a persona"):
        assert row in printed
    figures = json.loads(kept.read_text("utf-8"))
    assert figures["store"]["store: personas"] == 30
    layers, width, bytes_ = 3, 32, 4
    assert figures["store"]["device: KB of a persona's slot"] == layers * width * bytes_ / 1024
    assert figures["store"]["first token: ms, cold"] > 0


def test_a_missing_shape_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERSONALIGN_DATA", raising=False)
    with pytest.raises(SystemExit, match="--shape FOLDER"):
        serve_engine.decoder_for(None, gpu=False)
