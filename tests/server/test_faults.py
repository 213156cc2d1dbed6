"""What goes wrong on a real port: clients leave, personas vanish, the server is told to end.

Nothing hangs, nothing is left in the engine, and nobody gets another persona's words.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import Persona
from personalign.server.entrance import Bounds
from personalign.server.service import Service, open_service
from tests.model.conftest import some_shift
from tests.model.loud import make_loud
from tests.server.conftest import BASE, Live, make_personas, make_store
from tests.server.fake_engine import FakeEngine
from tests.server.live import WAIT, call, listening, until

CHAT = [{"role": "user", "content": "Hello."}]
LONG = {"messages": CHAT, "temperature": 0, "max_tokens": 3000, "stream": True}


@contextmanager
def streaming(url: str, body: dict[str, Any]) -> Iterator[tuple[socket.socket, Any]]:
    """The connection and the answer of a stream, whose first event has come."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=WAIT)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"}
    )
    assert connection.sock is not None
    sock = connection.sock
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.readline().startswith(b"data: ")
    try:
        yield sock, answer
    finally:
        answer.close()
        connection.close()


def quiet(service: Service) -> bool:
    """Whether nothing is being answered and nothing is left in the engine."""
    stats = service.engine.stats()
    return service.entrance.under_way == 0 and stats.queued == 0 and stats.running == 0


@pytest.fixture
def plain(decoder: Decoder, tmp_path: Path) -> Iterator[tuple[str, Service, FakeEngine]]:
    """A server on the engine that can be held."""
    store = make_store(decoder, tmp_path)
    bounds = Bounds(body_seconds=0.5, stall_seconds=0.5)
    service = open_service(
        decoder, store, lambda one: FakeEngine(one, max_batch=2, queue=8), bounds=bounds
    )
    assert isinstance(service.engine, FakeEngine)
    with listening(service) as url:
        yield url, service, service.engine


def test_a_client_that_leaves_a_stream_is_let_go(plain: Any, live: Live) -> None:
    for url, service in ((plain[0], plain[1]), (live.url, live.service)):
        with streaming(url, {**LONG, "model": f"{BASE}:ann"}) as (sock, _):
            assert service.engine.stats().running == 1
            sock.shutdown(socket.SHUT_RDWR)
        until(lambda service=service: quiet(service), "the end of a reply for nobody")


def test_a_client_that_leaves_before_the_first_token_is_let_go(plain: Any) -> None:
    url, service, engine = plain
    host, port = url.removeprefix("http://").split(":")
    with engine.held():
        for stream in (True, False):
            body = json.dumps({**LONG, "stream": stream, "model": BASE}).encode()
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            with socket.create_connection((host, int(port)), timeout=WAIT) as sock:
                sock.sendall(head.encode() + body)
                until(lambda: service.entrance.under_way == 1, "the request")
                until(lambda: len(engine.tickets) > 0, "its ticket")
            until(lambda: service.entrance.under_way == 0, "its end")
            assert engine.tickets.pop().cancelled
    until(lambda: quiet(service), "an empty engine")
    assert engine.drawn <= 2, "a token that was being drawn, no reply"


def test_a_body_that_never_ends_is_given_up(plain: Any) -> None:
    url, service, _ = plain
    host, port = url.removeprefix("http://").split(":")
    for said in (b"content-length: 1000\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=WAIT) as sock:
            sock.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                b"content-type: application/json\r\n" + said
            )
            answer = sock.makefile("rb").read()
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert b'"code":"timeout"' in answer
    assert quiet(service)


def test_a_body_without_a_length_is_cut_at_the_bound(plain: Any) -> None:
    url, service, _ = plain
    host, port = url.removeprefix("http://").split(":")
    chunk = b"x" * 2**16
    with socket.create_connection((host, int(port)), timeout=WAIT) as sock:
        sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(64):
            sock.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        sock.sendall(b"0\r\n\r\n")
        answer = sock.recv(4096)
    assert b" 413 " in answer.split(b"\r\n")[0]
    until(lambda: quiet(service), "the end")


def test_a_client_that_stops_reading_is_given_up(plain: Any, monkeypatch: Any) -> None:
    url, service, _ = plain
    host, port = url.removeprefix("http://").split(":")
    from personalign.server import wire

    padded = wire.event  # large events fill the socket's buffers
    monkeypatch.setattr(wire, "event", lambda data: padded({**data, "pad": "x" * 200_000}))
    body = json.dumps({**LONG, "model": BASE}).encode()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: service.entrance.under_way == 1, "the request")
        until(lambda: quiet(service), "giving it up")


def test_a_persona_deleted_or_replaced_while_it_speaks_finishes_as_it_began(plain: Any) -> None:
    url, service, engine = plain
    other = make_loud()
    store = service.personas
    expected = generate(other, make_personas(other)["ann"], CHAT, max_new_tokens=40)[0]
    asked = {**LONG, "max_tokens": 40, "model": f"{BASE}:ann"}
    replaced = Persona(shift=some_shift(other, seed=9), alpha=6.0)
    for change in (lambda: store.delete("ann"), lambda: store.put("ann", replaced)):
        if "ann" not in store:
            store.put("ann", make_personas(other)["ann"])
        with streaming(url, asked) as (_, answer):
            with engine.held():
                change()
            rest = answer.read().decode()
        events = [json.loads(line[6:]) for line in rest.split("\n\n") if "{" in line]
        text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
        assert text == expected
        assert rest.endswith("data: [DONE]\n\n")
    after = call(f"{url}/v1/chat/completions", {**asked, "stream": False}).json
    assert (
        after["choices"][0]["message"]["content"]
        == generate(other, replaced, CHAT, max_new_tokens=40)[0]
    )


