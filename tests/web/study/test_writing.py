"""Pairs written here: by the assistants that are compared, in the background, whole or not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from personalign.model.persona import Persona
from personalign.server.refusals import Refusal
from personalign.web.database.base import new_id, now
from personalign.web.personas.tables import Alignment
from personalign.web.refusals import PageRefusal
from personalign.web.study import writing
from personalign.web.study.tables import Invitation, Pack, Study
from personalign.web.vault import new_key, write_keys
from tests.model.conftest import some_shift
from tests.server.live import until
from tests.web.conftest import LiveSite, live_site
from tests.web.personas.sittings import filled_in, somebody
from tests.web.study.conftest import Held, begin, id_on, lines_of, send, some_pairs, vote_all
from tests.web.visiting import Person, words_of

PROMPTS = "What is tea?\nWhere is the sea?\n"


@pytest.fixture(scope="module")
def live(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site that makes personas at once: nothing here is about how they are made."""
    folder = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    with live_site(folder, database_url, method="facet-prompt") as one:
        yield one


def aligned(live: LiveSite, person: Person, *, seed: int) -> None:
    """Give somebody a persona that pushes, and its mirror image, as an alignment does."""
    site, shift = live.site, some_shift(live.site.service.decoder, seed=seed)
    account, model = live.account_of(person).id, site.service.base
    sitting = filled_in(live, person, somebody(seed))
    with site.database.writing() as session:
        kept = [
            site.shelf.keep(
                session,
                Persona(shift=shift, alpha=alpha),
                account_id=account,
                sitting_id=sitting,
                kind=kind,
                model=model,
            )
            for kind, alpha in (("mine", 1.0), ("mirrored", -1.0))
        ]
        session.flush()
        session.add(
            Alignment(
                id=new_id(),
                account_id=account,
                sitting_id=sitting,
                model=model,
                method="pas",
                status="done",
                persona_id=kept[0].id,
                mirrored_id=kept[1].id,
                created_at=now(),
                ended_at=now(),
            )
        )


def written(live: LiveSite, researcher: Person, **fields: Any) -> Held:
    """A study whose pairs are written here, once they are."""
    study = asked_for(researcher, **fields)
    until(lambda: not live.site.pair_writer.under_way(study.id), "the pairs are written")
    return study


def asked_for(researcher: Person, **fields: Any) -> Held:
    given = {
        "title": "T",
        "prompts": PROMPTS,
        "source": "mine",
        "tokens": "8",
        "contrast": ["aligned:misaligned", "aligned:original"],
    }
    page = send(researcher, "written", {}, **(given | fields))
    return Held(researcher, id_on(page), [], some_pairs()[1])


def key_of(study: Held) -> dict[str, Any]:
    study.close()
    key: dict[str, Any] = json.loads(study.researcher.post(f"{study.path}/files/key.json"))
    study.researcher.post(f"{study.path}/reopen")
    return key


def packs_in(live: LiveSite, study: Held) -> int:
    with live.site.database.reading() as session:
        return session.scalar(select(func.count()).where(Pack.study_id == study.id)) or 0


