"""Reporting a reply, and taking a report back while nobody has worked on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now, seal
from personalign.web.refusals import PageRefusal
from personalign.web.reports.tables import Report

if TYPE_CHECKING:
    from personalign.web.accounts.sessions import Member
    from personalign.web.site import Site

LONGEST_TEXT, LONGEST_COMMENT = 20_000, 2_000
"""Characters of a prompt or reply, and of a comment."""

MOST_OPEN = 50
"""Reports of one account that may wait at once."""


@dataclass(frozen=True)
class Reported:
    """What is handed over."""

    prompt: str
    """What the person wrote."""
    reply: str
    """What was answered."""
    speaker: str
    """Of tables.SPEAKERS."""
    model: str
    """What this site calls the model."""
    alpha: float | None
    """The strength it was said with; None where nothing was pushed."""


def hand_over(
    site: Site, member: Member, what: Reported, *, category: str, comment: str, report_id: str
) -> None:
    """Store a report, sealed.

    report_id: a fresh id that the form carried; a form sent twice is one report. Raises
    PageRefusal where too many of this account's reports are waiting.
    """
    with site.database.writing() as session:
        wait_for_turn(session)
        if session.get(Report, report_id) is not None:
            return
        waiting = select(func.count()).where(
            Report.account_id == member.id, Report.status != "closed"
        )
        if (session.scalar(waiting) or 0) >= MOST_OPEN:
            raise PageRefusal(429, "too_many_reports", most=MOST_OPEN)
        report = Report(
            id=report_id,
            account_id=member.id,
            model=what.model,
            speaker=what.speaker,
            alpha=what.alpha,
            category=category,
            status="open",
            audit_name=new_id(),
            created_at=now(),
        )
        for column, text in (("prompt", what.prompt), ("reply", what.reply)):
            seal(site.vault, report, column, text)
        seal(site.vault, report, "comment", comment or None)
        session.add(report)
        append(
            session,
            site.vault,
            "report.made",
            actor=member.audit_name,
            subject=report.audit_name,
            category=category,
        )


def take_back(site: Site, member: Member, report_id: str) -> bool:
    """Delete an own report that nobody has taken up; False where somebody has."""
    with site.database.writing() as session:
        wait_for_turn(session)
        report = own_report(session, member, report_id)
        gone = session.execute(
            delete(Report).where(Report.id == report_id, Report.status == "open")
        )
        if not gone.rowcount:  # type: ignore[attr-defined]
            return False
        append(
            session,
            site.vault,
            "report.withdrawn",
            actor=member.audit_name,
            subject=report.audit_name,
        )
        return True


def own_report(session: Session, member: Member, report_id: str) -> Report:
    """A report of this account; a page that says there is nothing, for any other."""
    own = select(Report).where(Report.id == report_id, Report.account_id == member.id)
    report = session.scalars(own).first()
    if report is None:
        raise PageRefusal(404, "not_found")
    return report
