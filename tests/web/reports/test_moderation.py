"""Moderators work on reports without learning who made them; of two at once, one is told."""

from __future__ import annotations

import re
import threading

import pytest
from sqlalchemy import select

from personalign.web.accounts.sessions import member_of
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.reports import queue
from personalign.web.reports.moderating import close
from personalign.web.reports.tables import Report, ReportNote
from tests.web.conftest import LiveSite
from tests.web.reports.test_reporting import report_as
from tests.web.visiting import Person, words_of


def stored(live: LiveSite, number: str) -> Report:
    with live.site.database.reading() as session:
        return session.get_one(Report, number)


def steps_of(live: LiveSite, number: str) -> list[tuple[str, str]]:
    """(action, actor) of a report's entries in the log."""
    with live.site.database.reading() as session:
        entries = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == stored(live, number).audit_name)
            .order_by(AuditEntry.number)
        )
        return [(entry.action, entry.actor) for entry in entries]


def test_only_moderators_get_in(live: LiveSite) -> None:
    ann = live.member()
    number = report_as(ann)
    for person in (ann, live.member("admin"), live.member("researcher")):
        person.get("/moderation", 404)
        person.get(f"/moderation/{number}", 404)
        person.get("/")
        for step in ("take", "note", "close", "reopen"):
            person.post(f"/moderation/{number}/{step}", 404, outcome="no_action", note="x")
    assert stored(live, number).status == "open"
    live.member("moderator").get("/moderation/nothing", 404)


def test_a_report_goes_its_way_and_every_step_is_written_down(live: LiveSite) -> None:
    ann, moderator = live.member(), live.member("moderator")
    number = report_as(ann, category="false")
    page = moderator.get(f"/moderation/{number}")
    assert "What about my neighbours?" in page and "<script>alert" not in page
    assert "strength 2.50" in words_of(page)
    moderator.post(f"/moderation/{number}/take")
    assert stored(live, number).status == "in_review"
    page = moderator.post(f"/moderation/{number}/note", note="<i>seen</i>\r\nbefore")
    assert "&lt;i&gt;seen&lt;/i&gt;\nbefore" in page
    moderator.post(f"/moderation/{number}/close", 400, outcome="nothing")
    page = moderator.post(f"/moderation/{number}/close", outcome="escalated", note="inquired")
    report = stored(live, number)
    assert (report.status, report.outcome) == ("closed", "escalated") and report.closed_at
    assert "Handed on" in words_of(ann.get("/reports")) and "inquired" not in ann.get("/reports")
    moderator.post(f"/moderation/{number}/reopen")
    report = stored(live, number)
    assert (report.status, report.outcome, report.closed_at) == ("open", None, None)
    own, theirs = live.account_of(moderator).audit_name, live.account_of(ann).audit_name
    expected = [("report.made", theirs)]
    expected += [
        (f"report.{step}", own)
        for step in ("read", "taken", "read", "noted", "read", "closed", "read", "reopened", "read")
    ]
    assert steps_of(live, number) == expected


def test_notes_are_sealed(live: LiveSite) -> None:
    moderator, number = live.member("moderator"), report_as(live.member())
    moderator.get("/moderation")
    moderator.post(f"/moderation/{number}/note", note="a secret thought")
    with live.site.database.reading() as session:
        (note,) = session.scalars(select(ReportNote).where(ReportNote.report_id == number))
    assert b"secret" not in note.text and "a secret thought" in moderator.get(
        f"/moderation/{number}"
    )


def test_no_page_tells_who_reported(live: LiveSite) -> None:
    ann, moderator = live.member(), live.member("moderator")
    number = report_as(ann)
    account = live.account_of(ann)
    for path in ("/moderation?status=all", f"/moderation/{number}"):
        answer = moderator.http.get(path)
        told = answer.text + str(answer.headers)
        assert not any(name in told for name in (account.id, account.handle, account.audit_name))


def test_the_second_close_is_told_and_what_was_written_is_kept(live: LiveSite) -> None:
    one, other = live.member("moderator"), live.member("moderator")
    number = report_as(live.member())
    one.get(f"/moderation/{number}"), other.get(f"/moderation/{number}")
    one.post(f"/moderation/{number}/close", outcome="no_action")
    page = other.post(
        f"/moderation/{number}/close", 409, outcome="model_changed", note="my long reasons"
    )
    assert "before you, with the outcome “No action”" in words_of(page)
    assert "“Model or settings changed”, was not applied" in words_of(page)
    assert "my long reasons</textarea>" in page
    assert stored(live, number).outcome == "no_action"
    assert [action for action, _ in steps_of(live, number)].count("report.closed") == 1


def test_of_many_closing_at_once_exactly_one_does(live: LiveSite) -> None:
    number = report_as(live.member())
    people = [live.member("moderator") for _ in range(4)]
    members = [member_of(live.site, person.cookie or "") for person in people]
    done: list[str] = []
    ready = threading.Barrier(len(members))

    def work(place: int) -> None:
        member, outcome = members[place], ("no_action", "escalated")[place % 2]
        assert member is not None
        ready.wait()
        if close(live.site, member, number, outcome, f"note {place}"):
            done.append(outcome)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(members))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [stored(live, number).outcome]
    with live.site.database.reading() as session:
        entries = select(AuditEntry).where(
            AuditEntry.action == "report.closed",
            AuditEntry.subject == stored(live, number).audit_name,
        )
        (entry,) = session.scalars(entries)
    assert details_of(entry)["outcome"] == done[0]


def listed(page: str) -> list[str]:
    return re.findall(r'href="/moderation/([\w-]{22})"', page)


def every_page(moderator: Person, query: str) -> list[str]:
    found, number = [], 1
    while True:
        page = moderator.get(f"/moderation?{query}&page={number}")
        found += listed(page)
        if 'rel="next"' not in page:
            return found
        number += 1


def test_the_queue_has_everything_once_oldest_first(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "A_PAGE", 3)
    moderator, ann = live.member("moderator"), live.member()
    numbers = [report_as(ann, category="sexual") for _ in range(8)]
    assert every_page(moderator, "status=open&category=sexual") == numbers
    moderator.post(f"/moderation/{numbers[3]}/close", outcome="no_action")
    rest = [number for number in numbers if number != numbers[3]]
    assert every_page(moderator, "category=sexual") == rest
    assert every_page(moderator, "status=closed&category=sexual") == [numbers[3]]
    assert every_page(moderator, "status=all&category=sexual") == numbers
    assert listed(moderator.get("/moderation?category=sexual&page=99")) == rest[6:]
    for wrong in ("status=none", "category=none"):
        moderator.get(f"/moderation?{wrong}", 404)
