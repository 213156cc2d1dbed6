"""/admin/log: reading the audit log, and checking it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from starlette.responses import Response

from personalign.errors import SiteError
from personalign.web.accounts.admin import Admin
from personalign.web.audit.log import Checked, append, details_of, verify
from personalign.web.audit.tables import AuditEntry
from personalign.web.pages import page
from personalign.web.paging import PageNumber, paged
from personalign.web.site import site_of

router = APIRouter()

A_PAGE = 50
"""Entries on one page."""


@router.get("/admin/log")
def read_log(request: Request, member: Admin, action: str = "", number: PageNumber = 1) -> Response:
    """The log, newest first; action: only entries of this one."""
    query = select(AuditEntry).order_by(AuditEntry.number.desc())
    if action:
        query = query.where(AuditEntry.action == action)
    with site_of(request).database.reading() as session:
        found = paged(session, query, number, A_PAGE)
        actions = session.scalars(
            select(AuditEntry.action).distinct().order_by(AuditEntry.action)
        ).all()
    return page(
        request,
        "audit/log.html",
        found=found,
        entries=[(entry, details_of(entry)) for entry in found.rows],
        actions=actions,
        action=action,
        query=urlencode({"action": action}),
    )


@router.post("/admin/log/verify")
def verify_log(
    request: Request, member: Admin, head: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """Check the whole log, and write down that it was checked; head: one that was noted."""
    site = site_of(request)
    try:
        with site.database.reading() as session:
            found = verify(session, site.vault, expected=head.strip() or None)
    except SiteError:
        return _checked(request, None, head, 400)
    with site.database.writing() as session:
        append(
            session,
            site.vault,
            "audit.verified",
            actor=member.audit_name,
            entries=found.entries,
            good=found.problem is None,
        )
    return _checked(request, found, head)


def _checked(request: Request, found: Checked | None, head: str, code: int = 200) -> Response:
    """found: None where the head that was given is none."""
    return page(request, "audit/checked.html", code, found=found, head=head)
