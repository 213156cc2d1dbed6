"""Working on reports: open -> in review -> closed, and back to open.

Each step is one conditional UPDATE, so that of two moderators at once one is told that the other
was first. What was decided is written down; nothing else is changed by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now, seal
from personalign.web.refusals import PageRefusal
from personalign.web.reports.tables import Report, ReportNote

if TYPE_CHECKING:
    from personalign.web.accounts.sessions import Member
    from personalign.web.site import Site

LONGEST_NOTE = 4_000
"""Characters."""


def take(site: Site, member: Member, report_id: str) -> bool:
    """Take an open report into review; False where it is not open any more."""
    with site.database.writing() as session:
        report = _move(session, report_id, ("open",), status="in_review", reviewer_id=member.id)
        if report is None:
            return False
        _write_down(session, site, member, report, "report.taken")
        return True


def close(site: Site, member: Member, report_id: str, outcome: str, note: str) -> bool:
    """Close a report, with a note if there is one; False, changing nothing, where it is closed."""
    with site.database.writing() as session:
        report = _move(
            session,
            report_id,
            ("open", "in_review"),
            status="closed",
            outcome=outcome,
            closed_at=now(),
        )
        if report is None:
            return False
        if note:
            _add_note(session, site, member, report, note)
        _write_down(session, site, member, report, "report.closed", outcome=outcome)
        return True


def reopen(site: Site, member: Member, report_id: str) -> bool:
    """Open a closed report again; False where it is not closed."""
    with site.database.writing() as session:
        report = _move(
            session,
            report_id,
            ("closed",),
            status="open",
            outcome=None,
            closed_at=None,
            reviewer_id=None,
        )
        if report is None:
            return False
        _write_down(session, site, member, report, "report.reopened")
        return True


def add_note(site: Site, member: Member, report_id: str, text: str) -> None:
    """Write a note for the other moderators."""
    with site.database.writing() as session:
        wait_for_turn(session)
        report = found_report(session, report_id)
        _add_note(session, site, member, report, text)
        _write_down(session, site, member, report, "report.noted")


def found_report(session: Session, report_id: str) -> Report:
    """A report, whoever made it; a page that says there is nothing where there is none."""
    report = session.get(Report, report_id)
    if report is None:
        raise PageRefusal(404, "not_found")
    return report


def _move(
    session: Session, report_id: str, coming_from: tuple[str, ...], **values: Any
) -> Report | None:
    """Change a report that is in one of these states; None where it is in another."""
    wait_for_turn(session)
    found_report(session, report_id)
    moved = session.execute(
        update(Report)
        .where(Report.id == report_id, Report.status.in_(coming_from))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not moved.rowcount:  # type: ignore[attr-defined]
        return None
    return session.get_one(Report, report_id, populate_existing=True)


def _add_note(session: Session, site: Site, member: Member, report: Report, text: str) -> None:
    note = ReportNote(id=new_id(), report_id=report.id, account_id=member.id, written_at=now())
    seal(site.vault, note, "text", text)
    session.add(note)


def _write_down(
    session: Session, site: Site, member: Member, report: Report, action: str, **facts: str
) -> None:
    append(
        session,
        site.vault,
        action,
        actor=member.audit_name,
        subject=report.audit_name,
        category=report.category,
        **facts,
    )
