"""The report counts what the log tells, whenever it is made, and reads the same as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from personalign.errors import SiteError
from personalign.web.accounts.sessions import Member, member_of
from personalign.web.accounts.tables import Account
from personalign.web.audit import log
from personalign.web.audit.log import append
from personalign.web.audit.report import AuditReport, audit_report
from personalign.web.database.base import new_id
from personalign.web.reports.filing import Reported, hand_over, take_back
from personalign.web.reports.moderating import close, reopen, take
from tests.web.conftest import LiveSite
from tests.web.visiting import Person, words_of

WHAT = Reported("Hello?", "Go away.", "mine", "loud", 2.0)


class Clock:
    """What the log believes the time is."""

    def __init__(self) -> None:
        self.at = datetime(2021, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(log, "now", clock)
    return clock


def member(live: LiveSite, person: Person) -> Member:
    found = member_of(live.site, person.cookie or "")
    assert found is not None
    return found


def made(live: LiveSite, who: Member, category: str) -> str:
    number = new_id()
    hand_over(live.site, who, WHAT, category=category, comment="", report_id=number)
    return number


def report_of(live: LiveSite, first: datetime, months: int = 1) -> AuditReport:
    return audit_report(live.site, first, first + timedelta(days=31 * months))


def test_reports_by_category_and_outcome_and_the_time_to_close(
    live: LiveSite, clock: Clock
) -> None:
    first = datetime(2021, 3, 1, tzinfo=UTC)
    ann, moderator = member(live, live.member()), member(live, live.member("moderator"))
    clock.at = first - timedelta(hours=10)
    before = made(live, ann, "false")
    clock.at = first + timedelta(hours=1)
    harmful = [made(live, ann, "harmful") for _ in range(5)]
    gone = member(live, live.member())
    made(live, gone, "echo")
    clock.at = first + timedelta(hours=3)
    assert close(live.site, moderator, harmful[0], "no_action", "")
    assert close(live.site, moderator, harmful[1], "escalated", "")
    assert close(live.site, moderator, before, "no_action", "")
    assert reopen(live.site, moderator, harmful[1])
    assert take(live.site, moderator, harmful[2])
    assert take_back(live.site, ann, harmful[3])
    with live.site.database.writing() as session:
        session.delete(session.get_one(Account, gone.id))
    found = report_of(live, first).moderation
    reached = {end: count for end, count in found.made["harmful"].items() if count}
    assert reached == {"no_action": 1, "open": 2, "in_review": 1, "withdrawn": 1}
    assert found.made["echo"]["deleted"] == 1 and sum(found.made["false"].values()) == 0
    assert (found.closed, found.median_hours, found.longest_hours) == (2, 7.5, 13.0)
    clock.at = first + timedelta(days=40)
    assert close(live.site, moderator, harmful[4], "model_changed", "")
    assert report_of(live, first).moderation == found, "what came later changes nothing"
    later = report_of(live, first, months=2).moderation
    assert later.made["harmful"]["model_changed"] == 1 and later.closed == 3


def test_what_happened_is_counted_by_month_and_deletions_take_nothing_away(
    live: LiveSite, clock: Clock
) -> None:
    for month, times in ((5, 2), (6, 3)):
        clock.at = datetime(2022, month, 30, 23, 59, 59, 999_999, tzinfo=UTC)
        with live.site.database.writing() as session:
            for _ in range(times):
                append(session, live.site.vault, "thing.done")
    clock.at = datetime(2022, 7, 1, tzinfo=UTC)
    passing = live.account_of(live.member())
    with live.site.database.writing() as session:
        session.delete(session.get_one(Account, passing.id))
    found = audit_report(
        live.site, datetime(2022, 5, 1, tzinfo=UTC), datetime(2022, 8, 1, tzinfo=UTC)
    )
    assert [(month.name, month.actions) for month in found.months] == [
        ("2022-05", {"thing.done": 2}),
        ("2022-06", {"thing.done": 3}),
        ("2022-07", {"account.created": 1}),
    ]
    assert found.total("thing.done") == 5 and found.log.problem is None
    with live.site.database.reading() as session:
        assert found.accounts == len(session.scalars(select(Account.id)).all())


def test_the_page_and_the_json_tell_the_same(live: LiveSite, clock: Clock) -> None:
    clock.at = datetime(2023, 2, 3, tzinfo=UTC)
    made(live, member(live, live.member()), "private")
    admin = live.member("admin")
    page = words_of(admin.get("/admin/audit-report?from=2023-02&to=2023-03"))
    assert "Audit report, 2023-02 to 2023-03" in page and "report.made 1 0 1" in page
    assert "gives away something private 1 0 0 0 0 0 0 0" in page
    assert "Nothing was scored in this time" in page and "The log is whole" in page
    told = json.loads(admin.get("/admin/audit-report.json?from=2023-02&to=2023-03"))
    assert told["months"][0]["actions"]["report.made"] == 1
    assert told["moderation"]["made"]["private"]["open"] == 1
    assert told["since"] == "2023-02-01T00:00:00+00:00" and told["until"].startswith("2023-04-01")
    assert told["log"]["problem"] is None and told["scores"] == []


@pytest.mark.parametrize(
    "months", ["from=2023-13&to=2023-12", "from=2024-01&to=2023-12", "from=2000-01&to=2023-01",
               "from=%D9%A2023-01", "from=x"],
)  # fmt: skip
def test_months_that_make_no_report_are_told(live: LiveSite, months: str) -> None:
    assert "first one first" in words_of(
        live.member("admin").get(f"/admin/audit-report?{months}", 400)
    )


def test_a_span_that_is_none_is_refused(live: LiveSite) -> None:
    day = datetime(2023, 1, 1, tzinfo=UTC)
    with pytest.raises(SiteError, match="swap them"):
        audit_report(live.site, day, day)
    with pytest.raises(SiteError, match="several"):
        audit_report(live.site, day, day + timedelta(days=4000))
