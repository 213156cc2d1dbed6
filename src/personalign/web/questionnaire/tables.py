"""Consents, sittings and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import Base, id_column, sealed_column

FORMS = ("120", "300", "adaptive")
"""What can be taken: the short form, the whole inventory, or as many items as are needed."""


class Consent(Base):
    """That somebody agreed to a version of the text; a withdrawal ends it."""

    __tablename__ = "consent"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    version: Mapped[str] = mapped_column(String(32))
    language: Mapped[str] = mapped_column(String(16))
    given_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class Sitting(Base):
    """One filling-in of a questionnaire."""

    __tablename__ = "sitting"

    id: Mapped[str] = id_column()
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    form: Mapped[str] = mapped_column(String(16))
    """One of FORMS."""
    language: Mapped[str] = mapped_column(String(16))
    """Of the items: one sitting is of one wording."""
    about: Mapped[Any] = sealed_column(nullable=True)
    """JSON: sex and age for the norms, where they were given."""
    put: Mapped[Any] = sealed_column(nullable=True)
    """JSON, of the adaptive form: its pages so far, each a list of item numbers. Sealed, because
    what is asked next tells what was answered before."""
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Answer(Base):
    """One item's answer in one sitting; the newest counts."""

    __tablename__ = "answer"

    sitting_id: Mapped[str] = mapped_column(
        ForeignKey("sitting.id", ondelete="CASCADE"), primary_key=True
    )
    item: Mapped[int] = mapped_column(primary_key=True)
    """Its number among the 300."""
    value: Mapped[Any] = sealed_column()
    """Response 1 to 5, as ticked; "0" where it was left out on purpose."""
    answered_at: Mapped[datetime]
