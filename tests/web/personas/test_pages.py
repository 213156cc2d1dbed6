"""Aligning without JavaScript: the button, the page that looks again, the way to the chat."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from personalign.web.database.base import new_id, now
from personalign.web.personas.tables import Alignment, StoredPersona
from tests.web.conftest import LiveSite
from tests.web.personas.sittings import aligned, filled_in, made_with, somebody
from tests.web.visiting import words_of


@pytest.fixture(scope="module", autouse=True)
def quick(live: LiveSite) -> Iterator[None]:
    """Personas that cost little, where it does not matter which they are."""
    with made_with(live.site, "iti"):
        yield


def test_the_way_from_answers_to_the_chat(live: LiveSite) -> None:
    who, held = live.member(), threading.Event()
    sitting = filled_in(live, who, somebody())
    live.site.aligner.soon(lambda: held.wait(60), rank=-1)
    who.get(f"/align/{sitting}")
    page = who.post(f"/align/{sitting}")
    assert "Waiting for its turn" in page and 'http-equiv="refresh"' in page
    assert "Waiting for its turn" in who.get(f"/align/{sitting}/progress")
    held.set()
    number = page.count('id="progress"')
    assert number == 1
    account = live.account_of(who).id
    under_way = [n for n, owner in live.site.aligner._owners.items() if owner == account]
    for one in under_way:
        live.site.aligner.await_done(one)
    page = who.get(f"/align/{sitting}")
    assert "Your assistant is ready" in page and 'http-equiv="refresh"' not in page
    assert "Shifted towards your answers" in words_of(who.get("/chat"))
    assert "current" in words_of(who.get("/personas"))


def test_an_assistant_outlives_its_questionnaire_and_is_deleted_by_itself(live: LiveSite) -> None:
    who = live.member()
    number = aligned(live, who)
    with live.site.database.reading() as session:
        made = session.get_one(Alignment, number)
    with live.site.database.writing() as session:  # of the same answers, one that made nothing
        session.add(
            Alignment(
                id=new_id(),
                account_id=made.account_id,
                sitting_id=made.sitting_id,
                model=made.model,
                method=made.method,
                status="failed",
                created_at=now(),
            )
        )
    who.get(f"/questionnaire/{made.sitting_id}/delete")
    who.post(f"/questionnaire/{made.sitting_id}/delete")
    with live.site.database.reading() as session:
        left = session.scalars(select(Alignment).where(Alignment.account_id == made.account_id))
        assert [(row.id, row.sitting_id) for row in left] == [(number, None)]
    assert 'id="say"' in who.get(f"/chat?pair={number}")
    assert "Delete both" in who.get("/personas")
    who.post(f"/personas/{made.persona_id}/delete")
    assert "Nothing has been made" in words_of(who.get("/personas"))
    with live.site.database.reading() as session:
        own = StoredPersona.account_id == made.account_id
        assert session.scalars(select(StoredPersona).where(own)).all() == []


def test_an_unfinished_questionnaire_is_not_aligned(live: LiveSite) -> None:
    who = live.member()
    sitting = filled_in(live, who, somebody(), finished=False)
    who.get(f"/align/{sitting}", 409)
    who.get("/personas")
    who.post(f"/align/{sitting}", 409)
    who.get("/align/nothing", 404)
