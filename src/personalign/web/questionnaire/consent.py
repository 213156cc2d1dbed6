"""Consent: nothing of the questionnaire is reached without it, and it can be taken back.

The text has a version. A text that says something else gets another version (a test keeps watch),
and who agreed to an older one is asked again. A withdrawal ends all consents of an account and
deletes nothing: answers stay sealed until they are deleted, and no page makes anything of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.orm import Session

from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now
from personalign.web.questionnaire.tables import Consent

if TYPE_CHECKING:
    from personalign.web.accounts.sessions import Member
    from personalign.web.site import Site

VERSION = "2"
"""Of the text in texts/*/consent.toml; raise it when the text says something else."""

POINTS = ("stored", "why", "long", "seen", "delete", "withdraw_right", "careless", "operator")
"""What the text speaks of, in order."""


def consent_of(session: Session, account_id: str) -> Consent | None:
    """The consent to today's text that is in force, if there is one."""
    return session.scalars(
        select(Consent).where(Consent.account_id == account_id, _in_force()).limit(1)
    ).first()


def who_consents() -> Select[str]:
    """A query for the ids of the accounts whose consent to today's text is in force."""
    return select(Consent.account_id).where(_in_force())


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


def _in_force() -> ColumnElement[bool]:
    return (Consent.version == VERSION) & Consent.withdrawn_at.is_(None)