@contextmanager
def held_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Replies that are written only once the event is set."""
    event, usual = threading.Event(), writing.say

    async def slow(*given: Any, **rules: Any) -> str:
        import asyncio

        while not event.is_set():
            await asyncio.sleep(0.01)
        return await usual(*given, **rules)

    monkeypatch.setattr(writing, "say", slow)
    try:
        yield event
    finally:
        event.set()
        monkeypatch.undo()


@pytest.fixture(scope="module")
def researcher(live: LiveSite) -> Person:
    """A researcher with a persona and its mirror image."""
    person = live.member("researcher")
    aligned(live, person, seed=3)
    return person


def test_the_texts_are_what_each_assistant_says(live: LiveSite, researcher: Person) -> None:
    """Asked again by their conditions and seeds in the key, the engine says the same; without the
    seeds it does not, so that no rater can find out beforehand who says what."""
    from personalign.evaluation.assistants import ALIGNED, MISALIGNED
    from personalign.model.generate import generate
    from personalign.model.persona import PLAIN
    from personalign.web.study.speakers import newest_personas
    from tests.model.loud import make_loud

    study = written(live, researcher)
    key = key_of(study)
    with live.site.database.reading() as session:
        found = newest_personas(session, live.account_of(researcher).id, live.site.service.base)
    assert found
    personas = {
        ALIGNED: live.site.shelf.load(found["mine"]),
        MISALIGNED: live.site.shelf.load(found["mirrored"]),
    }
    pairs = {pair["pair"]: pair for pair in lines_of(researcher, study, "pack.jsonl")}
    assert len(pairs) == 2 and len(key["contrasts"]) == 2
    assert {frozenset((one["A"], one["B"])) for one in key["entries"]} == {
        frozenset(contrast) for contrast in key["contrasts"]
    }
    decoder = make_loud()
    for entry in key["entries"]:
        for side in ("A", "B"):
            persona = personas.get(entry[side], PLAIN)
            said = generate(
                decoder,
                persona,
                pairs[entry["pair"]]["prompt"],
                max_new_tokens=8,
                temperature=key["about"]["temperature"],
                seed=key["about"]["reply_seeds"][entry["person"]][entry["prompt"]],
            )
            assert pairs[entry["pair"]][side] == said[0].strip()
    assert key["about"]["model"] == live.site.service.base
    assert key["about"]["temperature"] > 0
    other = written(live, researcher)
    assert key_of(other)["about"]["reply_seeds"] != key["about"]["reply_seeds"]
    again = {(one["prompt"], one["A"]) for one in lines_of(researcher, other, "pack.jsonl")}
    assert not again & {(one["prompt"], one[side]) for one in pairs.values() for side in "AB"}


def test_a_made_up_persons_study_needs_no_answers(live: LiveSite) -> None:
    researcher = live.member("researcher")
    study = written(live, researcher, source="simulated", contrast="aligned:misaligned")
    assert "open" in words_of(researcher.get(study.path))
    key = key_of(study)
    assert key["about"]["values"] == "simulated" and len(key["entries"]) == 2
    assert key["seed"] != key_of(written(live, researcher, source="simulated"))["seed"]


def test_raters_judge_the_assistant_of_their_own_answers(live: LiveSite) -> None:
    researcher = live.member("researcher")
    study = asked_for(researcher, source="raters", contrast="aligned:misaligned")
    one, other = study.invite(2)
    ann, ben = live.member(), live.member()
    assert "an account" in words_of(live.person().get(one))
    live.person().http.get(one)
    assert "questionnaire" in words_of(begin(ann, one))
    assert f'href="{one}"' in ann.get("/"), "the way back"
    copied = live.member()
    copied.http.cookies.set("study", ann.http.cookies["study"])
    assert one not in copied.get("/"), "is its account's"
    for person, link, seed in ((ann, one, 5), (ben, other, 6)):
        aligned(live, person, seed=seed)
        if person is ben:
            begin(person, link)
        assert "Have the replies written" in person.get(link)
        person.post(f"{link}/prepare")
        number = _invitation(live, person)
        until(lambda n=number: not live.site.pair_writer.under_way(n), "the pairs are there")
        assert "<h1>Pair 1 of 2" in person.get(link)
    assert packs_in(live, study) == 2
    pairs = lines_of(researcher, study, "pack.jsonl")
    assert len({pair["pair"] for pair in pairs}) == 4
    prompts = PROMPTS.split("\n")
    for person, link in ((ann, one), (ben, other)):
        page = person.get(link)
        for place in (1, 2):
            page = person.post(f"{link}/pairs/{place}", vote="A")
        assert "voted on every pair" in page
    assert f'href="{one}"' in ann.get("/")
    ann.get(f"{one}/end")
    ann.post(f"{one}/end")
    assert one not in ann.get("/"), "nothing waits there any more"
    assert {pair["prompt"] for pair in pairs} == set(prompts[:2])
    key = key_of(study)
    assert {entry["person"] for entry in key["entries"]} == {"rater-1", "rater-2"}
    assert {one: len(seeds) for one, seeds in key["about"]["reply_seeds"].items()} == {
        "rater-1": 2,
        "rater-2": 2,
    }
    votes = lines_of(researcher, study, "votes.jsonl")
    whose = {entry["pair"]: entry["person"] for entry in key["entries"]}
    assert len(votes) == 4 and all(whose[vote["pair"]] == vote["rater"] for vote in votes)
    study.close()
    assert "sign test" in words_of(researcher.get(study.path))


def test_own_pairs_are_shown_to_the_account_alone(live: LiveSite) -> None:
    study = asked_for(live.member("researcher"), source="raters", contrast="aligned:original")
    (link,) = study.invite(1)
    ann, ben = live.member(), live.member()
    aligned(live, ann, seed=7)
    begin(ann, link)
    ann.post(f"{link}/prepare")
    number = _invitation(live, ann)
    until(lambda: not live.site.pair_writer.under_way(number), "the pairs are there")
    ben.get(link, 403)
    ann.get(link)
    ann.post("/sign-out")
    assert ann.http.get(f"{link}/pairs/1").url.path == "/sign-in"


def test_how_far_it_is_is_told_and_a_rater_waits(
    live: LiveSite, researcher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_back(monkeypatch) as event:
        study = asked_for(researcher)
        (link,) = study.invite(1)
        until(lambda: "0 of 6 replies" in researcher.get(study.path), "the replies begin")
        rater = live.person()
        assert "not ready yet" in words_of(begin(rater, link))
        event.set()
        until(lambda: not live.site.pair_writer.under_way(study.id), "the pairs are written")
    vote_all(rater, link, dict.fromkeys(PROMPTS.split("\n"), "A"))
    assert len(lines_of(researcher, study, "votes.jsonl")) == 2


def test_what_was_cut_short_is_not_half_there_and_begins_again(
    live: LiveSite, researcher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def closing(*_: Any, **__: Any) -> str:
        raise PageRefusal(503, "closing")

    monkeypatch.setattr(writing, "say", closing)
    study = written(live, researcher)
    monkeypatch.undo()
    assert packs_in(live, study) == 0
    page = researcher.get(study.path)
    assert "cut short" in words_of(page)
    researcher.post(f"{study.path}/write")
    until(lambda: not live.site.pair_writer.under_way(study.id), "the pairs are written")
    assert packs_in(live, study) == 1
    researcher.get(study.path)
    researcher.post(f"{study.path}/write")  # nothing is written over what is there
    until(lambda: not live.site.pair_writer.under_way(study.id), "nothing is under way")
    assert packs_in(live, study) == 1


def test_what_fails_says_why(
    live: LiveSite, researcher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_long(*_: Any, **__: Any) -> str:
        raise Refusal(400, "The messages have 900 tokens; this model reads 512.")

    monkeypatch.setattr(writing, "say", too_long)
    page = words_of(researcher.get(written(live, researcher).path))
    assert "this model reads 512" in page and "Write the pairs" in page

    async def bug(*_: Any, **__: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(writing, "say", bug)
    page = words_of(researcher.get(written(live, researcher).path))
    assert "our mistake" in page and "ZeroDivision" not in page


def test_nothing_is_kept_for_a_study_or_an_account_that_is_gone(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = live.member("researcher")
    aligned(live, person, seed=8)
    with held_back(monkeypatch) as event:
        gone, left = asked_for(person), asked_for(person)
        person.get(gone.path)
        person.post(f"{gone.path}/delete", sure="yes")
        for forget in live.site.forget:
            forget(live.account_of(person).id)
        event.set()
        for study in (gone, left):
            until(lambda s=study: not live.site.pair_writer.under_way(s.id), "it has ended")
    assert packs_in(live, gone) == packs_in(live, left) == 0
    with live.site.database.reading() as session:
        assert session.get(Study, gone.id) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": " "}, "no title"),
        ({"title": "x" * 201}, "201 characters"),
        ({"prompts": ""}, "no prompts"),
        ({"prompts": "x\n" * 61}, "61 prompts"),
        ({"prompts": "x" * 2001}, "2001 characters"),
        ({"tokens": "many"}, "many tokens"),
        ({"tokens": "9999"}, "9999 tokens"),
        ({"tokens": "²"}, "tokens"),
        ({"contrast": "aligned"}, "not understood"),
        ({"contrast": []}, "Nothing is compared"),
        ({"contrast": "aligned:evil"}, "evil"),
        ({"source": "everybody"}, "everybody"),
        ({"model": "gpt"}, "gpt is not served"),
        ({"source": "mine"}, "no persona"),
    ],
)
def test_what_is_not_possible_gets_a_sentence_and_the_form_back(
    live: LiveSite, fields: dict[str, Any], said: str
) -> None:
    person = live.member("researcher")
    given = {
        "title": "T",
        "prompts": PROMPTS,
        "source": "simulated",
        "tokens": "8",
        "contrast": "aligned:original",
    }
    page = send(person, "written", {}, 400, **(given | fields))
    assert said in words_of(page)
    assert "What is tea?" in page or "prompts" in fields


def _invitation(live: LiveSite, person: Person) -> str:
    with live.site.database.reading() as session:
        found = session.scalars(
            select(Invitation.id).where(Invitation.account_id == live.account_of(person).id)
        ).one()
    return found
