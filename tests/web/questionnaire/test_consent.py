"""Without consent there is no questionnaire; it can be taken back; a new text asks again."""

from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import select

from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.questionnaire import consent
from personalign.web.questionnaire.tables import Consent, Sitting
from personalign.web.texts import LANGUAGES, load_texts
from tests.web.conftest import LiveSite
from tests.web.questionnaire.filling import begin, consenting, finished, place
from tests.web.visiting import Person, words_of

DIGESTS = {"1": "6e10fec77f028277", "2": "1396c18e45f1758f"}
"""Version -> digest of its text. Where a test fails here, the text says something else: give it a
new version in consent.py and a line here, so that everybody is asked again."""


def actions(live: LiveSite, person: Person) -> list[str]:
    name = live.account_of(person).audit_name
    with live.site.database.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.actor == name).order_by(AuditEntry.number)
        ).all()
    return [entry.action for entry in entries]


def test_a_version_is_one_text() -> None:
    texts = [load_texts().section(code, "consent") for code in LANGUAGES]
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]
    assert DIGESTS[consent.VERSION] == digest


def test_the_text_tells_what_there_is_to_tell(live: LiveSite) -> None:
    person = live.member()
    page = words_of(person.get("/consent"))
    retention = live.site.settings.retention
    for said in (
        "What is stored", "Why", f"{retention.unfinished} days", f"{retention.accounts} days",
        "How to delete it", "useless", "Who runs this site", "withdraw",
    ):  # fmt: skip
        assert said in page


def test_nothing_is_reached_without_it(live: LiveSite) -> None:
    other, person = consenting(live), live.member()
    sitting = finished(other)
    rooms = ("questionnaire", "profile", "align")
    for path in ("/questionnaire", *(f"/{room}/{sitting}" for room in rooms)):
        person.get(path)
        assert place(person)[0] == f"/consent?next={path}"
    person.get("/consent")
    for path in ("/questionnaire", f"/questionnaire/{sitting}?page=1", f"/align/{sitting}"):
        person.post(path, 403, form="120")
    assert "consent.given" not in actions(live, person)
    person.get("/questionnaire")
    person.post("/consent", next="/questionnaire")
    assert place(person)[0].startswith("/questionnaire")


def test_agreeing_twice_is_agreeing_once_and_is_written_down(live: LiveSite) -> None:
    person = consenting(live)
    person.post("/consent")
    account = live.account_of(person)
    with live.site.database.reading() as session:
        rows = session.scalars(select(Consent).where(Consent.account_id == account.id)).all()
        entry = session.scalars(
            select(AuditEntry).where(
                AuditEntry.actor == account.audit_name, AuditEntry.action == "consent.given"
            )
        ).one()
    assert [row.version for row in rows] == [consent.VERSION]
    assert details_of(entry) == {"version": consent.VERSION, "language": "en"}


def test_it_can_be_taken_back_and_given_again(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    person.get("/consent")
    assert "withdrawn" in words_of(person.post("/consent/withdraw"))
    person.get(f"/questionnaire/{sitting}")
    assert place(person)[0].startswith("/consent")
    person.post(f"/questionnaire/{sitting}?page=1", 403, go="next")
    with live.site.database.reading() as session:
        assert session.get(Sitting, sitting) is not None, "withdrawing deletes nothing"
    person.post("/consent/withdraw")
    person.post("/consent")
    person.get(f"/questionnaire/{sitting}")
    assert place(person)[1] == sitting
    told = [action for action in actions(live, person) if action.startswith("consent")]
    assert told == ["consent.given", "consent.withdrawn", "consent.given"]


def test_a_new_version_asks_again(live: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    person = consenting(live)
    monkeypatch.setattr(consent, "VERSION", "another")
    person.get("/questionnaire")
    assert place(person)[0].startswith("/consent")
    person.post("/consent")
    person.get("/questionnaire")
    assert place(person)[0] == "/questionnaire"


def test_nobody_signs_for_somebody_who_is_not_there(live: LiveSite) -> None:
    stranger = live.person()
    stranger.get("/consent")
    assert place(stranger)[0].startswith("/sign-in")
    stranger.post("/consent", 401)
