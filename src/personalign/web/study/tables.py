"""Studies, their pairs, invitations and votes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import Base, id_column, sealed_column

STATES = ("making", "ready", "failed")
"""Whether a study's pairs are being written, are there, or could not be written."""


class Study(Base):
    """One blind study."""

    __tablename__ = "study"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    """The researcher's."""
    title: Mapped[Any] = sealed_column()
    """For the researcher alone: it may say what is compared."""
    told: Mapped[Any] = sealed_column()
    """What raters are told beside the question; may be empty."""
    own_answers: Mapped[bool]
    """Whether raters first answer the questionnaire and judge an assistant aligned to them."""
    settings: Mapped[Any] = sealed_column()
    """JSON of `recipe.Recipe`; of an uploaded study, nothing in it."""
    state: Mapped[str] = mapped_column(String(16))
    """One of STATES."""
    problem: Mapped[Any] = sealed_column(nullable=True)
    """Why its pairs could not be written, a sentence."""
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    key_given_at: Mapped[datetime | None]
    """When the key was first handed out; votes after that are not blind to the researcher."""


class Invitation(Base):
    """A rater's link."""

    __tablename__ = "invitation"
    __table_args__ = (UniqueConstraint("study_id", "number"),)

    id: Mapped[str] = id_column()
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256 of the link's token."""
    browser_hash: Mapped[bytes | None]
    """SHA-256 of the rating cookie of the browser the rater began in."""
    account_id: Mapped[str | None] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    """The rater's, where they were signed in when they began; what they voted goes with it."""
    number: Mapped[int]
    """1, 2, 3, ... within the study: what results call the rater."""
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    """When the rater agreed to take part, and the link became theirs."""
    done_at: Mapped[datetime | None]
    """When the rater said that all votes stand."""
    revoked_at: Mapped[datetime | None]
    """From when on the link leads nowhere; votes given before stay."""


class Pack(Base):
    """The pairs of one person's answers: of the study, or of one rater's own persona."""

    __tablename__ = "pack"

    id: Mapped[str] = id_column()
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    invitation_id: Mapped[str | None] = mapped_column(
        ForeignKey("invitation.id", ondelete="CASCADE"), index=True
    )
    """Whose own pairs these are; None: the study's."""
    place: Mapped[int]
    """0, 1, 2, ...: the study's packs are dealt to raters in turn."""
    pairs: Mapped[Any] = sealed_column()
    """JSON lines of BlindPair: all a rater is shown."""
    key: Mapped[Any] = sealed_column(deferred=True)
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
