"""Who asks, for routes: a visitor with a language, perhaps signed in; and whether a form is theirs.

    Anyone                  whoever it is
    SignedIn                somebody with an account; others are sent to sign in
    Depends(has("admin"))   a SignedIn with that role; others are told there is nothing here

A form carries a token made from the visitor's cookie under the site's key: another site can make a
browser send the cookie, but cannot know the token. `check_form` stands in front of every POST.
What looks only at what is known is `async`: a plain function would be handed to a thread and back.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header

from personalign.web.accounts.sessions import Member, member_of
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.texts import LANGUAGES, choose_language

LANGUAGE_COOKIE = "language"
FORM_FIELD, FORM_HEADER = "form_token", "x-form-token"


@dataclass(frozen=True)
class Visitor:
    """Whoever sent a request."""

    cookie: str
    """The random token of this browser: a session's, or one that only proves forms."""
    fresh: bool
    """Whether the cookie was made just now and has to be set."""
    language: str
    member: Member | None
    """The account, if it is signed in."""
    form_token: str
    """What this visitor's forms carry."""


def visitor(request: Request) -> Visitor:
    """Read the cookies; one database look-up where there is one."""
    cookie, fresh = _cookie(request)
    return become(request, cookie, fresh=fresh)


def passing(request: Request) -> Visitor:
    """The same without the look-up, so with nobody's name: where there is no room for more."""
    return _as(request, *_cookie(request), None)


Anyone = Annotated[Visitor, Depends(visitor)]


async def signed_in(visitor: Anyone) -> Member:
    """The account of a visitor; who has none is sent to sign in."""
    if visitor.member is None:
        raise PageRefusal(401, "sign_in")
    return visitor.member


SignedIn = Annotated[Member, Depends(signed_in)]


def has(role: str) -> Callable[[Member], Awaitable[Member]]:
    """A dependency: an account with a role. Others are told what a wrong address is told."""

    async def check(member: SignedIn) -> Member:
        if not member.may(role):
            raise PageRefusal(404, "not_found")
        return member

    return check


async def check_form(request: Request, visitor: Anyone) -> None:
    """Refuse what changes something and was not sent from a page of ours."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site = site_of(request)
    given, kind = request.headers.get(FORM_HEADER), request.headers.get("content-type", "")
    if not _in_utf8(kind):
        raise PageRefusal(400, "not_understood")
    if given is None and "form" in kind:
        given = str((await request.form()).get(FORM_FIELD, ""))
    said, cookie = (given or "").encode(errors="replace"), visitor.cookie.encode()
    tokens = [site.vault.sign("form", cookie, key).hex().encode() for key in site.vault.ids()]
    same = any(hmac.compare_digest(said, token) for token in tokens)
    if visitor.fresh or not same or not _from_here(request, site):
        raise PageRefusal(403, "stale_form", forged=True)


def cookie_name(site: Site) -> str:
    """The session cookie's name; over https a browser takes it from this host alone."""
    return "__Host-personalign" if site.settings.secure else "personalign"


def become(request: Request, cookie: str, *, fresh: bool) -> Visitor:
    """The visitor who bears a cookie, for the rest of this request."""
    return _as(request, cookie, fresh, None if fresh else member_of(site_of(request), cookie))


def address_of(request: Request) -> str:
    """Where a request comes from, for counting tries; never kept."""
    if site_of(request).settings.behind_proxy:
        return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return request.client.host if request.client else ""


def _cookie(request: Request) -> tuple[str, bool]:
    """The cookie that was sent, or one made just now, and whether it is that."""
    cookie = request.cookies.get(cookie_name(site_of(request)), "")
    fresh = len(cookie) < 32
    return (secrets.token_urlsafe(32) if fresh else cookie), fresh


def _as(request: Request, cookie: str, fresh: bool, member: Member | None) -> Visitor:
    token = site_of(request).vault.sign("form", cookie.encode()).hex()
    found = Visitor(cookie, fresh, _language(request, member), member, token)
    request.state.visitor = found
    return found


def _in_utf8(kind: str) -> bool:
    """Whether a form is in the alphabet of our pages; others make halves of characters, which
    nothing can keep. kind: of content."""
    charset = parse_options_header(kind)[1].get(b"charset", b"utf-8")
    return charset.lower() in (b"utf-8", b"utf8")


def _from_here(request: Request, site: Site) -> bool:
    """Whether a browser says that one of our pages sent this; what says nothing is let through."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched not in (None, "same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    ours = {request.headers.get("host"), urlsplit(site.settings.public_url).netloc}
    return origin is None or urlsplit(origin).netloc in ours


def _language(request: Request, member: Member | None) -> str:
    if member is not None:
        return member.language
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return str(chosen)
    return choose_language(request.headers.get("accept-language", ""))
