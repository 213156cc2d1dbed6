"""/shares: making a link for a persona, following one, ending a share."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.web.accounts.sharing import LINK_DAYS, accept, end_share, make_link, offered
from personalign.web.pages import page, see
from personalign.web.personas.access import own_persona
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.visitor import SignedIn

router = APIRouter(prefix="/shares")


@router.get("/new")
def about_sharing(request: Request, member: SignedIn, persona: str) -> Response:
    """What sharing a persona means, before a link is made."""
    return page(
        request,
        "accounts/share_new.html",
        persona=persona,
        prompted=_prompted(site_of(request), member.id, persona),
        days=LINK_DAYS,
    )


@router.post("")
def new_link(
    request: Request, member: SignedIn, persona: Annotated[str, Form(max_length=64)]
) -> Response:
    """Make a link and show it, this once."""
    site = site_of(request)
    token = make_link(site, member, persona)
    link = f"{site.settings.public_url.rstrip('/')}/shares/{token}"
    return page(request, "accounts/share_link.html", link=link, days=LINK_DAYS)


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


def _prompted(site: Site, account_id: str, persona_id: str) -> bool:
    """Whether a persona of one's own speaks by a prompt, which it may be talked into repeating."""
    with site.database.reading() as session:
        if own_persona(session, account_id, persona_id) is None:
            raise PageRefusal(404, "not_found")
    return site.shelf.load(persona_id).system_prompt is not None
