"""What in the database is somebody's: found by foreign keys, so that no table can be forgotten.

A row belongs to an account if it names the account, or if it is part (ON DELETE CASCADE) of a row
that belongs to it. A row that names somebody else is theirs: where it is part of something of
this account (a share's recipient, a study's rater, a moderator's note) it is told of without
what it says, and what is part of it in turn is not told at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ForeignKey, RowMapping, Table, and_, delete, or_, select
from sqlalchemy.orm import Session

from personalign.web.accounts.tables import Account
from personalign.web.database.tables import METADATA

OUTLIVES = {
    "report_note": "what a moderator wrote to a report, without a name",
}
"""Tables whose rows stay, without the account, when it is deleted; and why."""

Key = tuple[Any, ...]
Rows = Mapping[str, list[RowMapping]]


@dataclass(frozen=True)
class Belongings:
    """All rows of one account, by table."""

    own: Rows
    """Its own, with what they say."""
    about_others: Rows
    """Parts of its own that name somebody else."""

    @property
    def ids(self) -> set[Any]:
        """Primary keys of its rows, those that outlive it left out."""
        return {
            row[column.name]
            for name, rows in self.own.items()
            if name not in OUTLIVES
            for row in rows
            for column in METADATA.tables[name].primary_key
            if not column.foreign_keys and not isinstance(row[column.name], int)
        }


def belongings_of(session: Session, account_id: str, *, lock: bool = False) -> Belongings:
    """Gather them.

    lock: whoever else would change one of them waits until the transaction ends. Wholes are locked
    before their parts, as everybody does who locks both.
    """
    root = METADATA.tables[Account.__tablename__]
    own: dict[str, list[RowMapping]] = {}
    others: dict[str, list[RowMapping]] = {}
    for table in METADATA.sorted_tables:  # what others are part of comes first
        if table is root:
            own[root.name] = _rows(session, root, root.c.id == account_id, lock)
            continue
        names = [key.parent for key in table.foreign_keys if key.column.table is root]
        wholes = [key for key in table.foreign_keys if _is_part(key) and own.get(_whole(key))]
        belongs = [name == account_id for name in names]
        belongs += [key.parent.in_(_keys(own[_whole(key)], key.column)) for key in wholes]
        if not belongs:
            continue
        found = _rows(session, table, or_(*belongs), lock)
        for row in found:
            if any(row[name.name] not in (None, account_id) for name in names):
                others.setdefault(table.name, []).append(row)
            elif not _part_of_others(table, row, others):
                own.setdefault(table.name, []).append(row)
    return Belongings(own, others)


def delete_belongings(session: Session, belongings: Belongings) -> None:
    """Delete every row that does not outlive its account, parts before wholes."""
    for table in reversed(METADATA.sorted_tables):
        if table.name in OUTLIVES:
            continue
        for row in belongings.own.get(table.name, []):
            same = [column == row[column.name] for column in table.primary_key]
            session.execute(delete(table).where(and_(*same)))


def _rows(session: Session, table: Table, condition: Any, lock: bool) -> list[RowMapping]:
    query = select(table).where(condition).order_by(*table.primary_key)
    return list(session.execute(query.with_for_update() if lock else query).mappings())


def _part_of_others(table: Table, row: RowMapping, others: Rows) -> bool:
    return any(
        row[key.parent.name] in _keys(others.get(_whole(key), []), key.column)
        for key in table.foreign_keys
        if _is_part(key)
    )


def _is_part(key: ForeignKey) -> bool:
    return key.ondelete == "CASCADE"


def _whole(key: ForeignKey) -> str:
    return key.column.table.name


def _keys(rows: list[RowMapping], column: Column[Any]) -> set[Any]:
    return {row[column.name] for row in rows}
