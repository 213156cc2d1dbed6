"""A judge behind a real server that stalls, refuses, truncates and talks nonsense.

Every text ends judged, or unjudged with the reason; nothing is judged twice.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.judge import GIVE_UP_AFTER, ApiJudge
from personalign.model.api import ApiModel
from tests.model import endpoint as acts
from tests.model.endpoint import Endpoint, completion, serving

pytest.importorskip("openai")


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving() as endpoint:
        endpoint.say = sensible
        yield endpoint


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")


def level_of(asked: str) -> int:
    """What the sensible judge thinks: something that depends on all of the question's data."""
    data = asked.split("[Criterion]")[0]
    return 1 + hashlib.sha256(data.encode()).digest()[0] % 6


def sensible(messages: list[dict[str, str]]) -> str:
    level = level_of(messages[-1]["content"])
    return f"The text reflects the value.\n{level}\n{level}"


def text(number: int, method: str = "pas", person: str = "ann", said: str | None = None) -> dict:
    return {
        "person": person,
        "item": number,
        "statement": f"Do thing {number}.",
        "target": 1 + number % 5,
        "method": method,
        "text": f"I did thing {number}." if said is None else said,
    }


def judge(
    server: Endpoint, cache: Path | None = None, *, calls: int = 4, **settings: Any
) -> ApiJudge:
    given = {"first_wait": 0.001, "timeout": 5.0, "tries": calls, "cache": cache}
    own = {k: settings.pop(k) for k in list(settings) if k in ("concurrency", "timeout")}
    return ApiJudge(ApiModel("parrot-small", server.url, **(given | own)), **settings)  # type: ignore[arg-type]


def nonsense(handler: acts.Handler) -> None:
    handler.answer(200, completion("I would rather talk about the weather."))


def truncated(handler: acts.Handler) -> None:
    """Ends in what looks like a level, because it was cut off in the middle of a list."""
    reply = completion("1. Analyse the text.\n2. Weigh it.\n3")
    reply["choices"][0]["finish_reason"] = "length"
    handler.answer(200, reply)


def empty(handler: acts.Handler) -> None:
    handler.answer(200, completion(None))


def test_every_text_gets_the_level_the_judge_gave_in_the_order_of_the_rows(server) -> None:
    rows = [text(n) for n in range(20)]
    verdicts = judge(server).score(rows)
    asked = {
        r["messages"][0]["content"]: level_of(r["messages"][0]["content"]) for r in server.requests
    }
    assert len(asked) == len(server.requests) == 20
    for row, verdict in zip(rows, verdicts, strict=True):
        (question,) = [q for q in asked if f"[Statement]: {row['statement']}\n" in q]
        assert verdict["score"] == asked[question]
        assert (verdict["person"], verdict["item"], verdict["method"]) == (
            "ann",
            row["item"],
            "pas",
        )
        assert (verdict["judge"], verdict["reason"], verdict["requests"]) == (
            "api:parrot-small",
            None,
            1,
        )
    assert {r["temperature"] for r in server.requests} == {0.0}
    assert json.loads(json.dumps(verdicts)) == verdicts


def test_equal_texts_are_judged_once_whoever_wrote_them(server) -> None:
    rows = [text(1, "pas"), text(2, "pas"), text(1, "none"), text(1, "none", person="ben")]
    verdicts = judge(server).score(rows)
    assert len(server.requests) == 2
    assert [v["requests"] for v in verdicts] == [1, 1, 0, 0]
    assert len({v["score"] for v in (verdicts[0], *verdicts[2:])}) == 1


@pytest.mark.parametrize("kept", [True, False])
def test_nothing_is_judged_twice(server, tmp_path: Path, kept: bool) -> None:
    """In one process without a disk, and in another with one."""
    first = judge(server, tmp_path if kept else None)
    once = first.score([text(n) for n in range(5)])
    again = judge(server, tmp_path) if kept else first
    twice = again.score([text(n) for n in range(7)])
    assert len(server.requests) == 7
    assert [v["score"] for v in twice[:5]] == [v["score"] for v in once]


@pytest.mark.parametrize(
    "act",
    [
        acts.status(429, retry_after="0"),
        acts.status(500),
        acts.slow(0.6),
        acts.cut,
        acts.hang_up,
        acts.body(b"<html>Bad gateway</html>"),
    ],
    ids=["429", "500", "stalls", "cut", "hangs-up", "html"],
)
def test_what_passes_is_tried_again_and_every_text_is_judged(server, act) -> None:
    server.script = [act, act]
    verdicts = judge(server, timeout=0.3 if act.__name__ == "act" else 5.0).score(
        [text(n) for n in range(4)]
    )
    assert [v["score"] for v in verdicts] == [
        level_of(q) for q in sorted({r["messages"][0]["content"] for r in server.requests})
    ]
    assert len(server.requests) == 4 + 2
    assert [v["requests"] for v in verdicts] == [1] * 4  # replies, not connections


