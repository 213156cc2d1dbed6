"""What is past its days goes, and nothing else; who is at it is alone; it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text

from personalign.web.accounts.tables import Account, BrowserSession, Share
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.chat.tables import Conversation, Turn
from personalign.web.database.base import now
from personalign.web.privacy import retention
from personalign.web.privacy.retention import Enforced, Keeper, enforce
from personalign.web.questionnaire.tables import Answer, Sitting
from personalign.web.reports.tables import Report
from tests.server.live import until
from tests.web.conftest import LiveSite
from tests.web.people import use_everything


def later(days: float) -> datetime:
    return now() + timedelta(days=days)


def has(live: LiveSite, table: type, account_id: str) -> int:
    with live.site.database.reading() as session:
        return len(session.scalars(select(table).where(table.account_id == account_id)).all())  # type: ignore[attr-defined]


@pytest.fixture
def used(live: LiveSite) -> Iterator[tuple[str, str]]:
    """Two accounts of this test, alone on the site; their ids."""
    enforce(live.site, later(10_000))
    ann, ben = live.account_of(live.member()).id, live.account_of(live.member()).id
    use_everything(live.site, ann, ben)
    yield ann, ben


def test_each_thing_goes_after_its_own_days(live: LiveSite, used: tuple[str, str]) -> None:
    ann, ben = used
    keeps = live.site.settings.retention
    with live.site.database.writing() as session:
        for report in session.scalars(select(Report).where(Report.account_id == ann)):
            report.closed_at = now()
        for account in session.scalars(select(Account)):
            account.seen_at = later(500)
        for one in session.scalars(select(BrowserSession)):
            one.expires_at = later(600)
    assert enforce(live.site, later(6.9)) == Enforced()
    assert enforce(live.site, later(7.1)) == Enforced(links=1)
    assert enforce(live.site, later(keeps.unfinished - 0.1)) == Enforced()
    assert has(live, Sitting, ann) == 1
    assert enforce(live.site, later(keeps.unfinished + 0.1)) == Enforced(unfinished=1)
    assert has(live, Sitting, ann) == 0 and has(live, Conversation, ann) == 1
    assert enforce(live.site, later(keeps.conversations + 0.1)) == Enforced(conversations=1)
    assert enforce(live.site, later(keeps.reports + 0.1)) == Enforced(reports=1)
    assert has(live, Report, ann) == 0 and has(live, Report, ben) == 1, "an open one stays"
    with live.site.database.reading() as session:
        assert not session.scalars(select(Answer)).all() + session.scalars(select(Turn)).all()
        assert session.scalars(select(Share)).all()
    assert enforce(live.site, later(601)) == Enforced(sessions=2)
    assert enforce(live.site, later(500 + keeps.accounts + 0.1)).accounts == 2
    with live.site.database.reading() as session:
        assert not session.scalars(select(Account)).all()


def test_a_finished_questionnaire_and_an_account_in_use_stay(
    live: LiveSite, used: tuple[str, str]
) -> None:
    ann, _ = used
    with live.site.database.writing() as session:
        for sitting in session.scalars(select(Sitting)):
            sitting.finished_at = now()
    done = enforce(live.site, later(live.site.settings.retention.accounts - 1))
    assert done.unfinished == done.accounts == 0
    assert has(live, Sitting, ann) == 1


def test_it_is_written_down_with_counts_and_only_if_there_was_something(
    live: LiveSite, used: tuple[str, str]
) -> None:
    done = enforce(live.site, later(10_000))
    assert done.accounts == 2
    assert enforce(live.site, later(10_000)) == Enforced()
    with live.site.database.reading() as session:
        last = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.action == "retention.enforced")
            .order_by(AuditEntry.number.desc())
        ).first()
    assert last is not None and last.actor == "system"
    assert details_of(last)["accounts"] == 2 and details_of(last)["links"] == 1


def test_of_several_servers_one_does_it(live: LiveSite, used: tuple[str, str]) -> None:
    if live.site.database.sqlite:
        pytest.skip("SQLite's writers take turns")
    with live.site.database.writing() as other:
        other.execute(text(f"SELECT pg_advisory_xact_lock({retention._LOCK})"))
        assert enforce(live.site, later(10_000)) == Enforced()
    assert enforce(live.site, later(10_000)).accounts == 2


def test_the_keeper_does_it_and_goes_on_after_an_error(
    live: LiveSite, used: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = used
    tried: list[datetime] = []

    def failing_first(site: object, moment: datetime) -> Enforced:
        tried.append(moment)
        if len(tried) == 1:
            raise OSError("the disk is full")
        return enforce(live.site, later(10_000))

    monkeypatch.setattr(retention, "enforce", failing_first)
    with closing(Keeper(live.site, every=0.01)):
        until(lambda: not has(live, Conversation, ann), "keeping")
    assert len(tried) >= 2


@contextmanager
def closing(keeper: Keeper) -> Iterator[None]:
    try:
        yield
    finally:
        keeper.close()
