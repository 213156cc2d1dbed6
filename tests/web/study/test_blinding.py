"""Nothing a rater gets tells the condition behind an answer."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import numpy as np
import pytest
from sqlalchemy import event, select, update

from personalign.evaluation.blind import BlindPair, Key, key_text, pack_text
from personalign.web.database.base import seal
from personalign.web.study.rating import in_order
from personalign.web.study.tables import Invitation, Pack
from tests.web.conftest import LiveSite
from tests.web.study.conftest import (
    CONTRASTS,
    Held,
    begin,
    hand_in,
    pair_on,
    some_pairs,
    vote_all,
)
from tests.web.visiting import Person

SAYS_WHEN = ("date",)
"""Headers that differ from one second to the next."""


def every_page(person: Person, link: str, pairs: int) -> list[httpx.Response]:
    """All a rater can get once they have begun."""
    paths = [link, f"{link}/end", *(f"{link}/pairs/{n}" for n in range(pairs + 2))]
    return [person.http.get(path) for path in paths]


def put(live: LiveSite, study: Held, pairs: list[BlindPair], key: Key) -> None:
    """Put other pairs and another key into a study's pack."""
    with live.site.database.writing() as session:
        row = session.scalars(select(Pack).where(Pack.study_id == study.id)).one()
        seal(live.site.vault, row, "pairs", pack_text(pairs))
        seal(live.site.vault, row, "key", key_text(key))


def headers_of(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers.items() if name not in SAYS_WHEN]


def test_turning_every_pair_round_moves_the_two_texts_and_not_a_byte_else(live: LiveSite) -> None:
    pairs, key = some_pairs(contrasts=CONTRASTS)
    study = hand_in(live, pairs, key)
    (link,) = study.invite(1)
    rater = live.person()
    begin(rater, link)
    rater.post(f"{link}/pairs/2", vote="A")
    before = every_page(rater, link, len(pairs))
    turned = [replace(pair, A=pair.B, B=pair.A) for pair in pairs]
    entries = tuple(replace(entry, A=entry.B, B=entry.A) for entry in key.entries)
    put(live, study, turned, replace(key, entries=entries))
    after = every_page(rater, link, len(pairs))
    shown = 0
    for one, two in zip(before, after, strict=True):
        assert (one.status_code, headers_of(one)) == (two.status_code, headers_of(two))
        text = one.text
        if 'id="answer-a"' in text:
            _, a, b = pair_on(text)
            shown += 1
            text = text.replace(f"<p>{a}</p>", "<p>\0</p>").replace(f"<p>{b}</p>", f"<p>{a}</p>")
            text = text.replace("<p>\0</p>", f"<p>{b}</p>")
        assert text == two.text
    assert shown == len(pairs) + 1  # the link itself leads to one of them


def test_another_key_of_the_same_texts_changes_nothing_at_all(live: LiveSite) -> None:
    """The conditions exchanged behind texts that stay: every byte stays, too."""
    pairs, key = some_pairs(seed=6)
    study = hand_in(live, pairs, key)
    (link,) = study.invite(1)
    rater = live.person()
    begin(rater, link)
    before = every_page(rater, link, len(pairs))
    entries = tuple(replace(entry, A=entry.B, B=entry.A) for entry in key.entries)
    put(live, study, pairs, replace(key, entries=entries, seed=99, about={"method": "other"}))
    after = every_page(rater, link, len(pairs))
    for one, two in zip(before, after, strict=True):
        assert one.content == two.content and headers_of(one) == headers_of(two)


