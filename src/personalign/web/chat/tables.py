"""Conversations that somebody asked to keep."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import Base, id_column, sealed_column


class Conversation(Base):
    """One kept conversation."""

    __tablename__ = "conversation"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    persona_id: Mapped[str | None] = mapped_column(ForeignKey("persona.id", ondelete="SET NULL"))
    model: Mapped[str] = mapped_column(String(256))
    """What this site calls the model that spoke."""
    title: Mapped[Any] = sealed_column()
    """Its first words."""
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(index=True)


class Turn(Base):
    """One thing said in it."""

    __tablename__ = "turn"

    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(primary_key=True)
    """0, 1, 2, ...; what several speakers reply to one question has places of its own."""
    speaker: Mapped[str] = mapped_column(String(16))
    """person, base, mine, mirrored or shared."""
    alpha: Mapped[float | None]
    """The strength it was said with."""
    stopped: Mapped[bool] = mapped_column(default=False)
    """Whether the person stopped it before its end."""
    text: Mapped[Any] = sealed_column()
    said_at: Mapped[datetime]
