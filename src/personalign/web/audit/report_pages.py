"""/admin/audit-report: the report of some months, as a page, for printing, and as JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from personalign.web.accounts.admin import Admin
from personalign.web.audit.report import ENDS, MOST_MONTHS, AuditReport, audit_report, month_after
from personalign.web.audit.scores import MINIMUM
from personalign.web.database.base import now
from personalign.web.pages import page, see
from personalign.web.refusals import PageRefusal
from personalign.web.site import site_of

router = APIRouter()

FirstMonth = Annotated[str, Query(alias="from")]
LastMonth = Annotated[str, Query(alias="to")]


@router.get("/admin/audit-report")
def report_page(
    request: Request, member: Admin, first: FirstMonth = "", last: LastMonth = ""
) -> Response:
    """The report from one month to another, both within it; this month where none is given."""
    this = now().strftime("%Y-%m")
    first, last = first or last or this, last or first or this
    site = site_of(request)
    return page(
        request,
        "audit/report.html",
        report=_report(request, first, last),
        first=first,
        last=last,
        query=urlencode({"from": first, "to": last}),
        ends=ENDS,
        minimum=MINIMUM,
        scoring=site.scoring.state,
    )


@router.get("/admin/audit-report.json")
def report_json(request: Request, member: Admin, first: FirstMonth, last: LastMonth) -> Response:
    """The same as JSON."""
    return Response(
        _report(request, first, last).to_json(),
        media_type="application/json",
        headers={
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="audit-report-{first}-{last}.json"',
        },
    )


@router.post("/admin/scores")
def score(request: Request, member: Admin) -> Response:
    """Score by group, in the background."""
    begun = site_of(request).scoring.begin(member.audit_name)
    return see("/admin/audit-report", "scores_begun" if begun else "scores_running")


@router.get("/admin/scores")
def scoring_state(request: Request, member: Admin) -> Response:
    """Where the scoring is: the piece of the report's page that changes by itself."""
    return page(request, "audit/scoring.html", scoring=site_of(request).scoring.state)


def _report(request: Request, first: str, last: str) -> AuditReport:
    since, until = _month(first), month_after(_month(last))
    months = (until.year - since.year) * 12 + until.month - since.month
    if not 0 < months <= MOST_MONTHS:
        raise PageRefusal(400, "wrong_months", most=MOST_MONTHS)
    return audit_report(site_of(request), since, until)


def _month(typed: str) -> datetime:
    """The first moment of a month such as 2026-11."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", typed, re.ASCII):
        raise PageRefusal(400, "wrong_months", most=MOST_MONTHS)
    year, month = typed.split("-")
    return datetime(int(year), int(month), 1, tzinfo=UTC)
