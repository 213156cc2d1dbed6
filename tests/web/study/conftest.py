"""Studies for tests: a researcher with a study of pairs that were handed in, and raters."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from personalign.evaluation.blind import BlindPair, Key, key_text, pack_pairs, pack_text
from tests.web.conftest import LiveSite
from tests.web.visiting import Person

CONTRASTS = (("aligned", "misaligned"), ("aligned", "original"))


def some_pairs(
    people: int = 1, prompts: int = 6, *, seed: int = 5, contrasts: Sequence[tuple[str, str]] = ()
) -> tuple[list[BlindPair], Key]:
    """Pairs of made-up replies, and their key."""
    rows = [
        {
            "person": f"somebody-{person}",
            "prompt": str(prompt),
            "asked": f"What about {prompt}?",
            "condition": condition,
            "text": f"Text {7 * place + 3 * prompt + person} of {seed}.",
        }
        for person in range(people)
        for prompt in range(prompts)
        for place, condition in enumerate(("aligned", "misaligned", "original"))
    ]
    return pack_pairs(rows, contrasts or CONTRASTS[:1], seed=seed)


@dataclass
class Held:
    """A researcher and a study of theirs."""

    researcher: Person
    id: str
    pairs: list[BlindPair]
    key: Key
    links: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/studies/{self.id}"

    def invite(self, many: int) -> list[str]:
        """Paths of new links."""
        self.researcher.get(self.path)
        page = self.researcher.post(f"{self.path}/links", many=many)
        self.links += (found := links_on(page))
        assert len(found) == many
        return found

    def close(self) -> str:
        self.researcher.get(self.path)
        return self.researcher.post(f"{self.path}/close")


def hand_in(
    live: LiveSite, pairs: list[BlindPair], key: Key, researcher: Person | None = None
) -> Held:
    """A study of pairs that were handed in."""
    researcher = researcher or live.member("researcher")
    files = {"packs": pack_text(pairs), "key": key_text(key)}
    page = send(researcher, "pack", files, title="Aligned or misaligned?")
    return Held(researcher, id_on(page), pairs, key)


def send(
    person: Person, way: str, files: dict[str, str | bytes], status: int = 200, **fields: object
) -> str:
    """Send the form of a new study; gives the page that follows."""
    person.get(f"/studies/new/{way}")
    names = {"packs": "p.jsonl", "key": "key.json", "replies": "r.jsonl", "prompts_file": "p.txt"}
    sent = [
        (name, (names[name], text if isinstance(text, bytes) else text.encode()))
        for name, text in files.items()
    ]
    data = {"form_token": person.token} | fields
    answer = person.http.post(f"/studies/new/{way}", data=data, files=sent or [("x", ("", b""))])
    return person._read(answer, status)


def id_on(page: str) -> str:
    """The id of the study whose page this is."""
    found = re.search(r'action="/studies/([\w-]+)/links"', page)
    assert found, page
    return found[1]


def links_on(page: str) -> list[str]:
    """Paths of the links a page shows."""
    area = re.search(r'<textarea id="link-list".*?>(.*?)</textarea>', page, re.S)
    assert area, page
    return [line.partition("127.0.0.1")[2] for line in area[1].splitlines()]


def begin(person: Person, link: str) -> str:
    """Agree and take a link; gives the first pair's page."""
    person.get(link)
    return person.post(f"{link}/begin", agreed="yes")


def pair_on(page: str) -> tuple[str, str, str]:
    """(prompt, A, B) as a page shows them."""
    found = re.search(
        r'id="asked".*?<p>(.*?)</p>.*?id="answer-a".*?<p>(.*?)</p>.*?id="answer-b".*?<p>(.*?)</p>',
        page,
        re.S,
    )
    assert found, page
    return found[1], found[2], found[3]


def place_on(page: str) -> int:
    """Which pair a page shows, 1 for the first."""
    found = re.search(r"<h1>Pair (\d+) of", page)
    assert found, page
    return int(found[1])


def vote_all(person: Person, link: str, votes: dict[str, str]) -> str:
    """Vote on every pair, by its prompt; gives the last page."""
    page = begin(person, link)
    while "<h1>Pair" in page:
        place = place_on(page)
        page = person.post(f"{link}/pairs/{place}", vote=votes[pair_on(page)[0]])
    return page


def lines_of(person: Person, study: Held, name: str) -> list[dict[str, str]]:
    """A file of JSON lines of a study."""
    person.get(study.path)
    text = person.post(f"{study.path}/files/{name}")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def study(live: LiveSite) -> Held:
    """A study of six pairs with four links, which nobody has begun."""
    held = hand_in(live, *some_pairs())
    held.invite(4)
    return held
