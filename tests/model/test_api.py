"""A black-box model against a real server that misbehaves: answers, retries, limits, secrets."""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from personalign.errors import ApiError, MissingPackageError, ModelError
from personalign.model.api import ApiModel
from tests.model import endpoint as acts
from tests.model.endpoint import Endpoint, completion, serving

pytest.importorskip("openai")

KEY = "sk-this-is-the-secret-0123456789"


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def model(server: Endpoint, **settings: object) -> ApiModel:
    """A model of the server, with waits too short to notice."""
    given = {"first_wait": 0.001, "timeout": 5.0, **settings}
    return ApiModel("parrot-small", server.url, **given)  # type: ignore[arg-type]


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def echo(messages: list[dict[str, str]]) -> str:
    return messages[-1]["content"]


def test_replies_come_in_the_order_of_the_chats_and_greedy(server) -> None:
    server.say = echo
    said = model(server).replies([chat(str(i)) for i in range(20)])
    assert said == [str(i) for i in range(20)]
    assert {(r["temperature"], r["max_tokens"]) for r in server.requests} == {(0.0, 15)}


def test_equal_chats_are_asked_once(server) -> None:
    asked = model(server)
    assert asked.replies([chat("a"), chat("b"), chat("a")]) == ["(A). Very Accurate"] * 3
    assert len(server.requests) == asked.usage.requests == 2


def test_no_more_requests_are_under_way_than_allowed_and_as_many_as_that(server) -> None:
    server.pause = 0.05
    model(server, concurrency=3).replies([chat(str(i)) for i in range(12)])
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    "act",
    [
        acts.status(429, retry_after="0"),
        acts.status(500),
        acts.status(503),
        acts.slow(0.6),
        acts.body(b"<html>Bad gateway</html>"),
        acts.body(b'{"choices": []}'),
        acts.body(b'{"error": {"message": "overloaded"}}'),
        acts.cut,
        acts.hang_up,
    ],
    ids="429 500 503 slow html empty error cut hang-up".split(),
)
def test_what_may_pass_is_tried_again(server, act) -> None:
    server.script = [act, act]
    asked = model(server, timeout=0.3)
    assert asked.replies([chat("a")]) == ["(A). Very Accurate"]
    assert len(server.requests) == 3 and asked.usage.retries == 2


def test_retry_after_is_waited_for_by_all_threads(server) -> None:
    server.script = [acts.status(429, retry_after="0.5")]
    model(server, concurrency=1).replies([chat("a"), chat("b")])
    assert len(server.times) == 3
    assert server.times[1] - server.times[0] >= 0.5


def test_a_limit_that_is_used_up_is_waited_for_before_it_is_refused(server) -> None:
    server.headers = {
        "x_ratelimit_remaining_requests": "0",
        "x_ratelimit_reset_requests": "300ms",
    }
    model(server, concurrency=1).replies([chat("a"), chat("b")])
    assert server.times[1] - server.times[0] >= 0.3


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            acts.status(429, "slow down", retry_after="0"),
            "limits the rate after 3 tries .429: slow",
        ),
        (acts.status(500, "on fire"), r"failed after 3 tries \(500: on fire\)"),
        (acts.slow(0.4), "no answer within 0.2 seconds after 3 tries"),
        (acts.body(b"<html>"), "no chat completion after 3 tries"),
        (acts.cut, "broke off in the middle of an answer after 3 tries"),
    ],
    ids="429 500 slow malformed cut".split(),
)
def test_what_does_not_pass_is_one_sentence(server, act, sentence) -> None:
    server.script = [act] * 3
    with pytest.raises(ApiError, match=sentence) as caught:
        model(server, tries=3, timeout=0.2).replies([chat("a")])
    assert server.url in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(400, r"refuses the request .*\(400: no\)"), (403, "refuses the key in OPENAI_API_KEY")],
)
def test_a_refusal_for_good_is_not_tried_again(server, code, sentence) -> None:
    server.script = [acts.status(code)]
    with pytest.raises(ApiError, match=sentence):
        model(server).replies([chat("a")])
    assert len(server.requests) == 1


def test_a_wait_beyond_all_patience_ends_the_run(server) -> None:
    server.script = [acts.status(429, retry_after="86400")]
    with pytest.raises(ApiError, match="asks to wait 86400 seconds"):
        model(server).replies([chat("a")])


