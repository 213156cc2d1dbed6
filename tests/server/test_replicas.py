"""`personalign serve --replicas 2` on a real Ray cluster: the replies of one server, whoever gives
them; one replica killed under load; told to end under load. One cluster for the file: the tests
follow each other, and the last one ends it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.methods.registry import get_persona_method
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import Persona
from tests.model.conftest import some_shift
from tests.model.loud import make_loud
from tests.server.conftest import make_personas
from tests.server.live import WAIT, call, until
from tests.server.test_faults import process, read_stream, streaming

pytest.importorskip("ray.serve", reason="ray[serve] is not installed: the extra 'distributed'")
pytestmark = pytest.mark.slow

CHAT = [{"role": "user", "content": "Hello."}]
CLEAR = ("replica_lost", "no_replica", "server_full", "engine_full", "shutting_down")
"""What a request may be told instead of a reply."""


@dataclass(frozen=True)
class Cluster:
    """A running server with two replicas, and how its personas reply alone."""

    url: str
    running: subprocess.Popen[str]
    folder: Path
    decoder: Decoder
    personas: dict[str, Persona]

    def asked(self, name: str, tokens: int = 12, **more: Any) -> dict[str, Any]:
        return {
            "model": f"loud:{name}",
            "messages": CHAT,
            "temperature": 0,
            "max_tokens": tokens,
            **more,
        }

    def alone(self, name: str, tokens: int = 12) -> str:
        return generate(self.decoder, self.personas[name], CHAT, max_new_tokens=tokens)[0]

    def said(self, name: str) -> str:
        answer = call(f"{self.url}/v1/chat/completions", self.asked(name))
        assert answer.status == 200, answer.data
        return str(answer.json["choices"][0]["message"]["content"])

    def replicas(self) -> list[psutil.Process]:
        children = psutil.Process(self.running.pid).children(recursive=True)
        return [one for one in children if "ServeReplica" in "".join(one.cmdline()[:1])]

    def numbers(self, name: str) -> dict[str, float]:
        """A number of each replica, by its name."""
        text = call(f"{self.url}/metrics").data.decode()
        found = re.findall(rf'^personalign_{name}{{replica="(\w+)"}} (\S+)$', text, re.M)
        return {replica: float(value) for replica, value in found}

    def quiet(self) -> bool:
        """Whether both replicas are there, and nothing is left in their engines."""
        rows, waiting = self.numbers("batch_size"), self.numbers("queue")
        return len(rows) == 2 and not any([*rows.values(), *waiting.values()])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    decoder = make_loud()
    model = tmp_path_factory.mktemp("models") / "loud"
    decoder.model.save_pretrained(model)
    decoder.tokenizer.save_pretrained(model)
    decoder = Decoder.load(model)
    folder, personas = tmp_path_factory.mktemp("personas"), make_personas(decoder)
    for name, persona in personas.items():
        persona.save(folder / name)
    with process(model, folder, "--replicas", "2", "--threads", "1") as (running, url):
        yield Cluster(url, running, folder, decoder, personas)


def test_replies_are_those_of_one_server(cluster: Cluster) -> None:
    names = [*cluster.personas] * 6
    with ThreadPoolExecutor(4) as pool:
        for name, said in zip(names, pool.map(cluster.said, names), strict=True):
            assert said == cluster.alone(name)
    tokens = cluster.numbers("completion_tokens_total")
    assert len(tokens) == 2 and all(tokens.values()), "both replicas have replied"
    assert call(f"{cluster.url}/readyz").status == 200
    until(cluster.quiet, "the end")


def test_personas_made_replaced_and_deleted_count_in_every_replica(cluster: Cluster) -> None:
    person = simulate(1, seed=3)
    columns = ipip_neo_300().columns(ipip_neo_120())
    answers = [int(answer) for answer in person.responses[0, columns]]
    wanted = {"name": "new", "answers": answers, "settings": {"heads": 2}}
    begun = call(f"{cluster.url}/v1/personas", wanted)
    assert begun.status == 202, begun.data
    for _ in range(6):  # whichever replica is asked
        again = call(f"{cluster.url}/v1/personas", wanted)
        assert (again.status, again.error["code"]) == (409, "already_exists")
    job = cluster.url + begun.headers["location"]
    until(lambda: call(job).json["status"] in ("done", "failed"), "the persona")
    assert {call(job).json["status"] for _ in range(6)} == {"done"}
    seen = person.only(person.inventory.tuning)
    method = get_persona_method("pas", decoder=make_loud(), heads=2)
    cluster.personas["new"] = method.personas(seen)[0]
    expected = cluster.alone("new")
    assert {cluster.said("new") for _ in range(8)} == {expected}
    cluster.personas["new"] = Persona(shift=some_shift(cluster.decoder, seed=9), alpha=6.0)
    cluster.personas["new"].save(cluster.folder / "new")
    assert {cluster.said("new") for _ in range(8)} == {cluster.alone("new")} != {expected}
    assert call(f"{cluster.url}/v1/personas/new", method="DELETE").status == 200
    for _ in range(8):
        gone = call(f"{cluster.url}/v1/chat/completions", cluster.asked("new"))
        assert (gone.status, gone.error["code"]) == (404, "model_not_found")


def test_a_client_that_leaves_frees_its_place(cluster: Cluster) -> None:
    with stream(cluster, "ann", 3000) as (sock, _):
        until(lambda: sum(cluster.numbers("batch_size").values()) == 1, "the reply")
        sock.shutdown(socket.SHUT_RDWR)
    until(cluster.quiet, "the end of a reply for nobody")


def test_one_replica_killed_under_load(cluster: Cluster) -> None:
    expected = {name: cluster.alone(name, 40) for name in ("ann", "ben", "cat")}
    over = threading.Event()
    whole: list[float] = []
    refused: list[str] = []

    def visit(number: int) -> None:
        name, streams = list(expected)[number % 3], number % 2 == 0
        while not over.is_set():
            began = time.monotonic()
            said, code = ask(cluster, name, 40, streams)
            assert time.monotonic() - began < WAIT, "no request hangs"
            if code is None:
                assert said == expected[name]
                whole.append(time.monotonic())
            else:
                assert code in CLEAR
                assert expected[name].startswith(said), "what came of it was the persona's"
                refused.append(code)

    before = cluster.replicas()
    assert len(before) == 2
    with ThreadPoolExecutor(8) as pool:
        visits = [pool.submit(visit, number) for number in range(8)]
        try:
            until(lambda: len(whole) >= 8, "replies")
            before[0].kill()
            moment = time.monotonic()
            until(lambda: len([end for end in whole if end > moment]) >= 8, "replies afterwards")
            until(
                lambda: len(cluster.numbers("queue")) == 2 == len(cluster.replicas()),
                "another replica in its place",
                3 * WAIT,
            )
        finally:
            over.set()
        for one in visits:
            one.result(2 * WAIT)
    assert refused, "somebody was being answered by the one that was killed"
    assert before[0].pid not in [one.pid for one in cluster.replicas()]
    until(cluster.quiet, "empty engines")
    assert {name: cluster.said(name) for name in expected} == {
        name: cluster.alone(name) for name in expected
    }


def test_told_to_end_under_load_it_finishes_what_it_began(cluster: Cluster) -> None:
    begun = threading.Barrier(4, timeout=WAIT)

    def listen(name: str) -> tuple[str, list[dict[str, Any]]]:
        with stream(cluster, name, 300) as (_, answer):
            begun.wait()
            return read_stream(answer)

    expected = {name: cluster.alone(name, 300) for name in ("ann", "ben", "cat")}
    with ThreadPoolExecutor(3) as pool:
        streams = {name: pool.submit(listen, name) for name in expected}
        begun.wait()
        cluster.running.send_signal(signal.SIGTERM)
        until(lambda: call(f"{cluster.url}/readyz").status == 503, "the end of readiness")
        refused = call(f"{cluster.url}/v1/chat/completions", cluster.asked("ann"))
        assert (refused.status, refused.error["code"]) == (503, "shutting_down")
        results = {name: one.result(WAIT) for name, one in streams.items()}
    for name, (rest, events) in results.items():
        assert rest.endswith("data: [DONE]\n\n")
        assert text_of(events) == expected[name]
    children = psutil.Process(cluster.running.pid).children(recursive=True)
    assert cluster.running.wait(WAIT) == 0
    _, left = psutil.wait_procs(children, timeout=WAIT)
    assert left == [], "nothing of the cluster is left"


@contextmanager
def stream(cluster: Cluster, name: str, tokens: int) -> Iterator[tuple[socket.socket, Any]]:
    """The connection and the answer of a stream whose first event has come."""
    with streaming(cluster.url, cluster.asked(name, tokens, stream=True)) as found:
        yield found


def ask(cluster: Cluster, name: str, tokens: int, streams: bool) -> tuple[str, str | None]:
    """What came of one request, and the code of the error that it ended with."""
    asked = cluster.asked(name, tokens, stream=streams)
    answer = call(f"{cluster.url}/v1/chat/completions", asked)
    if answer.status != 200:
        return "", answer.error["code"]
    if not streams:
        return answer.json["choices"][0]["message"]["content"], None
    text = answer.data.decode()
    events = [json.loads(line[6:]) for line in text.split("\n\n") if "{" in line]
    if text.endswith("data: [DONE]\n\n"):
        return text_of(events), None
    return text_of(events[:-1]), events[-1]["error"]["code"]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events)
