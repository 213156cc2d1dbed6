"""Reports and the moderators' notes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import ID_LENGTH, Base, id_column, sealed_column

CATEGORIES = ("harmful", "hateful", "sexual", "false", "private", "echo", "other")
"""What may be wrong with a reply; echo: it only tells people what they think already."""

SPEAKERS = ("base", "mine", "mirrored", "other")
"""Who said it: the model as it is, the reporter's persona, its mirror image, another persona
(a view, or one shared with them)."""

STATUSES = ("open", "in_review", "closed")
OUTCOMES = ("no_action", "persona_removed", "model_changed", "escalated")
"""How a closed report ended."""


class Report(Base):
    """One reply somebody reported, with the words they chose to hand over."""

    __tablename__ = "report"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    """Who reported it; moderators are not shown it."""
    model: Mapped[str] = mapped_column(String(256))
    speaker: Mapped[str] = mapped_column(String(16))
    """One of SPEAKERS."""
    alpha: Mapped[float | None]
    category: Mapped[str] = mapped_column(String(16), index=True)
    prompt: Mapped[Any] = sealed_column()
    reply: Mapped[Any] = sealed_column()
    comment: Mapped[Any] = sealed_column(nullable=True)
    status: Mapped[str] = mapped_column(String(16), index=True)
    """One of STATUSES."""
    outcome: Mapped[str | None] = mapped_column(String(32))
    """One of OUTCOMES where it is closed."""
    reviewer_id: Mapped[str | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    """The moderator who took it into review."""
    audit_name: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    """What the audit log calls this report; once it is deleted, nobody knows which it was."""
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class ReportNote(Base):
    """What a moderator wrote to a report, for the other moderators."""

    __tablename__ = "report_note"

    id: Mapped[str] = id_column()
    report_id: Mapped[str] = mapped_column(ForeignKey("report.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[str | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    text: Mapped[Any] = sealed_column()
    written_at: Mapped[datetime]
