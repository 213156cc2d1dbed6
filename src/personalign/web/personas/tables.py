"""Personas and the alignments that make them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import Base, id_column, sealed_column

KINDS = ("mine", "mirrored")
"""Made from the answers, or from their mirror image (every trait turned round)."""

FAILURES = ("restarted", "broken", "withdrawn")
"""Failures that the site tells in its own words: the server was restarted; a mistake of ours; the
consent was taken back."""


class StoredPersona(Base):
    """A persona, sealed."""

    __tablename__ = "persona"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    sitting_id: Mapped[str | None] = mapped_column(
        ForeignKey("sitting.id", ondelete="SET NULL"), index=True
    )
    kind: Mapped[str] = mapped_column(String(16))
    """One of KINDS."""
    model: Mapped[str] = mapped_column(String(256))
    """What this site calls the model it is for."""
    method: Mapped[str] = mapped_column(String(64))
    alpha: Mapped[float]
    """The strength the search chose."""
    data: Mapped[Any] = sealed_column()
    """The persona's files."""
    created_at: Mapped[datetime]


class Alignment(Base):
    """A persona and its mirror image being made, or how that ended."""

    __tablename__ = "alignment"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    sitting_id: Mapped[str | None] = mapped_column(ForeignKey("sitting.id", ondelete="SET NULL"))
    """None where the answers were deleted since; the personas stay until they are, too."""
    model: Mapped[str] = mapped_column(String(256))
    method: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), index=True)
    """queued, running, done or failed."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why it failed: one of FAILURES, or a sentence."""
    persona_id: Mapped[str | None] = mapped_column(ForeignKey("persona.id", ondelete="SET NULL"))
    mirrored_id: Mapped[str | None] = mapped_column(ForeignKey("persona.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
