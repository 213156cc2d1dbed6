"""/moderation: the queue of reports and the page to work on one, for moderators.

Nothing here tells who reported: the queries do not select it.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy import func, select
from starlette.responses import Response

from personalign.web.accounts.sessions import Member
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import unsealed_text
from personalign.web.pages import page, see
from personalign.web.paging import PageNumber, paged
from personalign.web.refusals import PageRefusal
from personalign.web.reports.moderating import (
    LONGEST_NOTE,
    add_note,
    close,
    found_report,
    reopen,
    take,
)
from personalign.web.reports.tables import CATEGORIES, OUTCOMES, STATUSES, Report, ReportNote
from personalign.web.site import Site, site_of
from personalign.web.visitor import has

router = APIRouter()

A_PAGE = 25
"""Reports on one page of the queue."""

Moderator = Annotated[Member, Depends(has("moderator"))]
Note = Annotated[str, Form(max_length=LONGEST_NOTE)]


@router.get("/moderation")
def queue(
    request: Request,
    member: Moderator,
    status: str = "waiting",
    category: str = "",
    number: PageNumber = 1,
) -> Response:
    """The queue, oldest first; status: one of STATUSES, waiting (not closed) or all."""
    wanted = {"waiting": STATUSES[:2], "all": STATUSES}.get(status, (status,))
    if not set(wanted) <= set(STATUSES) or category not in ("", *CATEGORIES):
        raise PageRefusal(404, "not_found")
    columns = (Report.id, Report.created_at, Report.category, Report.status, Report.outcome)
    query = select(*columns).where(Report.status.in_(wanted))
    if category:
        query = query.where(Report.category == category)
    counted = select(Report.status, func.count()).group_by(Report.status)
    with site_of(request).database.reading() as session:
        found = paged(session, query.order_by(Report.created_at, Report.id), number, A_PAGE)
        counts = dict.fromkeys(STATUSES, 0)
        counts |= {str(one): int(count) for one, count in session.execute(counted)}
    return page(
        request,
        "reports/queue.html",
        found=found,
        counts=counts,
        chosen=status,
        category=category,
        query=urlencode({"status": status, "category": category}),
        statuses=("waiting", *STATUSES, "all"),
        categories=CATEGORIES,
    )


@router.get("/moderation/{report_id}")
def look(request: Request, member: Moderator, report_id: str) -> Response:
    """One report; that it was read is written down."""
    site = site_of(request)
    with site.database.writing() as session:
        wait_for_turn(session)
        report = found_report(session, report_id)
        append(
            session,
            site.vault,
            "report.read",
            actor=member.audit_name,
            subject=report.audit_name,
        )
    return _report(request, site, report_id)


@router.post("/moderation/{report_id}/take")
def take_up(request: Request, member: Moderator, report_id: str) -> Response:
    """Take it into review."""
    mine = take(site_of(request), member, report_id)
    return see(f"/moderation/{report_id}", "report_taken" if mine else "report_moved_on")


@router.post("/moderation/{report_id}/note")
def write_note(request: Request, member: Moderator, report_id: str, note: Note = "") -> Response:
    """Add a note."""
    text = note.replace("\r\n", "\n").strip()
    if text:
        add_note(site_of(request), member, report_id, text)
    return see(f"/moderation/{report_id}", "report_noted" if text else None)


@router.post("/moderation/{report_id}/close")
def end(
    request: Request,
    member: Moderator,
    report_id: str,
    outcome: Annotated[str, Form()] = "",
    note: Note = "",
) -> Response:
    """Close it; where somebody else was first, say so and keep what was chosen and written."""
    if outcome not in OUTCOMES:
        raise PageRefusal(400, "not_understood")
    site, text = site_of(request), note.replace("\r\n", "\n").strip()
    if close(site, member, report_id, outcome, text):
        return see(f"/moderation/{report_id}", "report_closed")
    return _report(request, site, report_id, 409, tried=outcome, note=text)


@router.post("/moderation/{report_id}/reopen")
def open_again(request: Request, member: Moderator, report_id: str) -> Response:
    """Open it again."""
    done = reopen(site_of(request), member, report_id)
    return see(f"/moderation/{report_id}", "report_reopened" if done else "report_moved_on")


def _report(
    request: Request,
    site: Site,
    report_id: str,
    code: int = 200,
    *,
    tried: str = "",
    note: str = "",
) -> Response:
    """tried, note: the outcome and the note of somebody who came second."""
    with site.database.reading() as session:
        report = found_report(session, report_id)
        texts = {
            column: unsealed_text(site.vault, report, column)
            for column in ("prompt", "reply", "comment")
        }
        written = session.execute(
            select(ReportNote, Account.handle)
            .outerjoin(Account, Account.id == ReportNote.account_id)
            .where(ReportNote.report_id == report_id)
            .order_by(ReportNote.written_at)
        ).all()
        notes = [
            (handle, one.written_at, unsealed_text(site.vault, one, "text"))
            for one, handle in written
        ]
        handle_of = select(Account.handle).where(Account.id == report.reviewer_id)
        reviewer = session.scalar(handle_of) if report.reviewer_id else None
    return page(
        request,
        "reports/report.html",
        code,
        report=report,
        texts=texts,
        notes=notes,
        reviewer=reviewer,
        tried=tried,
        note=note,
        outcomes=OUTCOMES,
        longest=LONGEST_NOTE,
    )
