"""/privacy, which anybody may read; /account/export and /account/delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.web.accounts.pages import Problem, WrongPhrase, check_phrase_of
from personalign.web.accounts.sessions import Member
from personalign.web.accounts.sharing import LINK_DAYS
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import append
from personalign.web.pages import forget_cookie, page, see
from personalign.web.privacy.confirming import confirmed
from personalign.web.privacy.deleting import delete_account
from personalign.web.privacy.exporting import export_account
from personalign.web.site import site_of
from personalign.web.visitor import Anyone, SignedIn

router = APIRouter()


@router.get("/privacy")
def privacy(request: Request, visitor: Anyone) -> Response:
    """What is stored, why, for how long; what everybody may do; what the audit log is."""
    return page(request, "privacy/privacy.html", link_days=LINK_DAYS)


@router.get("/account/export")
def export(request: Request, member: SignedIn) -> Response:
    """Everything of the account, as a file."""
    site = site_of(request)
    with site.database.reading() as session:
        data = export_account(session, site, member.id)
    with site.database.writing() as session:  # the file is made: it is handed over
        append(session, site.vault, "account.exported", actor=member.audit_name)
    headers = {
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="personalign-account.zip"',
    }
    return Response(data, media_type="application/zip", headers=headers)


@router.get("/account/delete")
def about_deleting(request: Request, member: SignedIn) -> Response:
    """What deleting takes away, and the form that does it."""
    return _page(request, member)


@router.post("/account/delete")
def delete(
    request: Request, member: SignedIn, phrase: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    """Delete everything, for who proves to be its owner."""
    site = site_of(request)
    proved = None
    if not confirmed(site, request, member.id):
        try:
            proved = check_phrase_of(request, member, phrase)
        except WrongPhrase as wrong:
            return _page(request, member, status=403, problem=wrong.problem, typed=phrase)
    delete_account(site, member.id, proved=proved)
    response = see("/", "account_deleted")
    forget_cookie(response, site)
    return response


def _page(
    request: Request,
    member: Member,
    *,
    status: int = 200,
    problem: Problem | None = None,
    typed: str = "",
) -> Response:
    site = site_of(request)
    with site.database.reading() as session:
        account = session.get_one(Account, member.id)
    return page(
        request,
        "privacy/delete.html",
        status,
        by_phrase=account.phrase_hash is not None,
        confirmed=confirmed(site, request, member.id),
        problem=problem,
        typed=typed,
    )
