"""Conversations that somebody asked to keep: sealed into the database, read back, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from personalign.web.chat.tables import Conversation, Turn
from personalign.web.chat.talks import Reply, Round, Talk
from personalign.web.database.base import new_id, now, seal, unsealed_text
from personalign.web.personas.pairs import spoken_with

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from personalign.web.vault import Vault

TITLE = 60
"""Characters of the first question that name a conversation."""


@dataclass(frozen=True)
class Kept:
    """A kept conversation in a list."""

    id: str
    title: str
    changed: datetime


def keep(session: Session, vault: Vault, talk: Talk, persona_id: str | None) -> Conversation:
    """Put a conversation into the database, whole, in the caller's transaction."""
    first = talk.rounds[0].question
    row = Conversation(
        id=new_id(),
        account_id=talk.account_id,
        persona_id=persona_id,
        model=talk.model,
        created_at=now(),
        changed_at=now(),
    )
    seal(vault, row, "title", first if len(first) <= TITLE else first[: TITLE - 1] + "…")
    session.add(row)
    session.flush()
    add_rounds(session, vault, row, talk.rounds)
    return row


def add_rounds(
    session: Session, vault: Vault, conversation: Conversation, rounds: Sequence[Round]
) -> None:
    """Put more rounds at a kept conversation's end; replies that failed are left out.

    conversation: locked (`conversation_of`), or made in the same transaction.
    """
    last = session.scalar(
        select(func.max(Turn.place)).where(Turn.conversation_id == conversation.id)
    )
    place = -1 if last is None else last
    for round_ in rounds:
        asked = Reply("person", round_.question)
        for said in (asked, *(one for one in round_.replies if one.problem is None)):
            place += 1
            turn = Turn(
                conversation_id=conversation.id,
                place=place,
                speaker=said.speaker,
                alpha=said.alpha,
                stopped=said.stopped,
                said_at=now(),
            )
            seal(vault, turn, "text", said.text)
            session.add(turn)
    conversation.changed_at = now()


def rounds_of(session: Session, vault: Vault, conversation: Conversation) -> list[Round]:
    """What was said in a kept conversation."""
    turns = session.scalars(
        select(Turn).where(Turn.conversation_id == conversation.id).order_by(Turn.place)
    ).all()
    number, numbered = 0, []
    for turn in turns:
        number += turn.speaker == "person"
        numbered.append((number, turn))
    rounds = []
    for _, group in groupby(numbered, key=lambda pair: pair[0]):
        asked, *said = [turn for _, turn in group]
        replies = (
            Reply(t.speaker, unsealed_text(vault, t, "text"), t.alpha, stopped=t.stopped)
            for t in said
        )
        rounds.append(Round(unsealed_text(vault, asked, "text"), tuple(replies)))
    return rounds


def conversation_of(
    session: Session, account_id: str, number: str, *, lock: bool = False
) -> Conversation | None:
    """Somebody's kept conversation; None where there is none, or it is not theirs.

    lock: nobody else adds to it or deletes it until the transaction ends.
    """
    own = select(Conversation).where(
        Conversation.id == number, Conversation.account_id == account_id
    )
    return session.scalar(own.with_for_update() if lock else own)


def pair_id_of(session: Session, conversation: Conversation) -> str:
    """Id of the pair whose personas spoke; "" where they are gone, or no longer shared."""
    everything = spoken_with(session, conversation.account_id)
    return next((one.id for one in everything if one.mine == conversation.persona_id), "")


def all_kept(session: Session, vault: Vault, account_id: str) -> list[Kept]:
    """Somebody's kept conversations, the latest first."""
    rows = session.scalars(
        select(Conversation)
        .where(Conversation.account_id == account_id)
        .order_by(Conversation.changed_at.desc())
    )
    return [Kept(row.id, unsealed_text(vault, row, "title"), row.changed_at) for row in rows]
