"""/sign-in/openid: to the provider and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from personalign.web.accounts.openid import FLOW_SECONDS, OpenId, OpenIdError
from personalign.web.accounts.pages import count_try, local_path
from personalign.web.accounts.sessions import new_account, open_session
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.pages import see, set_cookie
from personalign.web.privacy.confirming import confirm
from personalign.web.refusals import PageRefusal
from personalign.web.site import site_of
from personalign.web.visitor import Anyone, SignedIn

if TYPE_CHECKING:
    from personalign.web.site import Site

router = APIRouter()


@router.get("/sign-in/openid")
def go_to_provider(request: Request, visitor: Anyone, next: str = "/") -> Response:
    """Send the visitor to the provider."""
    count_try(request)
    return _begin(site_of(request), local_path(next))


@router.get("/account/delete/openid")
def confirm_at_provider(request: Request, member: SignedIn) -> Response:
    """Sign in anew, to confirm a deletion; what deletes is a form after it."""
    count_try(request)
    return _begin(site_of(request), "/account/delete", confirms=member.id)


@router.get("/sign-in/openid/callback")
def come_back(request: Request, visitor: Anyone) -> Response:
    """The provider sends the visitor back."""
    site = site_of(request)
    openid = _openid(site)
    count_try(request)
    try:
        cookie = request.cookies.get(_cookie(site), "")
        flow, subject = openid.finish(cookie, dict(request.query_params))
        if flow.confirms:
            response = see(flow.next)
            confirm(site, response, _confirmed(site, openid, subject, flow.confirms))
        else:
            response = see(flow.next)
            set_cookie(response, site, _sign_in(site, openid, subject, visitor.language))
    except OpenIdError as error:
        raise _refused(site, error) from error
    response.delete_cookie(_cookie(site), path="/", secure=site.settings.secure, httponly=True)
    return response


def _begin(site: Site, next: str, confirms: str = "") -> Response:
    try:
        address, sealed = _openid(site).begin(next, confirms)
    except OpenIdError as error:
        raise _refused(site, error) from error
    response = RedirectResponse(address, 303)
    response.set_cookie(
        _cookie(site),
        sealed,
        max_age=FLOW_SECONDS,
        secure=site.settings.secure,
        httponly=True,
        samesite="lax",
        path="/",
    )
    return response


def _sign_in(site: Site, openid: OpenId, subject: str, language: str) -> str:
    """The cookie of a session for whoever the provider vouches for; a new one gets an account."""
    names = [openid.name_of(subject, key.id) for key in site.vault.keys]
    with site.database.writing() as session:
        wait_for_turn(session)
        account = session.scalars(select(Account).where(Account.oidc_subject.in_(names))).first()
        if account is None:
            if not site.settings.sign_up:
                raise PageRefusal(403, "no_sign_up")
            account = new_account(session, language)
            append(session, site.vault, "account.created", actor=account.audit_name)
        account.oidc_subject = openid.name_of(subject)  # under the newest key
        append(session, site.vault, "sign_in", actor=account.audit_name, method="openid")
        return open_session(session, site, account)


def _confirmed(site: Site, openid: OpenId, subject: str, account_id: str) -> str:
    """The account, if it is the one that signed in anew."""
    names = [openid.name_of(subject, key.id) for key in site.vault.keys]
    with site.database.reading() as session:
        account = session.get(Account, account_id)
    if account is None or account.oidc_subject not in names:
        raise OpenIdError("sub")
    return account.id


def _refused(site: Site, error: OpenIdError) -> PageRefusal:
    with site.database.writing() as session:
        append(
            session,
            site.vault,
            "sign_in.refused",
            actor="",
            method="openid",
            reason=error.reason,
        )
    return PageRefusal(403, "openid")


def _openid(site: Site) -> OpenId:
    if site.openid is None:
        raise PageRefusal(404, "not_found")
    return site.openid


def _cookie(site: Site) -> str:
    return "__Host-openid" if site.settings.secure else "openid"
