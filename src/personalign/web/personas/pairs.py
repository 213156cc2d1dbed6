"""Somebody's personas as they see them: made from their answers, with the mirror image beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from personalign.web.personas.tables import Alignment, StoredPersona

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Pair:
    """What one alignment made."""

    id: str
    """The alignment's."""
    sitting_id: str
    model: str
    method: str
    mine: str
    """Id of the persona made from the answers."""
    alpha: float
    """The strength chosen for it."""
    mirrored: str | None
    """Id of the one made from their mirror image."""
    made: datetime


def pairs_of(session: Session, account_id: str) -> list[Pair]:
    """All of an account, newest first."""
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


def current(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """The newest of each model, by the model's name; pairs: newest first."""
    newest: dict[str, Pair] = {}
    for pair in pairs:
        newest.setdefault(pair.model, pair)
    return newest


def pair_of(session: Session, account_id: str, number: str) -> Pair | None:
    """The one of an alignment's id; None where there is none, or it is not theirs."""
    return next((pair for pair in pairs_of(session, account_id) if pair.id == number), None)
