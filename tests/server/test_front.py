"""The front of replicas that are here in the process: what it hands on, and what it says when
they are gone. With Ray in between: test_replicas.py."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric

from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.server.app import create_api
from personalign.server.entrance import Bounds, Entrance
from personalign.server.front import Front
from personalign.server.keys import Key, KeyRing, create_key
from personalign.server.metrics import Metrics
from personalign.server.replica import Message, Replica
from personalign.server.run import Server
from personalign.server.service import open_service
from tests.model.loud import make_loud
from tests.server.conftest import BASE, make_personas, make_store
from tests.server.fake_engine import FakeEngine
from tests.server.live import WAIT, call, until
from tests.server.test_faults import streaming

CHAT = [{"role": "user", "content": "Hello."}]
ASKED = {"messages": CHAT, "temperature": 0, "max_tokens": 20, "model": f"{BASE}:ann"}
LONG = {**ASKED, "max_tokens": 3000, "stream": True}


class Here(Replica):
    """A replica on the engine that can be held."""

    def __init__(self, decoder: Decoder, folder: Path) -> None:
        self.engine = FakeEngine(decoder, max_batch=4, queue=1)
        self.service = open_service(decoder, make_store(decoder, folder), lambda _: self.engine)
        self.app = create_api(self.service)
        self._answering = set()


@dataclass
class FakeTeam:
    """One replica in this process, whose calls can be broken."""

    replica: Here
    seen: list[Message] = field(default_factory=list)
    ends: Callable[[], bool] = lambda: False
    """Asked before every batch; True loses the replica."""
    lets_in: bool = True

    async def ask(
        self, scope: Message, key: Key | None, body: bytes
    ) -> AsyncGenerator[list[Message], None]:
        self.seen.append(scope)
        if not self.lets_in:
            await asyncio.Event().wait()
        batches = self.replica.answer(scope, key, body)
        try:
            async for batch in batches:
                if self.ends():
                    raise ConnectionError("The replica is gone.")
                yield batch
        finally:
            await batches.aclose()

    async def running(self) -> int:
        return int(self.lets_in)

    async def numbers(self) -> list[tuple[str, list[Metric]]]:
        return [("r1", self.replica.service.metrics.families())]


@dataclass(frozen=True)
class Running:
    url: str
    front: Front
    entrance: Entrance
    team: FakeTeam
    server: Server

    @property
    def quiet(self) -> bool:
        stats = self.team.replica.engine.stats()
        return self.entrance.under_way == 0 and stats.queued == 0 and stats.running == 0


@contextmanager
def fronted(team: FakeTeam, keys: KeyRing | None = None, **given: Any) -> Iterator[Running]:
    bounds = Bounds(stall_seconds=0.5)
    entrance = Entrance(Metrics(None), keys, bounds)
    front = Front(team, entrance, **given)
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    server = Server(front, grace=0.1, when_started=started.set)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert started.wait(WAIT)
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield Running(url, front, entrance, team, server)
    finally:
        front.give_up()
        server.should_exit = True
        thread.join(WAIT)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def replica(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    one = Here(decoder, tmp_path_factory.mktemp("personas"))
    yield one
    one.service.close(drain=False)


@pytest.fixture
def running(replica: Here) -> Iterator[Running]:
    with fronted(FakeTeam(replica)) as found:
        yield found


def last_event(answer: Any) -> tuple[str, dict[str, Any]]:
    text = answer.read().decode()
    return text, json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))


def test_replies_are_those_of_one_server(running: Running) -> None:
    expected = generate(make_loud(), make_personas(make_loud())["ann"], CHAT, max_new_tokens=20)[0]
    whole = call(f"{running.url}/v1/chat/completions", ASKED)
    assert whole.status == 200 and whole.json["choices"][0]["message"]["content"] == expected
    assert whole.headers["x-request-id"].startswith("req_")
    streamed = call(f"{running.url}/v1/chat/completions", {**ASKED, "stream": True}).data.decode()
    assert streamed.endswith("data: [DONE]\n\n")
    events = [json.loads(line[6:]) for line in streamed.split("\n\n") if "{" in line]
    said = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert said == expected
    unknown = call(f"{running.url}/v1/chat/completions", {**ASKED, "model": "x"})
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")
    assert call(f"{running.url}/nothing").error["code"] == "not_found"
    assert call(f"{running.url}/healthz", b"", method="POST").status == 405
    assert "/v1/chat/completions" in call(f"{running.url}/openapi.json").json["paths"]
    until(lambda: running.quiet, "the end")


def test_a_key_is_checked_in_front_and_its_secret_stays_there(
    replica: Here, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "keys.json", "ann", personas=["a*"])
    admin = create_key(tmp_path / "keys.json", "root", scopes=["admin"])
    team = FakeTeam(replica)
    with fronted(team, KeyRing(tmp_path / "keys.json")) as running:
        assert call(f"{running.url}/v1/models").status == 401
        assert team.seen == []
        models = call(f"{running.url}/v1/models", key=key).json["data"]
        assert [model["id"] for model in models] == [BASE, f"{BASE}:ann"]
        assert key not in str(team.seen)
        assert call(f"{running.url}/metrics", key=key).status == 403
        assert call(f"{running.url}/metrics", key=admin).status == 200
        assert call(f"{running.url}/openapi.json", b"x" * 100, method="GET").status == 200


def test_a_client_that_leaves_is_let_go(running: Running) -> None:
    with streaming(running.url, LONG) as (sock, _):
        assert running.team.replica.engine.stats().running == 1
        sock.shutdown(socket.SHUT_RDWR)
    until(lambda: running.quiet, "the end of a reply for nobody")
    host, port = running.url.removeprefix("http://").split(":")
    body = json.dumps({**LONG, "stream": False}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=WAIT) as sock:
        sock.sendall(head.encode() + body)
        until(lambda: running.team.replica.engine.stats().running == 1, "the reply")
    until(lambda: running.quiet, "the end of a reply for nobody")


def test_a_replica_that_is_lost_is_told_in_full_sentences(running: Running) -> None:
    lost = threading.Event()
    running.team.ends = lost.is_set
    with streaming(running.url, LONG) as (_, answer):
        lost.set()
        text, event = last_event(answer)
    assert event["error"]["code"] == "replica_lost" and "[DONE]" not in text
    for stream in (True, False):
        whole = call(f"{running.url}/v1/chat/completions", {**ASKED, "stream": stream})
        assert (whole.status, whole.error["code"]) == (503, "replica_lost")
        assert "retry-after" in whole.headers
    lost.clear()
    assert call(f"{running.url}/v1/chat/completions", ASKED).status == 200
    until(lambda: running.quiet, "the end")


def test_a_request_that_no_replica_takes_is_refused_in_time(replica: Here) -> None:
    with fronted(FakeTeam(replica, lets_in=False), take=0.2) as running:
        refused = call(f"{running.url}/v1/chat/completions", ASKED)
        assert (refused.status, refused.error["code"]) == (503, "no_replica")
        assert call(f"{running.url}/readyz").status == 503
        running.team.lets_in = True
        assert call(f"{running.url}/readyz").status == 200
        assert call(f"{running.url}/v1/chat/completions", ASKED).status == 200


def test_the_end_of_the_grace_ends_every_reply_with_a_sentence(running: Running) -> None:
    with streaming(running.url, LONG) as (_, answer):
        running.server.handle_exit(15, None)
        text, event = last_event(answer)
    assert event["error"]["code"] == "shutting_down" and "[DONE]" not in text
    until(lambda: running.quiet, "the end")


def test_numbers_are_counted_once(running: Running) -> None:
    assert call(f"{running.url}/v1/chat/completions", ASKED).status == 200
    assert call(f"{running.url}/v1/chat/completions", {**ASKED, "model": "x"}).status == 404

    def told() -> list[str]:
        return call(f"{running.url}/metrics").data.decode().splitlines()

    route = 'route="/v1/chat/completions"'
    until(lambda: f'personalign_requests_total{{{route},status="404"}} 1.0' in told(), "the count")
    lines = told()
    assert f'personalign_requests_total{{{route},status="200"}} 1.0' in lines
    assert "personalign_requests_under_way 1.0" in lines
    assert "personalign_replicas 1.0" in lines
    (batch,) = [line for line in lines if line.startswith("personalign_batch_size")]
    assert batch.startswith('personalign_batch_size{replica="r1"}')
    assert any(line.startswith("personalign_completion_tokens_total{replica=") for line in lines)
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_a_full_engine_refuses_through_the_front(running: Running) -> None:
    engine = running.team.replica.engine
    threads = []
    with engine.held():
        for _ in range(6):
            asking = threading.Thread(
                target=call, args=(f"{running.url}/v1/chat/completions", ASKED)
            )
            asking.start()
            threads.append(asking)
        until(lambda: engine.stats().queued >= 1, "a full queue")
        refused = call(f"{running.url}/v1/chat/completions", ASKED)
        assert (refused.status, refused.error["code"]) == (429, "engine_full")
    for asking in threads:
        asking.join(WAIT)
    text = call(f"{running.url}/metrics").data.decode()
    assert 'personalign_refused_total{reason="engine_full",replica="r1"}' in text
    until(lambda: running.quiet, "the end")
