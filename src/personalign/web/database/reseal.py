"""Sealing anew, under the newest key, whatever an older one sealed: every column, in batches.

Each batch is a transaction of its own, so that a running site goes on in between, and what was
interrupted goes on where it stopped. Rows that somebody else is changing are left for the next
pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Table, func, select, text, tuple_
from sqlalchemy.orm import Session

from personalign.errors import SiteError
from personalign.web.audit.log import wait_for_turn
from personalign.web.database.open import Database
from personalign.web.database.tables import METADATA
from personalign.web.vault import Vault, key_of, sealed_by

BATCH = 500
"""Rows sealed anew in one transaction: some milliseconds, for which others wait."""

PASSES = 10
"""Times that the tables are gone through for what was written in the meantime."""

KEY_PART = len(sealed_by(b"\0\0\0\0"))
"""Bytes of a sealed value that name its key."""


def sealed_columns() -> list[tuple[Table, Column[Any]]]:
    """Every sealed column of every table."""
    return [
        (table, column)
        for table in METADATA.sorted_tables
        for column in table.columns
        if column.info.get("sealed")
    ]


def sealed_with(
    session: Session, columns: Sequence[tuple[Table, Column[Any]]] | None = None
) -> Counter[bytes]:
    """Id of a master key -> how many values it sealed; in these columns, or in all."""
    found: Counter[bytes] = Counter()
    for _table, column in sealed_columns() if columns is None else columns:
        by = func.substr(column, 1, KEY_PART)
        rows = session.execute(select(by, func.count()).where(column.is_not(None)).group_by(by))
        for begins, count in rows:
            found[key_of(bytes(begins))] += count
    return found


def reseal(
    database: Database,
    vault: Vault,
    *,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> int:
    """Seal everything anew that the newest key did not seal; how many values.

    progress: called with values done, and values there were to do.
    Raises SiteError for a value that does not open, and where others keep writing with an old key.
    """
    newest, done = vault.keys[0].id, 0
    for _ in range(PASSES):
        with database.reading() as session:
            old = sealed_with(session)
        left = old.total() - old[newest]
        if left == 0:
            return done
        for table, column in sealed_columns():
            for count in _column(database, vault, table, column):
                done += count
                progress(done, max(done, left))
    raise SiteError(
        f"{left} values are sealed with an older key still, because a server keeps writing with "
        "it. Restart the server, so that it knows the new key, and run the command again."
    )


@contextmanager
def nobody_writes(database: Database) -> Iterator[Session]:
    """A transaction during which nobody else writes a sealed value."""
    with database.writing() as session:
        wait_for_turn(session)
        if not database.sqlite:
            names = ", ".join(sorted({table.name for table, _ in sealed_columns()}))
            session.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
        yield session


def _column(database: Database, vault: Vault, table: Table, column: Column[Any]) -> Iterator[int]:
    """Go through one column once; gives how many values each batch sealed anew."""
    keys = list(table.primary_key.columns)
    stale = select(*keys, column).where(
        column.is_not(None), func.substr(column, 1, KEY_PART) != sealed_by(vault.keys[0].id)
    )
    stale = stale.order_by(*keys).limit(BATCH).with_for_update(skip_locked=True)
    after: tuple[Any, ...] | None = None
    while True:
        batch = stale if after is None else stale.where(tuple_(*keys) > tuple_(*after))
        with database.writing() as session:
            rows = session.execute(batch).all()
            for row in rows:
                *key, sealed = row
                place = (table.name, column.name, *key)
                fresh = vault.seal(vault.open(bytes(sealed), *place), *place)
                same = [one == value for one, value in zip(keys, key, strict=True)]
                session.execute(table.update().where(*same).values({column.name: fresh}))
        if not rows:
            return
        after = tuple(rows[-1])[:-1]
        yield len(rows)
