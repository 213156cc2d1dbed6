"""Alembic's entry: run the steps on the connection that was handed over."""

from typing import Any, Literal

from alembic import context

from personalign.web.database.base import Instant
from personalign.web.database.tables import METADATA


def _as_it_is_now(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A step tells a column's type by what SQLAlchemy has, not by ours, which may change."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Instant) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=context.config.attributes.get("batch", connection.dialect.name == "sqlite"),
    render_item=_as_it_is_now,
    compare_type=True,
)
context.run_migrations()