def test_an_engine_that_fails_in_the_middle_ends_the_stream_with_an_error(
    plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, service, engine = plain
    with streaming(url, {**LONG, "model": BASE}) as (_, answer):
        engine.tickets[-1].put(ZeroDivisionError("a bug"))
        rest = answer.read().decode()
    last = json.loads(rest.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["type"] == "server_error"
    assert "a bug" not in rest and "[DONE]" not in rest
    monkeypatch.setattr(engine, "submit", lambda _: 1 / 0)
    broken = call(f"{url}/v1/chat/completions", {**LONG, "model": BASE})
    assert (broken.status, broken.error["type"]) == (500, "server_error")
    until(lambda: quiet(service), "the end")


def test_many_clients_that_come_and_go_get_their_own_words(live: Live) -> None:
    other = make_loud()
    models = {f"{BASE}:{name}": persona for name, persona in live.personas.items()}
    models |= {
        f"{BASE}:ann@{alpha:g}": live.personas["ann"].with_alpha(alpha) for alpha in (0.5, 2, 3, 4)
    }
    expected = {
        model: generate(other, persona, CHAT, max_new_tokens=30)[0]
        for model, persona in models.items()
    }
    dice = random.Random(0)
    plans = [(dice.choice(list(models)), dice.random() < 0.4) for _ in range(40)]

    def visit(plan: tuple[str, bool]) -> None:
        model, leaves = plan
        if leaves:
            with streaming(live.url, {**LONG, "model": model}) as (sock, _):
                sock.shutdown(socket.SHUT_RDWR)
            return
        asked = {**LONG, "max_tokens": 30, "model": model, "stream": False}
        said = call(f"{live.url}/v1/chat/completions", asked).json
        assert said["choices"][0]["message"]["content"] == expected[model]

    with ThreadPoolExecutor(12) as pool:
        for done in [pool.submit(visit, plan) for plan in plans]:
            done.result(WAIT)
    until(lambda: quiet(live.service), "an empty engine")


PROGRAM = "import typer; from personalign.cli.serve import serve; typer.run(serve)"


@contextmanager
def process(model: Path, personas: Path, *options: str) -> Iterator[tuple[Any, str]]:
    """`personalign serve` in a process of its own, on a free port."""
    source = Path(__file__).resolve().parents[2] / "src"
    command = [sys.executable, "-c", PROGRAM, "--model", str(model), "--personas", str(personas)]
    running = subprocess.Popen(
        [*command, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
    )
    assert running.stdout is not None
    try:
        line = running.stdout.readline()
        assert line.startswith("Serving "), line
        if "--replicas" not in options:  # which are counted once all of them are read
            assert " and its personas on " in line, line
        yield running, line.split(" on ")[1].strip().removesuffix("/v1")
    finally:
        running.kill()
        running.wait(WAIT)


@pytest.fixture
def on_disk(model: Path, tmp_path: Path) -> tuple[Path, Path, dict[str, Persona]]:
    """A model's folder, a folder of personas, and the personas."""
    decoder = Decoder.load(model)
    personas = make_personas(decoder)
    for name, persona in personas.items():
        persona.save(tmp_path / name)
    return model, tmp_path, personas


def read_stream(answer: Any) -> tuple[str, list[dict[str, Any]]]:
    rest = answer.read().decode()
    return rest, [json.loads(line[6:]) for line in rest.split("\n\n") if "{" in line]


@pytest.mark.slow
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_under_load_it_finishes_what_it_began(
    on_disk: tuple[Path, Path, dict[str, Persona]], sig: signal.Signals
) -> None:
    folder, personas, people = on_disk
    asked = {name: {**LONG, "max_tokens": 400, "model": f"{folder.name}:{name}"} for name in people}
    begun = threading.Barrier(len(people) + 1, timeout=WAIT)

    def listen(url: str, name: str) -> tuple[str, list[dict[str, Any]]]:
        with streaming(url, asked[name]) as (_, answer):
            begun.wait()
            return read_stream(answer)

    with process(folder, personas, "--grace", "60") as (running, url):
        until(lambda: call(f"{url}/readyz").status == 200, "readiness")
        with ThreadPoolExecutor(8) as pool:
            streams = {name: pool.submit(listen, url, name) for name in people}
            begun.wait()
            running.send_signal(sig)
            until(lambda: call(f"{url}/readyz").status == 503, "the end of readiness")
            assert call(f"{url}/healthz").status == 200
            refused = call(f"{url}/v1/chat/completions", {**asked["ann"], "stream": False})
            assert (refused.status, refused.error["code"]) == (503, "shutting_down")
            assert "retry-after" in refused.headers
            assert not all(one.done() for one in streams.values()), "replies were under way"
            results = {name: one.result(WAIT) for name, one in streams.items()}
        assert running.wait(WAIT) == 0
    decoder = Decoder.load(folder)
    for name, (rest, events) in results.items():
        assert rest.endswith("data: [DONE]\n\n")
        text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
        assert text == generate(decoder, people[name], CHAT, max_new_tokens=400)[0]


@pytest.mark.slow
def test_what_the_grace_does_not_suffice_for_is_told(
    on_disk: tuple[Path, Path, dict[str, Persona]],
) -> None:
    folder, personas, _ = on_disk
    with process(folder, personas, "--grace", "0.2") as (running, url):
        until(lambda: call(f"{url}/readyz").status == 200, "readiness")
        with streaming(url, {**LONG, "model": f"{folder.name}:ben"}) as (_, answer):
            running.send_signal(signal.SIGTERM)
            rest, events = read_stream(answer)
        assert running.wait(WAIT) == 0
    assert "[DONE]" not in rest
    assert events[-1]["error"]["code"] == "shutting_down"