def test_an_account_without_credit_is_told_at_once(server) -> None:
    error = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    server.script = [lambda handler: handler.answer(429, error)]
    with pytest.raises(ApiError, match="no credit left"):
        model(server).replies([chat("a")])
    assert len(server.requests) == 1


def test_an_unknown_model_is_told_with_those_there_are(server) -> None:
    with pytest.raises(ApiError, match=r"has no model 'crow' .* It has: parrot-large, parrot-smal"):
        ApiModel("crow", server.url).replies([chat("a")])


def test_nobody_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    nobody = ApiModel("parrot", f"http://127.0.0.1:{port}/v1", first_wait=0.001)
    with pytest.raises(ApiError, match=rf"Nothing answers at http://127.0.0.1:{port}/v1 after 3"):
        nobody.replies([chat("a")])


def test_no_key(monkeypatch, server) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ApiError, match="OPENAI_API_KEY is not set"):
        ApiModel("gpt-4o").replies([chat("a")])
    with pytest.raises(ApiError, match="MY_KEY is not set"):
        ApiModel("gpt-4o", key_variable="MY_KEY").replies([chat("a")])
    assert model(server).replies([chat("a")]) == ["(A). Very Accurate"]  # a server of one's own
    server.key = "wanted"
    with pytest.raises(ApiError, match=r"wants a key .* OPENAI_API_KEY is not set"):
        model(server).replies([chat("b")])


def test_the_key_goes_to_the_endpoint_and_nowhere_else(server, tmp_path, caplog) -> None:
    """401 repeats the key in its message, as OpenAI's does; nothing of ours may."""
    caplog.set_level(logging.DEBUG)
    server.key = KEY
    asked = model(server, cache=tmp_path)
    asked.replies([chat("a")])
    assert server.requests  # it was let in
    server.key = "another"
    with pytest.raises(
        ApiError, match=r"refuses the key in OPENAI_API_KEY \(401: .*\[key\]"
    ) as bad:
        asked.replies([chat("b")])
    told = "".join(traceback.format_exception(bad.value))
    chain, error = [], bad.value
    while error is not None and len(chain) < 9:
        chain += [repr(error), str(error), repr(getattr(error, "__dict__", {}))]
        error = error.__cause__ or error.__context__
    shown = [told, *chain, repr(asked), repr(asked.client), repr(vars(asked)), caplog.text]
    assert [text for text in shown if KEY in text] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1 and KEY not in files[0].read_text()
    assert KEY not in json.dumps([asked.provenance, asked.fingerprint, str(asked.usage)])
    with pytest.raises(TypeError):  # nor does it travel to another process
        pickle.dumps(asked)


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "x/v1", "https://me:pw@host/v1", "https://host/v1?key=1"]
)
def test_addresses_that_cannot_be_meant_or_hold_a_secret(url) -> None:
    with pytest.raises(ModelError, match="address") as caught:
        ApiModel("parrot", url)
    assert "pw" not in str(caught.value)


def test_answers_are_kept_by_content(server, tmp_path) -> None:
    first = model(server, cache=tmp_path)
    first.replies([chat("a"), chat("b")])
    server.say = echo
    again = model(server, cache=tmp_path)
    assert again.replies([chat("b"), chat("c")]) == ["(A). Very Accurate", "c"]
    assert again.replies([chat("a")], max_new_tokens=16) == ["a"]  # another question
    assert (again.usage.requests, again.usage.kept) == (2, 1)
    assert again.served == ("parrot-small-2026",)


def test_a_kept_answer_that_is_broken_is_asked_for_again(server, tmp_path) -> None:
    model(server, cache=tmp_path).replies([chat("a")])
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_text(file.read_text()[:20])
    assert model(server, cache=tmp_path).replies([chat("a")]) == ["(A). Very Accurate"]
    assert json.loads(file.read_text())["text"] == "(A). Very Accurate"


def test_what_was_answered_before_an_error_is_kept(server, tmp_path) -> None:
    chats = [chat(str(i)) for i in range(6)]
    server.script = [lambda h: h.answer(200, completion("ok"))] * 4 + [acts.status(400)]
    with pytest.raises(ApiError):
        model(server, cache=tmp_path, concurrency=1).replies(chats)
    model(server, cache=tmp_path).replies(chats)
    kept = [path for path in tmp_path.rglob("*.json") if not path.name.startswith(".")]
    assert len(kept) == 6
    assert sum(request["messages"] == chats[0] for request in server.requests) == 1


