"""Consent: nothing of the questionnaire is reached without it, and it can be taken back.

The text has a version. A text that says something else gets another version (a test keeps watch),
and who agreed to an older one is asked again. A withdrawal ends all consents of an account and
deletes nothing: answers stay sealed until they are deleted, and no page makes anything of them.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from personalign.web.accounts.sessions import Member
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now
from personalign.web.questionnaire.tables import Consent
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.visitor import SignedIn

VERSION = "1"
"""Of the text in texts/*/consent.toml; raise it when the text says something else."""

POINTS = ("stored", "why", "long", "seen", "delete", "withdraw_right", "careless", "operator")
"""What the text speaks of, in order."""


def consent_of(session: Session, account_id: str) -> Consent | None:
    """The consent to today's text that is in force, if there is one."""
    return session.scalars(
        select(Consent)
        .where(
            Consent.account_id == account_id,
            Consent.version == VERSION,
            Consent.withdrawn_at.is_(None),
        )
        .limit(1)
    ).first()


def give(site: Site, member: Member) -> None:
    """Write down that somebody agrees to today's text; agreeing twice is agreeing once."""
    with site.database.writing() as session:
        wait_for_turn(session)
        if consent_of(session, member.id) is not None:
            return
        session.add(
            Consent(
                id=new_id(),
                account_id=member.id,
                version=VERSION,
                language=member.language,
                given_at=now(),
            )
        )
        append(
            session,
            site.vault,
            "consent.given",
            actor=member.audit_name,
            version=VERSION,
            language=member.language,
        )


def withdraw(site: Site, member: Member) -> None:
    """End every consent of somebody; where none is in force, nothing happens."""
    with site.database.writing() as session:
        wait_for_turn(session)
        ended = session.execute(
            update(Consent)
            .where(Consent.account_id == member.id, Consent.withdrawn_at.is_(None))
            .values(withdrawn_at=now())
        )
        if ended.rowcount:  # type: ignore[attr-defined]
            append(session, site.vault, "consent.withdrawn", actor=member.audit_name)


def consenting(request: Request, member: SignedIn) -> Member:
    """The account of a visitor who agreed; who did not is sent to the text."""
    with site_of(request).database.reading() as session:
        if consent_of(session, member.id) is None:
            raise PageRefusal(403, "consent")
    return member


Consenting = Annotated[Member, Depends(consenting)]
