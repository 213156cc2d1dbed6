"""Other views: people far apart, answers as their personas give them, differences counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from personalign.model.generate import generate
from personalign.model.persona import PLAIN
from personalign.web.balanced.differences import differences
from personalign.web.balanced.views import VIEWS, people_of_views
from tests.model.loud import make_loud
from tests.server.live import until
from tests.web.conftest import LiveSite
from tests.web.personas.sittings import aligned, made_with
from tests.web.visiting import words_of


@pytest.fixture(scope="module", autouse=True)
def quick(live: LiveSite) -> Iterator[None]:
    """Personas that cost little, where it does not matter which they are."""
    with made_with(live.site, "iti"):
        yield


@pytest.fixture(autouse=True)
def short_replies(live: LiveSite) -> Iterator[None]:
    usual, live.site.settings = live.site.settings, replace(live.site.settings, reply_tokens=8)
    yield
    live.site.settings = usual


def test_views_stand_at_the_ends_they_are_named_after() -> None:
    people = people_of_views()
    keyed = people.keyed
    for row, ends in zip(keyed, VIEWS.values(), strict=True):
        for trait in "OCEAN":
            answered = row[(people.inventory.traits == trait) & (row > 0)]
            wanted = {"high": {5}, "low": {1}, None: set()}[ends.get(trait)]
            assert set(answered.tolist()) == wanted


def test_everybody_answers_as_their_persona(live: LiveSite) -> None:
    site = live.site
    who = live.member()
    aligned(live, who)
    who.get("/balanced")
    until(lambda: site.views.of("loud") is not None, "the views")
    views = site.views.of("loud") or {}
    assert list(views) == list(VIEWS)
    page = who.post("/balanced", question="What is a good evening?")
    shown = words_of(page)
    decoder = make_loud()
    for persona in (PLAIN, *views.values()):
        said = generate(decoder, persona, "What is a good evening?", max_new_tokens=8)[0]
        longest = max(said.split() or [""], key=len)
        assert len(longest) < 4 or longest.strip("*_`#") in shown
    for label in ("Outgoing and easy-going", "Shifted towards your answers", "Words in common"):
        assert label in shown


def test_without_a_persona_of_ones_own_the_others_answer(live: LiveSite) -> None:
    who = live.member()
    who.get("/balanced")
    until(lambda: live.site.views.of("loud") is not None, "the views")
    page = words_of(who.post("/balanced", question="Tea?"))
    assert "The model as it is" in page and "A model, not you." not in page
    who.post("/balanced", 400, question="Tea?", model="another")
    who.post("/balanced", 400, question="  ")


def test_differences_are_what_can_be_counted() -> None:
    same = differences({"a": "Read a book.", "b": "read, a BOOK"})
    assert same is not None and same.pairings[0].alike == 1.0
    assert same.own_words == {"a": [], "b": []}
    apart = differences({"a": "alpha beta", "b": "gamma delta", "c": "alpha gamma"})
    assert apart is not None
    assert (apart.farthest.one, apart.farthest.other, apart.farthest.percent) == ("a", "b", 0)
    assert apart.own_words == {"a": ["beta"], "b": ["delta"], "c": []}
    assert apart.between("c", "a") == apart.between("a", "c")
    assert differences({"a": "alone"}) is None