def test_an_error_ends_the_other_threads_waits(server) -> None:
    server.script = [acts.status(429, retry_after="200"), acts.status(400)]
    done = threading.Event()

    def run() -> None:
        with pytest.raises(ApiError, match="400"):
            model(server, concurrency=2).replies([chat("a"), chat("b")])
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(20)


def test_an_interrupted_run_asks_no_more(server) -> None:
    server.pause = 0.02

    def interrupted(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    chats = [chat(str(i)) for i in range(200)]
    with pytest.raises(KeyboardInterrupt):
        model(server, concurrency=2).replies(chats, progress=interrupted)
    assert len(server.requests) < 20


def test_tokens_are_counted_and_cost_what_the_user_says(server) -> None:
    uncounted = completion("x")
    del uncounted["usage"]
    server.script = [lambda handler: handler.answer(200, uncounted)]
    asked = model(server, prices=(1.0, 2.0))
    asked.replies([chat(str(i)) for i in range(4)])
    usage = asked.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.uncounted) == (21, 9, 1)
    assert usage.cost((1.0, 2.0)) == pytest.approx((21 + 18) / 1e6)
    assert "1 answers came without a count" in usage.sentence((1.0, 2.0))
    assert "cost" not in usage.sentence()


def test_a_refusal_to_answer_is_an_empty_text(server) -> None:
    server.script = [lambda handler: handler.answer(200, completion(None))]
    assert model(server).replies([chat("a")]) == [""]


def test_a_model_that_wants_the_length_under_its_new_name(server) -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.refused = {"max_tokens": said}
    server.pause = 0.02  # so that several find out side by side
    model(server, concurrency=4).replies([chat(str(i)) for i in range(12)])
    new = [request for request in server.requests if "max_completion_tokens" in request]
    assert len(new) == 12 and not any("max_tokens" in request for request in new)
    assert len(server.requests) - len(new) <= 4  # nobody asks the old way who could know better


def test_a_stream_comes_in_pieces(server) -> None:
    server.say = echo
    asked = model(server)
    pieces = list(asked.stream(chat("one two three")))
    assert len(pieces) == 3 and "".join(pieces).strip() == "one two three"
    assert asked.usage.completion_tokens == 3


def test_a_stream_that_is_cut_is_an_error_and_not_a_short_answer(server) -> None:
    server.script = [acts.cut_stream]
    pieces = model(server).stream(chat("a"))
    assert [next(pieces) for _ in range(3)] == ["one ", "two ", "three "]
    with pytest.raises(ApiError, match="broke off in the middle"):
        next(pieces)


def test_a_stream_is_tried_again_as_long_as_nothing_was_said(server) -> None:
    server.script = [acts.status(500), acts.hang_up]
    assert "".join(model(server).stream(chat("a"))).strip() == "(A). Very Accurate"


def test_the_client_is_an_extra(monkeypatch, server) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingPackageError, match=r'pip install "personalign\[api\]"'):
        model(server).replies([chat("a")])


def test_the_model_is_known_by_its_address_and_name(server) -> None:
    same = ApiModel("api:parrot-small", server.url + "/")
    assert same.fingerprint == model(server).fingerprint
    assert ApiModel("parrot-large", server.url).fingerprint != same.fingerprint
    assert ApiModel("parrot-small").fingerprint != same.fingerprint


def test_kept_answers_are_private_and_leave_no_other_file(server, tmp_path: Path) -> None:
    model(server, cache=tmp_path).replies([chat("I worry about things")])
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert "worry" not in file.read_text()
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0


def test_a_whole_reply_says_why_it_ended_and_shares_what_is_kept_with_replies(
    server, tmp_path: Path
) -> None:
    cut_off = completion("(A")
    cut_off["choices"][0]["finish_reason"] = "length"
    server.script = [lambda handler: handler.answer(200, cut_off)]
    asked = model(server, cache=tmp_path)
    first = asked.reply(chat("a"))
    assert (first.text, first.finish, first.served) == ("(A", "length", "parrot-small-2026")
    assert asked.reply(chat("a")) == first
    assert asked.replies([chat("a")]) == ["(A"]
    assert asked.reply(chat("b")).finish == "stop"
    assert len(server.requests) == 2 and asked.usage.kept == 2
