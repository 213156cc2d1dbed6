"""/shares: making a link for a persona, following one, ending a share."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.web.accounts.sharing import LINK_DAYS, accept, end_share, make_link, offered
from personalign.web.pages import page, see
from personalign.web.personas.access import own_persona
from personalign.web.personas.tables import StoredPersona
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.visitor import SignedIn

router = APIRouter(prefix="/shares")


@router.get("/new")
def about_sharing(request: Request, member: SignedIn, persona: str) -> Response:
    """Which persona it is and what sharing it means, before a link is made."""
    site = site_of(request)
    own = _own(site, member.id, persona)
    return page(
        request,
        "accounts/share_new.html",
        persona=own,
        prompted=site.shelf.load(own.id).system_prompt is not None,
        days=LINK_DAYS,
    )


@router.post("")
def new_link(
    request: Request, member: SignedIn, persona: Annotated[str, Form(max_length=64)]
) -> Response:
    """Make a link and show it, with the persona it is for."""
    site = site_of(request)
    own = _own(site, member.id, persona)
    token = make_link(site, member, persona)
    link = f"{site.settings.public_url.rstrip('/')}/shares/{token}"
    told = {"kind": own.kind, "model": own.model, "created_at": own.created_at}
    number = site.once.put(member.id, "share", "/account", link=link, persona=told, days=LINK_DAYS)
    return see(f"/shown/{number}")


@router.post("/{share_id}/end")
def end(request: Request, member: SignedIn, share_id: str) -> Response:
    """Revoke a share one gave, or leave one that one got."""
    end_share(site_of(request), member, share_id)
    return see("/account", "share_ended")


@router.get("/{token}")
def look(request: Request, member: SignedIn, token: str) -> Response:
    """What somebody shares, and what one may do with it."""
    with site_of(request).database.reading() as session:
        found = offered(session, token)
    if found is None:
        raise PageRefusal(404, "link_over")
    _, persona, owner = found
    if owner.id == member.id:
        raise PageRefusal(409, "own_link")
    return page(
        request, "accounts/share.html", token_of_link=token, persona=persona, handle=owner.handle
    )


@router.post("/{token}/accept")
def take(request: Request, member: SignedIn, token: str) -> Response:
    """Accept it, and meet the persona."""
    share = accept(site_of(request), member, token)
    return see(f"/chat?pair={share}", "share_accepted")


def _own(site: Site, account_id: str, persona_id: str) -> StoredPersona:
    with site.database.reading() as session:
        own = own_persona(session, account_id, persona_id)
    if own is None:
        raise PageRefusal(404, "not_found")
    return own
