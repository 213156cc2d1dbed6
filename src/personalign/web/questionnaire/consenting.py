"""Who asks, for routes that make something of answers: a `SignedIn` whose consent is in force."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from personalign.web.accounts.sessions import Member
from personalign.web.questionnaire.consent import consent_of
from personalign.web.refusals import PageRefusal
from personalign.web.site import site_of
from personalign.web.visitor import SignedIn


def consenting(request: Request, member: SignedIn) -> Member:
    """The account of a visitor who agreed; who did not is sent to the text."""
    with site_of(request).database.reading() as session:
        if consent_of(session, member.id) is None:
            raise PageRefusal(403, "consent")
    return member


Consenting = Annotated[Member, Depends(consenting)]