def test_no_page_of_a_rater_reads_the_key(live: LiveSite) -> None:
    """With a key nobody can open every page works, and no statement asks for its column."""
    study = hand_in(live, *some_pairs(seed=7))
    (link,) = study.invite(1)
    with live.site.database.writing() as session:
        session.execute(update(Pack).where(Pack.study_id == study.id).values(key=b"unreadable"))
    asked: list[str] = []

    def listen(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    engine = live.site.database.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        rater = live.person()
        page = vote_all(rater, link, {pair.prompt: "A" for pair in study.pairs})
        assert "voted on every pair" in page
        rater.post(f"{link}/end")
        assert all(one.status_code in (200, 404) for one in every_page(rater, link, 6))
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    packs = [statement for statement in asked if "FROM pack" in statement]
    assert packs and not any("pack.key" in statement or "*" in statement for statement in packs)


def test_nothing_is_written_by_a_model_while_somebody_rates(live: LiveSite, study: Held) -> None:
    before = live.site.service.engine.stats().tokens_read
    rater = live.person()
    begin(rater, study.links[0])
    rater.post(f"{study.links[0]}/pairs/1", vote="neither")
    assert live.site.service.engine.stats().tokens_read == before


def test_raters_see_neither_title_nor_condition_nor_researcher(live: LiveSite, study: Held) -> None:
    rater = live.person()
    handle = live.account_of(study.researcher).handle
    texts = [rater.get(study.links[1]), begin(rater, study.links[1])]
    texts += [answer.text for answer in every_page(rater, study.links[1], 6)]
    for text in texts:
        for word in ("ligned", "original", handle, study.id, "somebody-0"):
            assert word not in text


def test_pages_are_not_kept_and_have_no_marks_of_their_content(live: LiveSite, study: Held) -> None:
    rater = live.person()
    begin(rater, study.links[2])
    for answer in every_page(rater, study.links[2], 6):
        assert "etag" not in answer.headers and "last-modified" not in answer.headers
        assert answer.headers.get("cache-control", "no-store") == "no-store"


def test_raters_get_orders_of_their_own(live: LiveSite) -> None:
    study = hand_in(live, *some_pairs(prompts=8, seed=8))
    orders = set()
    for link in study.invite(3):
        rater = live.person()
        begin(rater, link)
        pages = [rater.get(f"{link}/pairs/{place}") for place in range(1, 9)]
        order = tuple(pair_on(page)[0] for page in pages)
        assert set(order) == {pair.prompt for pair in study.pairs}
        orders.add(order)
    assert len(orders) == 3


def test_the_order_is_of_ids_alone_and_even() -> None:
    """It cannot follow the key: it is the same whatever the texts are; and every pair is as often
    in every place, over many invitations."""
    pairs, _ = some_pairs(prompts=4, seed=9)
    others = [replace(pair, prompt="", A="", B="") for pair in pairs]
    counts = np.zeros((4, 4))
    names = [pair.pair for pair in pairs]
    for number in range(4000):
        order = [pair.pair for pair in in_order(pairs, f"invitation {number}")]
        assert order == [pair.pair for pair in in_order(others, f"invitation {number}")]
        assert order == [pair.pair for pair in in_order(pairs[::-1], f"invitation {number}")]
        for place, name in enumerate(order):
            counts[names.index(name), place] += 1
    assert abs(counts - 1000).max() < 150  # five standard deviations


def test_neither_link_nor_id_is_made_from_anything(live: LiveSite, study: Held) -> None:
    """Tokens are drawn by chance, are not kept, and say nothing of number or study."""
    tokens = [link.rpartition("/")[2] for link in study.links]
    assert len(set(tokens)) == len(tokens) and all(len(token) >= 32 for token in tokens)
    with live.site.database.reading() as session:
        rows = session.scalars(select(Invitation).where(Invitation.study_id == study.id)).all()
    for row in rows:
        kept = json.dumps({name: repr(value) for name, value in vars(row).items()})
        assert not any(token in kept for token in tokens)


@pytest.mark.parametrize("many", [2, 3])
def test_raters_are_dealt_to_people_in_turn(live: LiveSite, many: int) -> None:
    pairs, key = some_pairs(people=many, prompts=2, seed=10 + many)
    study = hand_in(live, pairs, key)
    whose = {entry.pair: entry.person for entry in key.entries}
    texts = {(pair.A, pair.B): whose[pair.pair] for pair in pairs}
    seen = []
    for link in study.invite(2 * many):
        rater = live.person()
        begin(rater, link)
        shown = [pair_on(rater.get(f"{link}/pairs/{place}"))[1:] for place in (1, 2)]
        (person,) = {texts[one] for one in shown}
        seen.append(person)
    assert seen == sorted(set(whose.values())) * 2
