"""Accounts and what belongs to signing in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.database.base import ID_LENGTH, Base, id_column, sealed_column

ROLES = ("rater", "researcher", "moderator", "admin")
"""What an account may be beside a person: votes on pairs; runs studies; works on reports; gives
roles and reads the audit log. An admin may not read anybody's answers, personas or chats."""


class Account(Base):
    """Somebody who signed up, and whom nothing here names."""

    __tablename__ = "account"

    id: Mapped[str] = id_column()
    handle: Mapped[str] = mapped_column(String(64), unique=True)
    """Random words others see, as quiet-heron-41."""
    lookup: Mapped[bytes | None] = mapped_column(unique=True)
    """Signed first words of the phrase, by which the account is found; None with OIDC."""
    phrase_hash: Mapped[str | None] = mapped_column(String(256))
    """Argon2id of the whole phrase; None with OIDC."""
    oidc_subject: Mapped[bytes | None] = mapped_column(unique=True)
    """Signed issuer and subject of OpenID Connect; None with a phrase."""
    language: Mapped[str] = mapped_column(String(16))
    audit_name: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    """What the audit log calls this account, but for its roles; once the account is deleted, nobody
    knows whose it was."""
    role_name: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    """What the audit log calls it where an admin, who knows its handle, gives or takes a role."""
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """When it last came, to the day."""


class AccountRole(Base):
    """One role of one account."""

    __tablename__ = "account_role"

    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(String(16), primary_key=True)


class BrowserSession(Base):
    """A browser that is signed in."""

    __tablename__ = "browser_session"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of the cookie."""
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKey(Base):
    """A key of the OpenAI-compatible API that speaks as its owner's personas, and no others."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    """12 hexadecimal digits, part of the key itself."""
    account_id: Mapped[str] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[Any] = sealed_column()
    """What its owner calls it."""
    hash: Mapped[str] = mapped_column(String(64))
    """Hex SHA-256 of the secret, as in server/keys.py."""
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Share(Base):
    """A persona that its owner lets another account speak with."""

    __tablename__ = "share"
    __table_args__ = (UniqueConstraint("persona_id", "account_id"),)

    id: Mapped[str] = id_column()
    persona_id: Mapped[str] = mapped_column(
        ForeignKey("persona.id", ondelete="CASCADE"), index=True
    )
    account_id: Mapped[str | None] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    """Who may; None until the link is followed."""
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the link's token; None once it was followed."""
    created_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
