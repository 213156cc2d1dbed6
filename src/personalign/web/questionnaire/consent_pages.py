"""/consent: the text, agreeing to it, and taking that back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.web.accounts.pages import local_path
from personalign.web.pages import page, see
from personalign.web.questionnaire.consent import POINTS, VERSION, consent_of, give, withdraw
from personalign.web.site import site_of
from personalign.web.visitor import SignedIn

router = APIRouter()


@router.get("/consent")
def read_consent(request: Request, member: SignedIn, next: str = "/questionnaire") -> Response:
    """What is stored, why, how long, who runs this, and the button to agree or to withdraw."""
    site = site_of(request)
    with site.database.reading() as session:
        consent = consent_of(session, member.id)
    return page(
        request,
        "questionnaire/consent.html",
        consent=consent,
        version=VERSION,
        points=POINTS,
        next=local_path(next),
        retention=site.settings.retention,
        operator=site.settings.operator,
    )


@router.post("/consent")
def give_consent(
    request: Request,
    member: SignedIn,
    next: Annotated[str, Form(max_length=500)] = "/questionnaire",
) -> Response:
    """Agree, and go on."""
    give(site_of(request), member)
    return see(local_path(next), "consent_given")


@router.post("/consent/withdraw")
def withdraw_consent(request: Request, member: SignedIn) -> Response:
    """Take it back; what is being made of the answers ends."""
    site = site_of(request)
    withdraw(site, member)
    site.aligner.forget(member.id)
    return see("/consent", "consent_withdrawn")
