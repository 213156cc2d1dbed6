"""/reports: reporting a reply, and what became of one's own reports."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy import select
from starlette.responses import Response

from personalign.web.database.base import new_id, unsealed_text
from personalign.web.pages import page, see
from personalign.web.paging import PageNumber, paged
from personalign.web.refusals import PageRefusal
from personalign.web.reports.filing import (
    LONGEST_COMMENT,
    LONGEST_TEXT,
    Reported,
    hand_over,
    take_back,
)
from personalign.web.reports.tables import CATEGORIES, SPEAKERS, Report
from personalign.web.site import site_of
from personalign.web.visitor import SignedIn

router = APIRouter()

A_PAGE = 20
"""Own reports on one page."""


def reported(
    prompt: Annotated[str, Form(max_length=LONGEST_TEXT)],
    reply: Annotated[str, Form(min_length=1, max_length=LONGEST_TEXT)],
    speaker: Annotated[str, Form(max_length=64)],
    model: Annotated[str, Form(min_length=1, max_length=256)],
    alpha: Annotated[str, Form(max_length=32)] = "",
) -> Reported:
    """What a form hands over; browsers send line ends as CR LF. A speaker of another name, such as
    those of the balanced view, is somebody else's persona."""
    try:
        strength = float(alpha) if alpha.strip() else None
    except ValueError:
        raise PageRefusal(400, "not_understood") from None
    if not (strength is None or math.isfinite(strength)):
        raise PageRefusal(400, "not_understood")
    speaker = speaker if speaker in SPEAKERS else "other"
    texts = [text.replace("\r\n", "\n") for text in (prompt, reply)]
    return Reported(texts[0], texts[1], speaker, model, strength)


Handed = Annotated[Reported, Depends(reported)]


@router.post("/reports/new")
def ask_what_is_wrong(request: Request, member: SignedIn, what: Handed) -> Response:
    """Show what would be handed over, and ask what is wrong with it."""
    return _form(request, what, report_id=new_id())


@router.post("/reports")
def report_reply(
    request: Request,
    member: SignedIn,
    what: Handed,
    report_id: Annotated[str, Form(pattern=r"^[\w-]{22}$")],
    category: Annotated[str, Form()] = "",
    comment: Annotated[str, Form(max_length=LONGEST_COMMENT)] = "",
) -> Response:
    """Hand it over."""
    if category not in CATEGORIES:
        return _form(request, what, report_id=report_id, comment=comment, problem=True)
    comment = comment.replace("\r\n", "\n").strip()
    hand_over(
        site_of(request), member, what, category=category, comment=comment, report_id=report_id
    )
    return see("/reports/thanks")


@router.get("/reports/thanks")
def thank(request: Request, member: SignedIn) -> Response:
    """What happens now."""
    return page(request, "reports/thanks.html")


@router.get("/reports")
def own_reports(request: Request, member: SignedIn, number: PageNumber = 1) -> Response:
    """Own reports and what became of them, newest first."""
    site = site_of(request)
    with site.database.reading() as session:
        found = paged(
            session,
            select(Report)
            .where(Report.account_id == member.id)
            .order_by(Report.created_at.desc(), Report.id),
            number,
            A_PAGE,
        )
        texts = {
            report.id: {
                column: unsealed_text(site.vault, report, column)
                for column in ("prompt", "reply", "comment")
            }
            for report in found.rows
        }
    return page(request, "reports/own.html", found=found, texts=texts)


@router.post("/reports/{report_id}/withdraw")
def withdraw(request: Request, member: SignedIn, report_id: str) -> Response:
    """Delete an own report, as long as nobody has taken it up."""
    gone = take_back(site_of(request), member, report_id)
    return see("/reports", "report_withdrawn" if gone else "report_taken_up")


def _form(
    request: Request, what: Reported, *, report_id: str, comment: str = "", problem: bool = False
) -> Response:
    return page(
        request,
        "reports/new.html",
        400 if problem else 200,
        what=what,
        report_id=report_id,
        comment=comment,
        problem=problem,
        categories=CATEGORIES,
        longest=LONGEST_COMMENT,
    )
