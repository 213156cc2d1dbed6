"""Sharing a persona: the owner makes a link, somebody signed in follows it, both can end it.

Who accepted may speak with the persona, as long as the share is there. Answers, profile and
conversations of the owner stay the owner's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from personalign.web.accounts.sessions import Member, hashed
from personalign.web.accounts.tables import Account, Share
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now
from personalign.web.personas.tables import StoredPersona
from personalign.web.privacy.forgetting import silence_personas
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.web.site import Site

LINK_DAYS = 7
"""How long a link may be followed."""


@dataclass(frozen=True)
class Shared:
    """A share as a page shows it."""

    id: str
    persona: StoredPersona
    handle: str | None
    """Of the other one: who may speak, or whose persona it is; None for a link not yet followed."""
    since: datetime
    """When it was accepted, or the link made."""


def make_link(site: Site, member: Member, persona_id: str) -> str:
    """A link's token for a persona of the member's own, this once; PageRefusal (404) for others."""
    token = secrets.token_urlsafe(32)
    with site.database.writing() as session:
        wait_for_turn(session)
        persona = session.scalar(
            select(StoredPersona.id).where(
                StoredPersona.id == persona_id, StoredPersona.account_id == member.id
            )
        )
        if persona is None:
            raise PageRefusal(404, "not_found")
        share = Share(id=new_id(), persona_id=persona, token_hash=hashed(token), created_at=now())
        session.add(share)
        append(session, site.vault, "share.offered", actor=member.audit_name, subject=share.id)
    return token


def offered(
    session: Session, token: str, *, taking: bool = False
) -> tuple[Share, StoredPersona, Account] | None:
    """The share of a link that may still be followed, its persona, and whose it is.

    taking: whether it is about to be accepted, which one at a time may do.
    """
    query = (
        select(Share, StoredPersona, Account)
        .join(StoredPersona, StoredPersona.id == Share.persona_id)
        .join(Account, Account.id == StoredPersona.account_id)
        .where(
            Share.token_hash == hashed(token),
            Share.accepted_at.is_(None),
            Share.created_at > now() - timedelta(days=LINK_DAYS),
        )
    )
    row = session.execute(query.with_for_update(of=Share) if taking else query).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def accept(site: Site, member: Member, token: str) -> str:
    """Follow a link, which opens nothing a second time; the share's id.

    Raises PageRefusal for a link that is over (404), one's own (409), and a persona that this
    member may speak with already (409).
    """
    with site.database.writing() as session:
        wait_for_turn(session)
        found = offered(session, token, taking=True)
        if found is None:
            raise PageRefusal(404, "link_over")
        share, persona, owner = found
        if owner.id == member.id:
            raise PageRefusal(409, "own_link")
        twice = select(Share.id).where(
            Share.persona_id == persona.id, Share.account_id == member.id
        )
        if session.scalar(twice) is not None:
            raise PageRefusal(409, "shared_already")
        share.account_id, share.accepted_at, share.token_hash = member.id, now(), None
        append(
            session,
            site.vault,
            "share.accepted",
            actor=member.audit_name,
            subject=share.id,
            owner=owner.audit_name,
        )
        return share.id


def end_share(site: Site, member: Member, share_id: str) -> None:
    """The owner revokes, or the recipient leaves; replies the persona is giving end, too.

    PageRefusal (404) for a share of others.
    """
    with site.database.writing() as session:
        wait_for_turn(session)
        row = session.execute(
            select(Share, StoredPersona)
            .join(StoredPersona, StoredPersona.id == Share.persona_id)
            .where(
                Share.id == share_id,
                or_(StoredPersona.account_id == member.id, Share.account_id == member.id),
            )
        ).one_or_none()
        if row is None:
            raise PageRefusal(404, "not_found")
        share, persona = row
        what = "share.revoked" if persona.account_id == member.id else "share.left"
        append(session, site.vault, what, actor=member.audit_name, subject=share.id)
        session.delete(share)
    if share.accepted_at is not None:
        silence_personas(site, [persona])


def given(session: Session, account_id: str) -> list[Shared]:
    """What an account shares, newest first; links that are over left out."""
    recipient = aliased(Account)
    rows = session.execute(
        select(Share, StoredPersona, recipient.handle)
        .join(StoredPersona, StoredPersona.id == Share.persona_id)
        .outerjoin(recipient, recipient.id == Share.account_id)
        .where(
            StoredPersona.account_id == account_id,
            or_(
                Share.accepted_at.is_not(None),
                Share.created_at > now() - timedelta(days=LINK_DAYS),
            ),
        )
        .order_by(Share.created_at.desc())
    )
    return [
        Shared(share.id, persona, handle, share.accepted_at or share.created_at)
        for share, persona, handle in rows
    ]


def received(session: Session, account_id: str) -> list[Shared]:
    """What is shared with an account, newest first."""
    rows = session.execute(
        select(Share, StoredPersona, Account.handle)
        .join(StoredPersona, StoredPersona.id == Share.persona_id)
        .join(Account, Account.id == StoredPersona.account_id)
        .where(Share.account_id == account_id, Share.accepted_at.is_not(None))
        .order_by(Share.accepted_at.desc())
    )
    return [
        Shared(share.id, persona, handle, share.accepted_at or share.created_at)
        for share, persona, handle in rows
    ]