@pytest.mark.parametrize("act", [nonsense, truncated, empty])
def test_an_unreadable_reply_is_asked_for_again_and_never_read_from_the_cache(
    server, tmp_path: Path, act: Callable[[acts.Handler], None]
) -> None:
    server.script = [act, act]
    asked = judge(server, tmp_path)
    (verdict,) = asked.score([text(3)])
    bodies = [json.dumps(r["messages"]) for r in server.requests]
    assert len(set(bodies)) == 3 and verdict["requests"] == 3
    assert verdict["score"] == level_of(server.requests[0]["messages"][0]["content"])
    (again,) = judge(server, tmp_path).score([text(3)])  # now all three come from disk
    assert len(server.requests) == 3 and again == verdict


@pytest.mark.parametrize(("act", "why"), [(nonsense, "weather"), (truncated, "cut off after 1024")])
def test_who_never_says_a_level_leaves_a_reason_after_so_many_tries(server, act, why) -> None:
    server.script = [act] * 99
    asked = judge(server, tries=2)
    verdicts = asked.score([text(1), text(2)])
    assert len(server.requests) == 4
    for verdict in verdicts:
        assert verdict["score"] is None and verdict["requests"] == 2
        assert verdict["reason"] is not None
        assert "unreadable after 2 tries" in verdict["reason"] and why in verdict["reason"]
    server.script = []
    assert [v["score"] for v in asked.score([text(1), text(2)])] == [None, None]
    assert len(server.requests) == 4  # what could not be read is not put again and again


def test_one_text_the_endpoint_refuses_leaves_the_others_judged(server) -> None:
    plain = server.say

    def say(messages: list[dict[str, str]]) -> str:
        if "thing 2" in messages[-1]["content"]:
            raise OSError  # hangs up, every time
        return plain(messages)

    server.say = say
    verdicts = judge(server).score([text(n) for n in range(5)])
    assert [v["score"] is None for v in verdicts] == [n == 2 for n in range(5)]
    assert verdicts[2]["reason"] and server.url in verdicts[2]["reason"]
    assert len(server.requests) == 4 + 4  # the refused one as often as the model tries


def test_a_text_the_endpoint_failed_at_is_judged_when_it_is_asked_for_again(server) -> None:
    server.script = [acts.status(403)]
    asked = judge(server)
    (failed,) = asked.score([text(1)])
    (judged,) = asked.score([text(1)])
    assert failed["score"] is None and judged["score"] is not None


def test_an_endpoint_that_always_fails_is_given_up(server) -> None:
    server.script = [acts.status(403, "not for you")] * 500
    verdicts = judge(server, concurrency=3).score([text(n) for n in range(100)])
    assert all(v["score"] is None and "not for you" in v["reason"] for v in verdicts)
    assert GIVE_UP_AFTER <= len(server.requests) <= GIVE_UP_AFTER + 3
    unasked = [v for v in verdicts if "not asked" in v["reason"]]
    assert len(unasked) == 100 - len(server.requests)
    assert {v["requests"] for v in unasked} == {0}


def test_nobody_listening_is_a_reason() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = ApiModel("parrot-small", url, first_wait=0.001, timeout=1)
    (verdict,) = ApiJudge(model).score([text(1)])
    assert verdict["score"] is None and url in (verdict["reason"] or "")


def test_the_key_is_in_no_row(server) -> None:
    server.key = "another"
    (verdict,) = judge(server).score([text(1)])
    assert verdict["reason"] and "sk-secret" not in json.dumps(verdict)


def test_progress_counts_different_texts(server) -> None:
    steps: list[tuple[int, int]] = []
    judge(server).score([text(1), text(2), text(1, "none")], progress=lambda *s: steps.append(s))
    assert steps == [(1, 2), (2, 2)]


def test_a_storm_leaves_nothing_out_and_asks_nothing_twice(server, tmp_path: Path) -> None:
    """Refusals, stalls, nonsense and truncation among sixty texts."""
    storm = [acts.status(429, retry_after="0"), acts.status(500), nonsense, truncated, acts.cut]
    server.script = storm * 4
    rows = [text(n) for n in range(60)]
    # 12 of the 20 acts are failed connections: one question may meet them all
    verdicts = judge(server, tmp_path, calls=13).score(rows)
    assert len(verdicts) == 60
    assert all((v["score"] is None) == (v["reason"] is not None) for v in verdicts)
    readable = sum(v["score"] is not None for v in verdicts)
    assert readable >= 55
    # connections that failed (12 of 20 acts) beside questions answered, each question once
    assert len(server.requests) == 12 + sum(v["requests"] for v in verdicts)
    before = len(server.requests)
    assert [v["score"] for v in judge(server, tmp_path).score(rows)] == [
        v["score"] for v in verdicts
    ]
    assert len(server.requests) == before


def test_no_tries_are_refused(server) -> None:
    with pytest.raises(EvaluationError, match="0 tries"):
        judge(server, tries=0)
