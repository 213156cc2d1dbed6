"""Invitations: links by which people rate, made by a researcher, kept as hashes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from personalign.web.accounts.sessions import hashed
from personalign.web.database.base import new_id, now
from personalign.web.refusals import PageRefusal
from personalign.web.study.tables import Invitation, Rating, Study

AT_ONCE, MOST = 200, 1000
"""Links made at once, and of one study."""


@dataclass(frozen=True)
class Invited:
    """What a researcher sees of one link."""

    id: str
    number: int
    """What results call the rater."""
    begun: bool
    votes: int
    done: bool
    revoked: datetime | None


def invite(session: Session, study: Study, many: int) -> list[str]:
    """Make links in the caller's transaction; gives their tokens, which nothing else keeps.

    Raises PageRefusal for less than one link, or more than a study may have.
    """
    last = session.scalar(
        select(func.max(Invitation.number)).where(Invitation.study_id == study.id)
    )
    before = last or 0
    if not 1 <= many <= AT_ONCE or before + many > MOST:
        raise PageRefusal(
            400, "too_many_links", many=many, before=before, most=MOST, at_once=AT_ONCE
        )
    tokens = [secrets.token_urlsafe(24) for _ in range(many)]
    for number, token in enumerate(tokens, before + 1):
        session.add(
            Invitation(
                id=new_id(),
                study_id=study.id,
                token_hash=hashed(token),
                number=number,
                created_at=now(),
            )
        )
    return tokens


def invited(session: Session, study: Study) -> list[Invited]:
    """All links of a study, by number."""
    rows = session.execute(
        select(Invitation, func.count(Rating.pair))
        .outerjoin(Rating, Rating.invitation_id == Invitation.id)
        .where(Invitation.study_id == study.id)
        .group_by(Invitation.id)
        .order_by(Invitation.number)
    ).all()
    return [
        Invited(
            id=row.id,
            number=row.number,
            begun=row.opened_at is not None,
            votes=votes,
            done=row.done_at is not None,
            revoked=row.revoked_at,
        )
        for row, votes in rows
    ]


def find(session: Session, token: str, *, lock: bool = False) -> tuple[Invitation, Study] | None:
    """The link of a token and its study; None where there is none or it was revoked.

    lock: until the transaction ends nobody else changes the link, or closes or deletes the study.
    """
    wanted = (
        select(Invitation, Study)
        .join(Study, Study.id == Invitation.study_id)
        .where(Invitation.token_hash == hashed(token), Invitation.revoked_at.is_(None))
    )
    row = session.execute(wanted).first()
    if row is None or not lock:
        return None if row is None else (row[0], row[1])
    # the whole before its part, as deleting goes; each is read again when it is locked
    study = session.get(Study, row[1].id, with_for_update={"read": True})
    invitation = session.get(Invitation, row[0].id, with_for_update=True)
    if study is None or invitation is None or invitation.revoked_at is not None:
        return None
    return invitation, study


def links(session: Session, study: Study, address: str, tokens: Sequence[str]) -> list[str] | None:
    """The addresses to send to raters, each behind what the table and the results call the rater;
    None where a token is none of the study's."""
    rows = select(Invitation.token_hash, Invitation.number).where(Invitation.study_id == study.id)
    numbers = {row.token_hash: row.number for row in session.execute(rows)}
    if not all(hashed(token) in numbers for token in tokens):
        return None
    place = address.rstrip("/")
    return [f"rater-{numbers[hashed(token)]}: {place}/rate/{token}" for token in tokens]
