"""From a finished questionnaire to the first aligned reply: python benchmarks/site_first_reply.py

Starts the web application with the pocket model on a free port and goes the way of somebody who has
just finished the 120 items: opens the page, presses Begin, watches the progress as the page does,
and asks. Printed are the seconds of each part, for the first person of a fresh server and for those
who follow:

    begin     the button, until the next page is there
    making    until the page says that the assistant is ready; persona and mirror image
    word      from the question until the first word of the person's own column
    first     all three: from the finished questionnaire to the first aligned word
    whole     from the question until all three columns are whole

Ends with status 1 where `first` is above 5 seconds for anybody. --people N: how many.
--read S: seconds that the page is read before the button is pressed.
--json FILE writes the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import httpx
import torch

from personalign.dataset.files import replacing
from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_120
from personalign.model.decoder import Decoder
from personalign.server.engine import Engine
from personalign.server.run import serve
from personalign.server.service import open_service
from personalign.server.store import PersonaStore
from personalign.web.accounts.sessions import member_of
from personalign.web.app import create_site
from personalign.web.database.base import new_id, now
from personalign.web.questionnaire.consent import give
from personalign.web.questionnaire.sheets import put_answers
from personalign.web.questionnaire.tables import Sitting
from personalign.web.settings import SiteSettings
from personalign.web.site import Site, open_site

LIMIT, GIVE_UP = 5.0, 120.0
LOOK_EVERY = 0.7
"""Seconds between two looks of the page at its progress, as in personas/progress.html."""

QUESTION = "What would you do with a free Saturday?"


def main() -> int:
    """Measure, print, and say whether it is quick enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--read", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (site, url):
        for number in range(given.people):
            figures.append(one_person(site, url, number, given.read))
            parts = "  ".join(f"{name} {spent:.2f}" for name, spent in figures[-1].items())
            print(f"person {number + 1}: {parts}", flush=True)
    print(f"{torch.get_num_threads()} threads, {os.cpu_count()} cores")
    if given.json is not None:
        with replacing(given.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return int(any(one["first"] > LIMIT for one in figures))


@contextmanager
def running(folder: Path) -> Iterator[tuple[Site, str]]:
    """A site with the pocket model; gives its address."""
    decoder = Decoder.load("pocket")
    service = open_service(decoder, PersonaStore(folder / "personas", decoder), Engine)
    site = open_site(SiteSettings(folder, "http://127.0.0.1"), {service.base: service})
    address, listening = "", threading.Event()

    def ready(told: str) -> None:
        nonlocal address
        address = told
        listening.set()

    def run() -> None:
        serve(service, port=0, ready=ready, app=create_site(site))

    threading.Thread(target=run, daemon=True).start()  # ends with the process
    assert listening.wait(60), "the server did not start"
    yield site, address
    site.close()


def one_person(site: Site, url: str, number: int, read: float) -> dict[str, float]:
    """Seconds of each part for one new person."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=60) as browser:
        token = token_of(browser.get("/sign-up").text)
        browser.post("/sign-up", data={"form_token": token})
        sitting = filled_in(site, browser.cookies["personalign"], seed=number)
        token = token_of(browser.get(f"/align/{sitting}").text)
        time.sleep(read)
        pressed = time.perf_counter()
        browser.post(f"/align/{sitting}", data={"form_token": token})
        begun = time.perf_counter()
        while "/chat?pair=" not in (page := browser.get(f"/align/{sitting}/progress").text):
            assert "problem" not in page and time.perf_counter() < begun + GIVE_UP, page
            time.sleep(LOOK_EVERY)
        made = time.perf_counter()
        pair = re.findall(r"/chat\?pair=([\w-]+)", page)[0]
        token = token_of(browser.get(f"/chat?pair={pair}").text)
        asked = time.perf_counter()
        sent = {"form_token": token, "question": QUESTION, "pair": pair, "live": "true"}
        word = 0.0
        with browser.stream("POST", "/chat/say", data=sent) as answer:
            name = ""
            for line in answer.iter_lines():
                name = line.removeprefix("event: ") if line.startswith("event: ") else name
                if name == "words" and '"mine"' in line and not word:
                    word = time.perf_counter()
        whole = time.perf_counter()
    parts = {"begin": begun - pressed, "making": made - begun, "word": word - asked}
    return {**parts, "first": sum(parts.values()), "whole": whole - asked}


def filled_in(site: Site, cookie: str, *, seed: int) -> str:
    """A finished questionnaire of a signed-in person, who consents, with simulated answers."""
    member = member_of(site, cookie)
    assert member is not None, "nobody is signed in"
    give(site, member)
    person = simulate(1, seed=seed)
    columns = {item.number: person.inventory.columns([item])[0] for item in ipip_neo_120()}
    moment = now()
    sitting = Sitting(
        id=new_id(),
        account_id=member.id,
        form="120",
        language="en",
        started_at=moment,
        changed_at=moment,
        finished_at=moment,
    )
    answers = {n: int(person.responses[0, column]) for n, column in columns.items()}
    with site.database.writing() as session:
        session.add(sitting)
        session.flush()
        put_answers(session, site.vault, sitting, answers)
    return sitting.id


def token_of(page: str) -> str:
    """The token of a page's forms."""
    return re.findall(r'name="form_token" value="(\w+)"', page)[0]


if __name__ == "__main__":
    sys.exit(main())
