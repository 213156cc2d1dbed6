"""/shown/ID: what a form made, until its owner has it (once.py)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from personalign.web.pages import page, see
from personalign.web.refusals import PageRefusal
from personalign.web.site import site_of
from personalign.web.visitor import SignedIn

router = APIRouter(prefix="/shown")

TEMPLATES = {
    "phrase": "accounts/phrase.html",
    "new_phrase": "accounts/phrase.html",
    "key": "accounts/new_key.html",
    "share": "accounts/share_link.html",
}
"""Kind -> its page; links of a study are shown on the study's."""


@router.get("/{number}")
def show(request: Request, member: SignedIn, number: str) -> Response:
    """What was made, or what to do now that it is not shown any more."""
    once = site_of(request).once
    found = once.find(member.id, number)
    if found is None:
        raise PageRefusal(404, "not_found")
    if found.kind not in TEMPLATES:
        return see(found.then)
    if found.values is None:
        return page(request, "accounts/shown_before.html", 410, kind=found.kind)
    return page(
        request,
        TEMPLATES[found.kind],
        kind=found.kind,
        number=number,
        minutes=once.minutes(found),
        **found.values,
    )


@router.post("/{number}/done")
def end(request: Request, member: SignedIn, number: str) -> Response:
    """Its owner has it: show it no more, and go on."""
    then = site_of(request).once.done(member.id, number)
    if then is None:
        raise PageRefusal(404, "not_found")
    return see(then)
