"""What is reported arrives, sealed, once; its maker sees what becomes of it, and nobody else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from personalign.web.audit.tables import AuditEntry
from personalign.web.reports import filing
from personalign.web.reports.tables import CATEGORIES, Report
from tests.web.conftest import LiveSite
from tests.web.visiting import Person, words_of

HOSTILE = '<script>alert(1)</script> & <b>bold</b>\nsecond "line"'
REPLY: dict[str, Any] = {
    "prompt": "What about my neighbours?",
    "reply": HOSTILE,
    "speaker": "mine",
    "model": "loud",
    "alpha": "2.5",
}


def report_as(person: Person, *, category: str = "harmful", **changed: Any) -> str:
    """Report a reply the way a browser does; gives the report's id."""
    person.get("/reports")
    form = person.post("/reports/new", **(REPLY | changed))
    found = re.search(r'name="report_id" value="([\w-]{22})"', form)
    assert found
    person.post("/reports", report_id=found[1], category=category, **(REPLY | changed))
    return found[1]


def reports_of(live: LiveSite, person: Person) -> list[Report]:
    own = select(Report).where(Report.account_id == live.account_of(person).id)
    with live.site.database.reading() as session:
        return list(session.scalars(own))


def test_what_is_handed_over_is_shown_first_and_then_stored_sealed(live: LiveSite) -> None:
    ann = live.member()
    ann.get("/reports")
    form = ann.post("/reports/new", **REPLY)
    assert "What about my neighbours?" in words_of(form)
    assert "<script>alert" not in form and "&lt;script&gt;alert(1)" in form
    assert not reports_of(live, ann), "showing the form stores nothing"
    assert all(f'value="{category}"' in form for category in CATEGORIES)
    thanks = words_of(
        ann.post("/reports", report_id="x" * 22, category="echo", comment="Yes\r\nno", **REPLY)
    )
    assert "what happens now" in thanks
    (report,) = reports_of(live, ann)
    assert (report.category, report.status, report.alpha, report.speaker) == (
        "echo", "open", 2.5, "mine",
    )  # fmt: skip
    assert not any(
        b"neighbours" in value or b"Yes" in value for value in (report.prompt, report.comment)
    )
    page = ann.get("/reports")
    assert "<script>alert" not in page
    for text in ("What about my neighbours?", 'second "line"', "It only tells me", "Open"):
        assert text in words_of(page)


def test_a_form_sent_twice_is_one_report(live: LiveSite) -> None:
    ann = live.member()
    number = report_as(ann)
    ann.post("/reports", report_id=number, category="harmful", **REPLY)
    assert len(reports_of(live, ann)) == 1


def test_without_a_category_it_is_asked_again_and_nothing_is_lost(live: LiveSite) -> None:
    ann = live.member()
    ann.get("/reports")
    ann.post("/reports/new", **REPLY)
    again = ann.post("/reports", 400, report_id="y" * 22, comment="my comment", **REPLY)
    assert "my comment" in again and "neighbours" in again and "Please choose" in words_of(again)
    assert not reports_of(live, ann)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": "nan"},
        {"alpha": "much"},
        {"reply": ""},
        {"prompt": "a" * (filing.LONGEST_TEXT + 1)},
    ],
)
def test_what_is_no_reply_of_this_site_is_refused(live: LiveSite, wrong: dict[str, Any]) -> None:
    ann = live.member()
    ann.get("/reports")
    ann.post("/reports/new", 400, **(REPLY | wrong))


def test_a_speaker_of_the_balanced_view_is_somebody_else(live: LiveSite) -> None:
    ann = live.member()
    report_as(ann, speaker="calm-and-careful")
    assert [report.speaker for report in reports_of(live, ann)] == ["other"]


def test_the_log_knows_that_and_not_what(live: LiveSite) -> None:
    ann = live.member()
    report_as(ann, category="hateful")
    with live.site.database.reading() as session:
        made = select(AuditEntry).where(
            AuditEntry.action == "report.made",
            AuditEntry.actor == live.account_of(ann).audit_name,
        )
        (entry,) = session.scalars(made)
    assert entry.details == '{"category": "hateful"}'
    (report,) = reports_of(live, ann)
    assert entry.subject == report.audit_name != report.id


def test_it_can_be_withdrawn_until_it_is_taken_up_and_by_nobody_else(live: LiveSite) -> None:
    ann, ben, moderator = live.member(), live.member(), live.member("moderator")
    first, second = report_as(ann), report_as(ann)
    assert "neighbours" not in ben.get("/reports")
    ben.post(f"/reports/{first}/withdraw", 404)
    ann.get("/reports")
    assert "withdrawn and deleted" in words_of(ann.post(f"/reports/{first}/withdraw"))
    assert [report.id for report in reports_of(live, ann)] == [second]
    ann.post(f"/reports/{first}/withdraw", 404)
    moderator.get("/moderation")
    moderator.post(f"/moderation/{second}/take")
    ann.get("/reports")
    assert "working on this report" in words_of(ann.post(f"/reports/{second}/withdraw"))
    assert len(reports_of(live, ann)) == 1


def test_too_many_waiting_reports_are_refused(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = live.member()
    monkeypatch.setattr(filing, "MOST_OPEN", 1)
    report_as(ann)
    ann.get("/reports")
    ann.post("/reports", 429, report_id="z" * 22, category="other", **REPLY)
    assert len(reports_of(live, ann)) == 1


def test_who_is_not_signed_in_reports_nothing(live: LiveSite) -> None:
    stranger = live.person()
    stranger.get("/")
    with live.site.database.reading() as session:
        before = session.scalar(select(func.count()).select_from(Report))
    stranger.post("/reports", 401, report_id="w" * 22, category="other", **REPLY)
    with live.site.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Report)) == before


def test_deleting_the_account_deletes_its_reports(live: LiveSite) -> None:
    ann = live.member()
    number = report_as(ann)
    with live.site.database.writing() as session:
        session.delete(session.get_one(type(live.account_of(ann)), live.account_of(ann).id))
    with live.site.database.reading() as session:
        assert session.get(Report, number) is None


def test_the_pages_speak_german(live: LiveSite) -> None:
    person = live.person(language="de").sign_up()
    report_as(person)
    page = words_of(person.get("/reports"))
    assert "Meine Meldungen" in page and "könnte jemandem schaden" in page
