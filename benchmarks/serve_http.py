"""Many clients at one server over real HTTP: python benchmarks/serve_http.py

Starts `personalign serve` in a process of its own, with personas of simulated people, and lets
clients ask it in a closed loop: each streams a reply at temperature 0, reads it to its end, and
asks the next question. Who is asked what is drawn with a seed. Printed are

    requests a second, tokens a second
    first     seconds until the first text of a reply: the 50th, 95th and 99th percentile
    total     seconds until its end
    errors    answers that were no whole reply, by kind
    differ    replies that are not, to the letter, what `personalign.generate` says for the same
              persona and question alone; every reply is checked

Clients and server share this machine's cores. Ends with status 1 where there are errors or replies
that differ. --json FILE writes the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import h11
import numpy as np

from personalign.dataset.files import replacing
from personalign.dataset.simulate import simulate
from personalign.methods.registry import get_persona_method
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.server.model_names import served_name

SERVE = "import typer; from personalign.cli.serve import serve; typer.run(serve)"
START_SECONDS, READ_BYTES = 120, 2**16

QUESTIONS = (
    "What would you do with a free Saturday?",
    "Do you love large parties?",
    "How do you feel before an exam?",
    "What do you think of modern art?",
    "Do you finish what you begin?",
    "A friend is late again. What do you say?",
    "Tell me about yourself.",
    "Would you move to another country?",
)


@dataclass(frozen=True)
class Ask:
    """One request."""

    model: str
    question: str
    persona: Persona


@dataclass(frozen=True)
class Heard:
    """What came back."""

    ask: Ask
    text: str
    tokens: int
    first: float
    """Seconds to the first text."""
    total: float
    """Seconds to the end."""
    error: str | None = None
    """What kind of answer it was, where it was no whole reply."""


@dataclass(frozen=True)
class Figures:
    """A run in numbers; seconds are (50th, 95th, 99th percentile)."""

    clients: int
    seconds: float
    requests: int
    requests_per_second: float
    tokens_per_second: float
    first_seconds: tuple[float, float, float]
    total_seconds: tuple[float, float, float]
    errors: dict[str, int]
    checked: int
    differ: int


def main(argv: Sequence[str] | None = None) -> Figures:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--personas", type=int, default=16, help="simulated people")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--max-batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="personalign-serve-") as folder:
        asks = make_asks(given.model, given.personas, Path(folder))
        with served(given.model, Path(folder), given.max_batch) as address:
            began = time.perf_counter()
            heard = asyncio.run(
                load(address, asks, given.clients, given.seconds, given.max_tokens, given.seed)
            )
            seconds = time.perf_counter() - began
    figures = count(given.model, heard, given.clients, seconds, given.max_tokens)
    show(figures)
    if given.json is not None:
        with replacing(given.json) as temporary:
            temporary.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return figures


def make_asks(model: str, people: int, folder: Path) -> list[Ask]:
    """Personas of simulated people saved into the folder, and all that may be asked of whom."""
    decoder = Decoder.load(model)
    known = simulate(people, seed=1)
    maker = get_persona_method("pas", decoder=decoder)
    made = maker.personas(known.only(known.inventory.tuning))
    name = served_name(model)
    who: list[tuple[str, Persona]] = [(name, PLAIN)]
    for number, persona in enumerate(made):
        persona.save(folder / f"person-{number}")
        who.append((f"{name}:person-{number}", persona))
        if persona.pushes:
            strong = persona.alpha + 1.5
            who.append((f"{name}:person-{number}@{strong:g}", persona.with_alpha(strong)))
    return [Ask(model, question, persona) for model, persona in who for question in QUESTIONS]


@contextmanager
def served(model: str, personas: Path, max_batch: int) -> Iterator[tuple[str, int]]:
    """The server in a process of its own, ready; gives its host and port, and ends it well."""
    command = [sys.executable, "-c", SERVE, "--model", model, "--personas", str(personas)]
    running = subprocess.Popen(
        [*command, "--port", "0", "--max-batch", str(max_batch)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        if not line.startswith("Serving"):
            raise SystemExit(f"The server did not start: it said {line!r}.")
        url = line.split(" on ")[1].strip().removesuffix("/v1")
        _wait_until_ready(url)
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)
        running.terminate()
        if running.wait(START_SECONDS) != 0:
            raise SystemExit(f"The server ended with status {running.returncode}.")
    finally:
        running.kill()


def _wait_until_ready(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urlopen(f"{url}/readyz"):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"The server was not ready within {START_SECONDS} seconds.")


async def load(
    address: tuple[str, int],
    asks: Sequence[Ask],
    clients: int,
    seconds: float,
    max_tokens: int,
    seed: int,
) -> list[Heard]:
    """What all clients heard; each begins no request after `seconds`, and reads its last one."""
    end = time.perf_counter() + seconds

    async def client(number: int) -> list[Heard]:
        dice, heard = random.Random(f"{seed}-{number}"), []
        while time.perf_counter() < end:
            heard.append(await ask_once(address, dice.choice(asks), max_tokens))
        return heard

    return [one for many in await asyncio.gather(*map(client, range(clients))) for one in many]


async def ask_once(address: tuple[str, int], ask: Ask, max_tokens: int) -> Heard:
    """One request on a connection of its own, its stream read to the end."""
    body = json.dumps(
        {
            "model": ask.model,
            "messages": [{"role": "user", "content": ask.question}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    began = time.perf_counter()
    text, tokens, first, done, status, data = "", 0, 0.0, False, 0, b""
    try:
        reader, writer = await asyncio.open_connection(*address)
        wire = h11.Connection(h11.CLIENT)
        headers = [
            ("host", address[0]),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        request = h11.Request(method="POST", target="/v1/chat/completions", headers=headers)
        sent = (wire.send(part) for part in (request, h11.Data(body), h11.EndOfMessage()))
        writer.write(b"".join(part or b"" for part in sent))
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                *lines, data = (data + bytes(event.data)).split(b"\n\n")
                for line in lines:
                    done = done or line == b"data: [DONE]"
                    said, counted = _read(line)
                    first = first or (time.perf_counter() - began if said else 0.0)
                    text, tokens = text + said, counted or tokens
            else:
                break
        writer.close()
    except (OSError, h11.RemoteProtocolError) as error:
        return Heard(ask, text, tokens, first, time.perf_counter() - began, type(error).__name__)
    total = time.perf_counter() - began
    error = None if status == 200 and done else f"status {status}" if status != 200 else "cut short"
    return Heard(ask, text, tokens, first or total, total, error)


def _read(line: bytes) -> tuple[str, int]:
    """What an event says, and the tokens it counts."""
    data: dict[str, Any] = json.loads(line[6:]) if line.startswith(b"data: {") else {}
    usage = data.get("usage") or {}
    texts = [choice["delta"].get("content") or "" for choice in data.get("choices", ())]
    return "".join(texts), int(usage.get("completion_tokens", 0))


def count(
    model: str, heard: Sequence[Heard], clients: int, seconds: float, max_tokens: int
) -> Figures:
    """The figures, once every reply was compared with the same request run alone."""
    whole = [one for one in heard if one.error is None]
    if not whole:
        raise SystemExit(f"No reply was whole: {Counter(one.error for one in heard)}.")
    decoder = Decoder.load(model)
    asked = {(one.ask.model, one.ask.question): one.ask.persona for one in whole}
    alone = {
        (name, question): generate(decoder, persona, question, max_new_tokens=max_tokens)[0]
        for (name, question), persona in asked.items()
    }
    firsts, totals = ([getattr(one, name) for one in whole] for name in ("first", "total"))
    return Figures(
        clients=clients,
        seconds=seconds,
        requests=len(heard),
        requests_per_second=len(whole) / seconds,
        tokens_per_second=sum(one.tokens for one in whole) / seconds,
        first_seconds=_percentiles(firsts),
        total_seconds=_percentiles(totals),
        errors=dict(Counter(one.error for one in heard if one.error is not None)),
        checked=len(whole),
        differ=sum(one.text != alone[one.ask.model, one.ask.question] for one in whole),
    )


def _percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    low, high, highest = np.percentile(seconds, [50, 95, 99])
    return float(low), float(high), float(highest)


def show(figures: Figures) -> None:
    """Print them."""
    first, total = (
        " / ".join(f"{1000 * value:.0f}" for value in values)
        for values in (figures.first_seconds, figures.total_seconds)
    )
    print(f"{figures.clients} clients, {figures.seconds:.1f} s, {figures.requests} requests")
    print(
        f"  {figures.requests_per_second:.1f} requests/s, {figures.tokens_per_second:.0f} tokens/s"
    )
    print(f"  first text  p50 / p95 / p99  {first} ms")
    print(f"  total       p50 / p95 / p99  {total} ms")
    errors = ", ".join(f"{kind}: {number}" for kind, number in figures.errors.items()) or "none"
    print(f"  errors      {errors}")
    print(
        f"  differ      {figures.differ} of {figures.checked} replies from the same request alone"
    )


if __name__ == "__main__":
    found = main()
    sys.exit(1 if found.errors or found.differ else 0)
