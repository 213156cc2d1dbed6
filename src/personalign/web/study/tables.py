"""Studies, their pairs, invitations and votes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import Base, id_column, sealed_column


class Study(Base):
    """One blind study."""

    __tablename__ = "study"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    """The researcher's."""
    title: Mapped[str] = mapped_column(String(200))
    own_answers: Mapped[bool]
    """Whether raters first answer the questionnaire and judge an assistant aligned to them."""
    settings: Mapped[Any] = sealed_column()
    """JSON: prompts, contrasts, seed, model, method, tokens."""
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Invitation(Base):
    """A rater's link."""

    __tablename__ = "invitation"

    id: Mapped[str] = id_column()
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    account_id: Mapped[str | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    """The rater's, once the link was followed signed in; a study without own answers needs none."""
    number: Mapped[int]
    """1, 2, 3, ... within the study: what results call the rater."""
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]


class Pack(Base):
    """The pairs of one person's answers: of the study, or of one rater's own persona."""

    __tablename__ = "pack"

    id: Mapped[str] = id_column()
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    invitation_id: Mapped[str | None] = mapped_column(
        ForeignKey("invitation.id", ondelete="CASCADE"), index=True
    )
    """Whose own pairs these are; None: every rater's."""
    pairs: Mapped[Any] = sealed_column()
    """JSON lines of BlindPair: all a rater is shown."""
    key: Mapped[Any] = sealed_column()
    """JSON of evaluation/blind.py's Key; read only where results are counted."""


class Rating(Base):
    """One rater's vote on one pair."""

    __tablename__ = "rating"

    invitation_id: Mapped[str] = mapped_column(
        ForeignKey("invitation.id", ondelete="CASCADE"), primary_key=True
    )
    pair: Mapped[str] = mapped_column(String(64), primary_key=True)
    vote: Mapped[str] = mapped_column(String(8))
    """A, B or neither."""
    voted_at: Mapped[datetime]
