"""What every table shares: the declarative base, ids, times in UTC, and sealed columns."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, LargeBinary, MetaData, String, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from personalign.web.vault import About, Vault

ID_LENGTH = 22
"""Characters of an id: 128 random bits, base64. Nobody guesses one; ownership is checked anyway."""


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, with its time zone in Python whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "times have a time zone"
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant}  # noqa: RUF012 (SQLAlchemy's own form)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A fresh id."""
    return secrets.token_urlsafe(16)


def id_column() -> Mapped[str]:
    """A primary key of `new_id`, set when the row is made: sealing needs it."""
    return mapped_column(String(ID_LENGTH), primary_key=True)


def sealed_column(*, nullable: bool = False, deferred: bool = False) -> Mapped[Any]:
    """A column that holds what `seal` gives, and is sealed anew when keys are rotated.

    deferred: read from the database only by who looks at it.
    """
    return mapped_column(LargeBinary, nullable=nullable, deferred=deferred, info={"sealed": True})


def seal(vault: Vault, row: Base, column: str, data: bytes | str | None) -> None:
    """Put data into a sealed column of a row whose primary key is set; None empties it."""
    if data is None:
        setattr(row, column, None)
        return
    plain = data.encode() if isinstance(data, str) else data
    setattr(row, column, vault.seal(plain, *place_of(row, column)))


def unseal(vault: Vault, row: Base, column: str) -> bytes:
    """What a sealed column holds; SiteError where it was changed or moved."""
    return vault.open(getattr(row, column), *place_of(row, column))


def unsealed_text(vault: Vault, row: Base, column: str) -> str:
    """The text of a sealed column, "" where there is none."""
    return "" if getattr(row, column) is None else unseal(vault, row, column).decode()


def place_of(row: Base, column: str) -> list[About]:
    """Where a value stands: its table, its column, its row's primary key."""
    mapper = inspect(type(row))
    keys = [getattr(row, mapper.get_property_by_column(key).key) for key in mapper.primary_key]
    assert all(key is not None for key in keys), "a row is sealed after its primary key is set"
    return [mapper.local_table.name, column, *keys]  # type: ignore[attr-defined]
