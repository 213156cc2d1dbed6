"""/admin: the accounts by handle, and who has which role.

When an account was made is not told: the audit log has the time, and so the account's audit name.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy import select
from starlette.responses import Response

from personalign.errors import RoleRefused
from personalign.web.accounts import roles
from personalign.web.accounts.sessions import Member
from personalign.web.accounts.tables import ROLES, Account, AccountRole
from personalign.web.pages import page, see
from personalign.web.paging import PageNumber, paged
from personalign.web.site import Site, site_of
from personalign.web.visitor import has

router = APIRouter()

A_PAGE = 50
"""Accounts on one page."""

Admin = Annotated[Member, Depends(has("admin"))]
Handle = Annotated[str, Form(max_length=64)]


@router.get("/admin")
def accounts(
    request: Request, member: Admin, find: str = "", role: str = "", number: PageNumber = 1
) -> Response:
    """Accounts by handle; find: a part of it. role: only those who have it."""
    return _accounts(request, site_of(request), find=find, role=role, number=number)


@router.post("/admin/roles/give")
def give(request: Request, member: Admin, handle: Handle, role: Annotated[str, Form()]) -> Response:
    """Give a role."""
    site = site_of(request)
    try:
        done = roles.give(site, handle, role, actor=member.audit_name)
    except RoleRefused as refused:
        return _accounts(request, site, problem=refused.reason, typed=handle)
    return see("/admin", "role_given" if done else "role_there_already")


@router.post("/admin/roles/take")
def take(request: Request, member: Admin, handle: Handle, role: Annotated[str, Form()]) -> Response:
    """Take a role away."""
    site = site_of(request)
    try:
        done = roles.take(site, handle, role, actor=member.audit_name)
    except RoleRefused as refused:
        return _accounts(request, site, problem=refused.reason)
    return see("/admin", "role_taken" if done else "role_not_there")


def _accounts(
    request: Request,
    site: Site,
    *,
    find: str = "",
    role: str = "",
    number: int = 1,
    problem: str = "",
    typed: str = "",
) -> Response:
    """problem: reason of a RoleRefused. typed: the handle that was given."""
    query = select(Account.id, Account.handle).order_by(Account.handle)
    if find:
        query = query.where(Account.handle.contains(find.strip().lower(), autoescape=True))
    if role:
        query = query.join(AccountRole).where(AccountRole.role == role)
    had: dict[str, list[str]] = defaultdict(list)
    with site.database.reading() as session:
        found = paged(session, query, number, A_PAGE)
        shown = [one for one, _ in found.rows]
        for bearer in session.scalars(select(AccountRole).where(AccountRole.account_id.in_(shown))):
            had[bearer.account_id].append(bearer.role)
    return page(
        request,
        "accounts/admin.html",
        400 if problem else 200,
        found=found,
        had=had,
        roles=ROLES,
        find=find,
        role=role,
        query=urlencode({"find": find, "role": role}),
        problem=problem,
        typed=typed,
    )
