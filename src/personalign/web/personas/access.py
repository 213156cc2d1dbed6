"""Which personas somebody may speak as: their own, and those that were shared with them, now.

Asked anew for every reply, so that a share that is revoked ends with it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from personalign.web.accounts.tables import Account, Share
from personalign.web.personas.tables import StoredPersona


def personas_for(session: Session, account_id: str) -> list[tuple[StoredPersona, str | None]]:
    """The personas an account may speak as, newest first, own ones in front.

    Each with the handle of whoever shared it, None for the account's own.
    """
    rows = session.execute(
        select(StoredPersona, Account.handle)
        .join(Account, Account.id == StoredPersona.account_id)
        .where(spoken_by(account_id))
        .order_by(StoredPersona.created_at.desc(), StoredPersona.id)
    ).all()
    told = [(row, None if row.account_id == account_id else handle) for row, handle in rows]
    return sorted(told, key=lambda one: one[1] is not None)


def may_speak(session: Session, account_id: str, persona_id: str) -> bool:
    """Whether there is a persona of this id and the account may speak as it."""
    allowed = StoredPersona.id == persona_id, spoken_by(account_id)
    return session.scalar(select(StoredPersona.id).where(*allowed)) is not None


def own_persona(session: Session, account_id: str, persona_id: str) -> StoredPersona | None:
    """A persona by its id if it is the account's own, else None."""
    return session.scalars(
        select(StoredPersona).where(
            StoredPersona.id == persona_id, StoredPersona.account_id == account_id
        )
    ).one_or_none()


def spoken_by(account_id: str | Select[Any]) -> ColumnElement[bool]:
    """The condition that a persona is an account's own, or shared with it.

    account_id: an id, or a query for one.
    """
    account: Any = account_id if isinstance(account_id, str) else account_id.scalar_subquery()
    shared = select(Share.persona_id).where(
        Share.account_id == account, Share.accepted_at.is_not(None)
    )
    return or_(StoredPersona.account_id == account, StoredPersona.id.in_(shared))
