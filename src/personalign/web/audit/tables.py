"""The audit log, whose entries triggers of the database refuse to change or remove; and what the
scoring by group found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import ID_LENGTH, Base, id_column, sealed_column


class AuditEntry(Base):
    """One thing that happened, chained to the one before."""

    __tablename__ = "audit_entry"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    """1, 2, 3, ... without a gap."""
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(ID_LENGTH))
    """An account's audit name, "system", or "" for somebody unknown."""
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(64))
    """What it was done to: an id, an audit name or, of roles, an account's name for those; "" for
    nothing."""
    details: Mapped[str] = mapped_column(Text)
    """JSON; never an answer, a text or a name of a person."""
    key: Mapped[bytes]
    """Id of the master key that signed it."""
    previous: Mapped[bytes]
    """The MAC of the entry before; 32 zeros for the first."""
    mac: Mapped[bytes]
    """HMAC-SHA256 over everything above."""


class ScoreRun(Base):
    """One scoring of the site's models by group of people: means of groups, nobody's own score."""

    __tablename__ = "score_run"

    id: Mapped[str] = id_column()
    made_at: Mapped[datetime] = mapped_column(index=True)
    data: Mapped[Any] = sealed_column()
    """JSON: a list of scores.py's ModelScores."""
