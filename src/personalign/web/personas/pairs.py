"""Personas as people see them: made from their answers, beside a mirror image, or shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from personalign.web.accounts.sharing import received
from personalign.web.personas.tables import Alignment, StoredPersona

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Pair:
    """What one alignment made, or the one persona of a share."""

    id: str
    """The alignment's, or the share's."""
    sitting_id: str | None
    """None where the answers were deleted since, and for a share: there they are the owner's."""
    model: str
    method: str
    mine: str
    """Id of the persona made from the answers; of a share, of what is shared."""
    alpha: float
    """The strength chosen for it."""
    mirrored: str | None
    """Id of the one made from their mirror image."""
    made: datetime
    """When; of a share, since when it is one."""
    owner: str | None = None
    """Handle of whoever shares it; None for one's own."""


def pairs_of(session: Session, account_id: str) -> list[Pair]:
    """All of an account's own, newest first."""
    rows = session.execute(
        select(Alignment, StoredPersona)
        .join(StoredPersona, StoredPersona.id == Alignment.persona_id)
        .where(Alignment.account_id == account_id, StoredPersona.account_id == account_id)
        .order_by(StoredPersona.created_at.desc(), Alignment.id)
    ).all()
    return [
        Pair(
            id=made.id,
            sitting_id=made.sitting_id,
            model=made.model,
            method=made.method,
            mine=mine.id,
            alpha=mine.alpha,
            mirrored=made.mirrored_id,
            made=mine.created_at,
        )
        for made, mine in rows
    ]


def shared_with(session: Session, account_id: str) -> list[Pair]:
    """Those that others let an account speak with now, the latest first."""
    return [
        Pair(
            id=share.id,
            sitting_id=None,
            model=share.persona.model,
            method=share.persona.method,
            mine=share.persona.id,
            alpha=share.persona.alpha,
            mirrored=None,
            made=share.since,
            owner=share.handle,
        )
        for share in received(session, account_id)
    ]


def spoken_with(session: Session, account_id: str) -> list[Pair]:
    """All that an account may speak with now: its own, then those shared with it."""
    return [*pairs_of(session, account_id), *shared_with(session, account_id)]


def current(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """The newest of each model, by the model's name; pairs: newest first."""
    newest: dict[str, Pair] = {}
    for pair in pairs:
        newest.setdefault(pair.model, pair)
    return newest


def pair_of(session: Session, account_id: str, number: str) -> Pair | None:
    """The one of an alignment's or a share's id that an account may speak with now, or None."""
    return next((pair for pair in spoken_with(session, account_id) if pair.id == number), None)
