"""Many people filling in a questionnaire at once: PYTHONPATH=. python benchmarks/site_load.py

Starts `personalign serve --web` in a process of its own, on SQLite and on a PostgreSQL of its own,
and lets people fill in the 120 through its pages, as browsers do: each answer is sent as it is
ticked, the page's form at the end of a page, and then the next page is read. A person takes a
random while for each statement, 3 seconds on average (--think), a fifth to nine fifths of that.
Accounts and consents are there before it begins. Printed are, for each kind of request,

    number, and milliseconds until the whole answer: the 50th, 95th and 99th percentile
    errors   answers that were not what they should be, by kind
    lost     answers that the server confirmed and that are not, or not so, in its database

--kill SECONDS kills the server (SIGKILL) that long after the beginning and starts it again on the
same database; people try again until it answers, as the page's script does. What failed because
nobody listened is told as `retried` and is no error.

All traffic stays on this machine, whose cores people, server and database share. Ends with status 1
where there are errors or lost answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.request import urlopen

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import httpx
import numpy as np

from personalign.dataset.files import replacing
from personalign.web.accounts.sessions import member_of, new_account, open_session
from personalign.web.database.migrate import bring_up
from personalign.web.database.open import Database
from personalign.web.questionnaire.consent import give
from personalign.web.questionnaire.sheets import read_sheet
from personalign.web.questionnaire.sittings import begin
from personalign.web.questionnaire.tables import Sitting
from personalign.web.settings import SiteSettings
from personalign.web.site import Site
from personalign.web.vault import new_key, vault_from, write_keys

SERVE = "import typer; from personalign.cli.serve import serve; typer.run(serve)"
START_SECONDS, ANSWER_SECONDS, PAUSE_SECONDS = 120, 30, 0.5
ITEM = re.compile(r'<fieldset class="item card" id="item-(\d+)"')
TOKEN = re.compile(r'name="form_token" value="(\w+)"')
ACTION = re.compile(r'<form method="post" action="(/questionnaire/[^"]+)" id="items"')


@dataclass
class Person:
    """Somebody with a questionnaire before them."""

    cookie: str
    sitting: str
    confirmed: dict[int, int] = field(default_factory=dict)
    """Item's number -> the answer that the server said it has."""


@dataclass
class Heard:
    """What everybody heard."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Kind of request -> how long it took."""
    errors: Counter[str] = field(default_factory=Counter)
    retried: int = 0


@dataclass(frozen=True)
class Figures:
    """A run in numbers; milliseconds are (50th, 95th, 99th percentile)."""

    database: str
    people: int
    think_seconds: float
    requests: dict[str, int]
    milliseconds: dict[str, tuple[float, float, float]]
    errors: dict[str, int]
    retried: int
    confirmed: int
    lost: int


def main(argv: Sequence[str] | None = None) -> list[Figures]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60, help="nobody begins a page after")
    parser.add_argument("--think", type=float, default=3.0, help="seconds a statement")
    parser.add_argument("--kill", type=float, help="seconds until the server is killed, once")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    kinds = ["sqlite", "postgresql"] if given.database == "both" else [given.database]
    all_figures = []
    for kind in kinds:
        with (
            tempfile.TemporaryDirectory(prefix="personalign-load-") as folder,
            started(kind, Path(folder)) as url,
        ):
            figures = measure(
                kind,
                Path(folder),
                url,
                people=given.people,
                seconds=given.seconds,
                think=given.think,
                kill=given.kill,
                model=given.model,
                seed=given.seed,
            )
        show(figures)
        all_figures.append(figures)
    if given.json is not None:
        with replacing(given.json) as temporary:
            temporary.write_text(json.dumps([asdict(one) for one in all_figures], indent=2) + "\n")
    return all_figures


@contextmanager
def started(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'site.db'}"
        return
    from tests.web.postgres import running

    with running() as url:
        yield url


def measure(
    kind: str,
    folder: Path,
    url: str,
    *,
    people: int,
    seconds: float,
    think: float,
    kill: float | None,
    model: str,
    seed: int,
) -> Figures:
    """People are made, fill in the questionnaire, and what they were told is looked up."""
    write_keys(folder / "site.key", [new_key()])
    site = opened(folder, url)
    everybody = [prepare(site) for _ in range(people)]
    site.database.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serve(folder, url, port, model)
    try:
        heard = asyncio.run(load(server, everybody, seconds, think, kill, seed))
        server.end()
    finally:
        server.kill()
    site = opened(folder, url)
    lost = sum(lost_answers(site, person) for person in everybody)
    site.database.close()
    return Figures(
        kind,
        people,
        think,
        {what: len(one) for what, one in heard.seconds.items()},
        {what: _percentiles(one) for what, one in heard.seconds.items()},
        dict(heard.errors),
        heard.retried,
        sum(len(person.confirmed) for person in everybody),
        lost,
    )


def opened(folder: Path, url: str) -> Site:
    """The site's database, with no model behind it."""
    database = Database(url)
    settings = SiteSettings(folder, "http://localhost", url)
    vault = vault_from(settings.keys)
    bring_up(database, vault)
    return Site(settings, database, vault, {})


def prepare(site: Site) -> Person:
    """Somebody signed in who consented and has begun the 120."""
    with site.database.writing() as session:
        cookie = open_session(session, site, new_account(session, "en"))
    member = member_of(site, cookie)
    assert member is not None
    give(site, member)
    return Person(cookie, begin(site, member, "120"))


