"""`--model api:NAME` end to end: a real server on a real port, the commands as they are typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from personalign.cli.main import app
from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_120
from tests.model import endpoint as acts
from tests.model.endpoint import Endpoint, serving

pytest.importorskip("openai")

KEY = "sk-command-line-secret-42"
runner = CliRunner()


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving() as endpoint:
        endpoint.key = KEY
        yield endpoint


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.json"
    simulate(2, seed=3).write(path)
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "me.json"
    given = np.random.default_rng(0).integers(1, 6, len(ipip_neo_120())).tolist()
    path.write_text(json.dumps(given))
    return path


def run(server: Endpoint, *arguments: object) -> Result:
    at = ["--model", "api:parrot-small", "--base-url", server.url]
    return runner.invoke(app, [str(argument) for argument in (*arguments, *at)])


def evaluate(server: Endpoint, people: Path, tmp_path: Path, *more: str) -> Result:
    out = ["--out", tmp_path / "raw", "--json", tmp_path / "scores.json"]
    return run(server, "evaluate", "--people", people, *out, *more)


@pytest.mark.slow
def test_methods_are_scored_and_what_cannot_be_read_is_counted(server, people, tmp_path) -> None:
    def say(messages: list[dict[str, str]]) -> str:
        return "I would rather not say." if "parties" in messages[1]["content"] else "(B)."

    server.say = say
    prices = ("--methods", "none,facet-prompt", "--prices", "1000,2000")
    done = evaluate(server, people, tmp_path, *prices)
    assert done.exit_code == 0, done.output
    scores = json.loads((tmp_path / "scores.json").read_text())
    asked = [item.statement for item in simulate(1).inventory.held_out]
    odd = sum("parties" in statement for statement in asked)
    assert odd > 0
    for name in ("none", "facet-prompt"):
        assert scores["methods"][name]["unparsed"] == 2 * odd
    usage = scores["api_usage"]
    assert usage["requests"] == len(server.requests) >= 180 + 2 * 180  # none is asked once for both
    cost = (7 * 1000 + 3 * 2000) * usage["requests"] / 1e6
    assert usage["cost"] == pytest.approx(cost)
    assert f"cost {cost:.4f}" in done.output and "parrot-small-2026" in done.output
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if KEY.encode() in path.read_bytes()]
    assert KEY not in done.output


def test_a_run_that_broke_off_asks_nothing_twice(server, people, tmp_path) -> None:
    say = server.say
    server.script = [lambda h: h.answer(200, acts.completion("(B)."))] * 50 + [acts.status(400)]
    broken = evaluate(server, people, tmp_path, "--methods", "none", "--concurrency", "2")
    assert broken.exit_code == 1 and "refuses the request" in broken.output
    before = len(server.requests)
    server.script, server.say = [], say
    assert evaluate(server, people, tmp_path, "--methods", "none").exit_code == 0
    asked = [json.dumps(request["messages"]) for request in server.requests]
    assert len(set(asked)) >= len(asked) - 2  # only what was refused or cut off is asked again
    assert len(asked) - before < 180


def test_what_cannot_be_is_one_sentence(server, people, tmp_path, monkeypatch) -> None:
    cases = {
        "pas works inside the model": ["--methods", "none,pas"],
        "--device means nothing for api:parrot-small": ["--methods", "none", "--device", "cpu"],
        "are not two amounts": ["--methods", "none", "--prices", "cheap"],
    }
    for sentence, arguments in cases.items():
        refused = evaluate(server, people, tmp_path, *arguments)
        assert refused.exit_code == 1 and sentence in " ".join(refused.output.split())
    assert not server.requests
    refused = runner.invoke(
        app, ["evaluate", "--people", str(people), "--base-url", server.url, "--out", str(tmp_path)]
    )
    assert refused.exit_code == 1 and "--base-url means nothing for pocket" in refused.output
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-key")
    refused = evaluate(server, people, tmp_path, "--methods", "none")
    assert refused.exit_code == 1 and "refuses the key in OPENAI_API_KEY" in refused.output
    assert "sk-wrong-key" not in refused.output


def test_a_persona_is_made_asked_and_talked_to(server, answers, tmp_path) -> None:
    me = tmp_path / "me"
    made = run(server, "align", answers, "-o", me, "--method", "facet-prompt")
    assert made.exit_code == 0 and "a description of them as the system prompt" in made.output
    server.say = lambda messages: f"{messages[0]['content'][:20]} {messages[-1]['content']}"
    asked = runner.invoke(app, ["ask", str(me), "Who are you?"])  # the folder knows where
    assert asked.exit_code == 0, asked.output
    assert asked.output.strip() == "This is who you are. Who are you?"
    compared = runner.invoke(app, ["ask", str(me), "Who are you?", "--compare"])
    assert "You are a helpful," in compared.output
    talked = runner.invoke(app, ["chat", str(me)], input="Hello there\n")
    assert talked.exit_code == 0 and "Hello there" in talked.output
    assert KEY not in (me / "persona.json").read_text()
    moved = runner.invoke(app, ["ask", str(me), "Hi", "--model", "api:parrot-large"])
    assert moved.exit_code == 1 and "was made for the model api:parrot-small" in moved.output


def test_align_refuses_what_makes_no_persona(server, answers, tmp_path) -> None:
    refused = run(server, "align", answers, "-o", tmp_path / "me", "--method", "few-shot-facet")
    assert refused.exit_code == 1
    assert "few-shot-facet makes no persona" in refused.output
    assert not (tmp_path / "me").exists()
