"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

PageNumber = Annotated[int, Query(alias="page")]
"""?page=3; 1 where it is left out."""


@dataclass(frozen=True)
class Paged:
    """One page of a list."""

    rows: Sequence[Any]
    """What is on it."""
    number: int
    """1 for the first page."""
    pages: int
    """How many there are, at least 1."""
    total: int
    """Rows of all pages."""


def paged(session: Session, query: Select[*tuple[Any, ...]], number: int, size: int) -> Paged:
    """One page of what an ordered query finds; the nearest there is for a number out of range.

    Rows are what the query selects: single values where it selects one thing, else tuples.
    """
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    total = session.scalar(counted) or 0
    pages = max(1, -(-total // size))
    number = min(max(number, 1), pages)
    found = session.execute(query.limit(size).offset((number - 1) * size))
    single = len(query.column_descriptions) == 1
    return Paged(found.scalars().all() if single else found.all(), number, pages, total)