def lost_answers(site: Site, person: Person) -> int:
    """How many confirmed answers are not in the database as they were given."""
    with site.database.reading() as session:
        sheet = read_sheet(session, site.vault, session.get_one(Sitting, person.sitting))
    kept = {item.number: one for item, one in zip(sheet.inventory, sheet.answers, strict=True)}
    return sum(kept[number] != given for number, given in person.confirmed.items())


class Server:
    """`personalign serve --web`, which can be killed and started again on the same port."""

    def __init__(self, command: Sequence[str], url: str) -> None:
        self._command, self.url = command, url
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._running = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._running.poll() is not None:
                raise SystemExit(f"The server ended with status {self._running.returncode}.")
            try:
                with urlopen(f"{self.url}/readyz"):
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"The server was not ready within {START_SECONDS} seconds.")

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._running.poll() is None:
            self._running.send_signal(signal.SIGKILL)
            self._running.wait()

    def end(self) -> None:
        """End it well."""
        self._running.terminate()
        if self._running.wait(START_SECONDS) != 0:
            raise SystemExit(f"The server ended with status {self._running.returncode}.")


def serve(folder: Path, url: str, port: int, model: str) -> Server:
    """A server on this database."""
    command = [sys.executable, "-c", SERVE, "--web", "--site", str(folder), "--database", url]
    return Server([*command, "--port", str(port), "--model", model], f"http://127.0.0.1:{port}")


async def load(
    server: Server,
    everybody: Sequence[Person],
    seconds: float,
    think: float,
    kill: float | None,
    seed: int,
) -> Heard:
    """Everybody fills in their questionnaire; each begins no page after `seconds`."""
    heard, end = Heard(), time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=server.url, limits=limits, timeout=ANSWER_SECONDS, follow_redirects=False
    ) as http:

        async def restart() -> None:
            if kill is not None:
                await asyncio.sleep(kill)
                server.kill()
                await asyncio.to_thread(server.start)

        await asyncio.gather(
            restart(),
            *(
                fill_in(http, person, heard, end, think, random.Random(f"{seed}-{number}"))
                for number, person in enumerate(everybody)
            ),
        )
    return heard


async def fill_in(
    http: httpx.AsyncClient,
    person: Person,
    heard: Heard,
    end: float,
    think: float,
    dice: random.Random,
) -> None:
    """One person: page after page, tick after tick."""
    cookie = {"cookie": f"personalign={person.cookie}"}

    async def ask(kind: str, method: str, path: str, status: int, **more: object) -> httpx.Response:
        while True:
            began = time.perf_counter()
            try:
                headers = cookie | more.pop("headers", {})  # type: ignore[operator]
                answer = await http.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
            except httpx.TransportError:
                heard.retried += 1
                await asyncio.sleep(PAUSE_SECONDS)
                more["headers"] = headers
                continue
            heard.seconds[kind].append(time.perf_counter() - began)
            if answer.status_code != status:
                heard.errors[f"{kind}: status {answer.status_code}"] += 1
            return answer

    await asyncio.sleep(dice.uniform(0, 5 * think))
    path = f"/questionnaire/{person.sitting}"
    while time.perf_counter() < end:
        page = await ask("page", "GET", path, 200)
        action, token = ACTION.search(page.text), TOKEN.search(page.text)
        if action is None or token is None:
            heard.errors["page: without a form"] += page.status_code == 200
            return
        ticked: dict[int, int] = {}
        for number in map(int, ITEM.findall(page.text)):
            await asyncio.sleep(think * dice.uniform(0.2, 1.8))
            ticked[number] = dice.randint(1, 5)
            saved = await ask(
                "answer",
                "POST",
                f"/questionnaire/{person.sitting}/answers",
                200,
                json={"answers": {number: ticked[number]}},
                headers={"x-form-token": token[1]},
            )
            if saved.status_code == 200:
                person.confirmed[number] = ticked[number]
        form = {"form_token": token[1], "go": "next"}
        form |= {f"item-{number}": str(given) for number, given in ticked.items()}
        turned = await ask("turning the page", "POST", action[1], 303, data=form)
        if turned.status_code != 303:
            return
        person.confirmed |= ticked
        path = turned.headers["location"]
        if path.endswith("/end"):
            await ask("page", "GET", path, 200)
            return


def _percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    low, high, highest = np.percentile(seconds, [50, 95, 99]) * 1000
    return float(low), float(high), float(highest)


def show(figures: Figures) -> None:
    """Print them."""
    print(
        f"{figures.database}: {figures.people} people, {figures.think_seconds:g} s a statement, "
        f"{sum(figures.requests.values())} requests"
    )
    for what, values in figures.milliseconds.items():
        told = " / ".join(f"{value:.0f}" for value in values)
        print(f"  {what:<17} {figures.requests[what]:>6}  p50 / p95 / p99  {told} ms")
    errors = ", ".join(f"{kind}: {number}" for kind, number in figures.errors.items()) or "none"
    print(f"  errors            {errors}; {figures.retried} retried")
    print(f"  lost              {figures.lost} of {figures.confirmed} confirmed answers")


if __name__ == "__main__":
    found = main()
    sys.exit(1 if any(one.errors or one.lost for one in found) else 0)
