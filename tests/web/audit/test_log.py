"""The audit log notices whatever is done to it, names the first entry, and appends from any thread.

The database's own guards refuse to change an entry; the attacker of these tests takes them off
first, knows everything but the site's key, and edits rows and the head as they please.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from personalign.errors import SiteError
from personalign.web.audit.log import Checked, append, details_of, guards, verify
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.migrate import bring_up
from personalign.web.database.open import Database
from personalign.web.database.tables import SiteFact
from personalign.web.vault import Vault, new_key

ENTRY, FACT = AuditEntry.__table__, SiteFact.__table__
HEAD = FACT.c.name == "audit_head"


@pytest.fixture
def vault() -> Vault:
    return Vault([new_key()])


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[Database]:
    """A database with tables and nothing in them."""
    database = Database(database_url)
    bring_up(database, Vault([new_key()]))
    yield database
    database.close()


@pytest.fixture
def database(opened: Database, vault: Vault) -> Database:
    """The same, of this test's key, with six entries in the log."""
    with attack(opened) as rows:
        rows.execute(ENTRY.delete())
        rows.execute(FACT.delete())
    bring_up(opened, vault)
    with opened.writing() as session:
        for number in range(1, 7):
            append(session, vault, "thing.done", subject=f"thing {number}", place=number)
    return opened


@contextmanager
def attack(database: Database) -> Iterator[Connection]:
    """A connection to a database whose guards are off for the moment."""
    dialect = database.engine.dialect.name
    on = "" if dialect == "sqlite" else " ON audit_entry"
    with database.engine.execution_options(writes=True).begin() as rows:
        for what in ("update", "delete"):
            rows.execute(text(f"DROP TRIGGER audit_entry_{what}{on}"))
        yield rows
        for statement in guards(dialect):
            rows.execute(text(statement))


def checked(database: Database, vault: Vault, expected: str | None = None) -> Checked:
    with database.reading() as session:
        return verify(session, vault, expected=expected)


def entries_of(rows: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in rows.execute(select(ENTRY).order_by(ENTRY.c.number)).mappings()]


def write_over(rows: Connection, entries: list[dict[str, Any]]) -> None:
    rows.execute(ENTRY.delete())
    if entries:
        rows.execute(insert(ENTRY), entries)


def test_what_is_written_is_read_and_good(database: Database, vault: Vault) -> None:
    found = checked(database, vault)
    assert (found.entries, found.problem) == (6, None)
    assert found.head.startswith("6:") and checked(database, vault, found.head) == found
    with database.reading() as session:
        entry = session.get_one(AuditEntry, 3)
    assert (entry.actor, entry.subject, details_of(entry)) == ("system", "thing 3", {"place": 3})


def test_an_empty_log_is_good_and_its_head_can_be_noted(opened: Database, vault: Vault) -> None:
    with attack(opened) as rows:
        rows.execute(ENTRY.delete())
        rows.execute(FACT.delete())
    bring_up(opened, vault)
    assert checked(opened, vault) == checked(opened, vault, "0:") == Checked(0, "0:", None)
    for wrong in ("12", "twelve:00"):
        with pytest.raises(SiteError, match="looks like"):
            checked(opened, vault, wrong)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET actor = ''", "DELETE FROM audit_entry"]
)
def test_the_database_refuses_to_change_an_entry(
    database: Database, vault: Vault, statement: str
) -> None:
    with (
        pytest.raises(DBAPIError, match="append-only"),
        database.engine.execution_options(writes=True).begin() as rows,
    ):
        rows.execute(text(statement))
    assert checked(database, vault).entries == 6


@pytest.mark.parametrize("column", [column.name for column in ENTRY.columns])
def test_a_changed_field_is_found(database: Database, vault: Vault, column: str) -> None:
    with attack(database) as rows:
        old = entries_of(rows)[3][column]
        new: Any = f"{old}x"
        if isinstance(old, bytes):
            new = bytes([old[0] ^ 1]) + old[1:]
        elif column == "number":
            new = 40
        elif column == "at":
            new = old.replace(microsecond=(old.microsecond + 1) % 1_000_000)
        rows.execute(update(ENTRY).where(ENTRY.c.number == 4).values({column: new}))
    found = checked(database, vault)
    assert found.entries == 3 and found.problem is not None
    assert found.problem.startswith("Entry 4 ")


def test_a_value_of_no_kind_is_found(database: Database, vault: Vault) -> None:
    """SQLite keeps what a column cannot hold; PostgreSQL refuses it."""
    if not database.sqlite:
        pytest.skip("PostgreSQL refuses such a value itself")
    for column, value in (("at", "yesterday"), ("details", b"\xff"), ("key", "text")):
        with attack(database) as rows:
            before = entries_of(rows)
            rows.execute(
                text(f"UPDATE audit_entry SET {column} = :value WHERE number = 5"), {"value": value}
            )
        found = checked(database, vault)
        assert found.entries == 4 and (found.problem or "").startswith("Entry 5 ")
        with attack(database) as rows:
            write_over(rows, before)


def swapped(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries 3 and 5 in each other's place."""
    third, fifth = entries[2] | {"number": 5}, entries[4] | {"number": 3}
    return [*entries[:2], fifth, entries[3], third, entries[5]]


def squeezed_in(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy of entry 2 as a new entry 3, the later ones moved on."""
    later = [entry | {"number": entry["number"] + 1} for entry in entries[2:]]
    return [*entries[:2], entries[1] | {"number": 3}, *later]


def closed_up(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entry 3 taken out, the later ones moved up and chained to entry 2."""
    later = [entry | {"number": entry["number"] - 1} for entry in entries[3:]]
    later[0]["previous"] = entries[1]["mac"]
    return [*entries[:2], *later]


def put_in_front(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entries[0] | {"number": 0}, *entries]


def added(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A seventh entry without the key: chained well, signed with anything."""
    return [*entries, entries[5] | {"number": 7, "previous": entries[5]["mac"]}]


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        (lambda entries: [*entries[:2], *entries[3:]], 3),  # out of the middle
        (lambda entries: entries[1:], 1),  # the first
        (lambda entries: entries[:-1], 6),  # the last
        (lambda entries: entries[:3], 4),  # a tail
        (lambda entries: [], 1),  # all of it
        (swapped, 3),
        (squeezed_in, 3),
        (closed_up, 3),
        (put_in_front, 0),
        (added, 7),
    ],
)
def test_what_is_taken_out_put_in_or_swapped_is_found(
    database: Database,
    vault: Vault,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    first_bad: int,
) -> None:
    with attack(database) as rows:
        write_over(rows, change(entries_of(rows)))
    found = checked(database, vault)
    assert found.problem is not None and found.problem.startswith(f"Entry {first_bad} ")
    assert found.entries == max(first_bad - 1, 0)


def test_a_cut_tail_is_not_healed_by_what_comes_after(database: Database, vault: Vault) -> None:
    with attack(database) as rows:
        write_over(rows, entries_of(rows)[:4])
    with database.writing() as session:
        append(session, vault, "thing.done")
    found = checked(database, vault)
    assert found.entries == 4 and (found.problem or "").startswith("Entry 5 is missing")


def test_a_head_that_is_gone_spoilt_or_set_back_is_found(database: Database, vault: Vault) -> None:
    with attack(database) as rows:
        old = rows.execute(select(FACT.c.value).where(HEAD)).scalar_one()
    with database.writing() as session:
        append(session, vault, "thing.done")
    for value, told in ((old, "earlier state"), (old[:-1] + b"?", "cannot be read")):
        with attack(database) as rows:
            rows.execute(update(FACT).where(HEAD).values(value=value))
        found = checked(database, vault)
        assert found.entries == 7 and told in (found.problem or "")
    with attack(database) as rows:
        rows.execute(FACT.delete().where(HEAD))
    assert "is gone" in (checked(database, vault).problem or "")
    with pytest.raises(SiteError, match="lost its head"), database.writing() as session:
        append(session, vault, "thing.done")


def test_a_restored_old_copy_is_found_against_a_noted_head(
    database: Database, vault: Vault
) -> None:
    """An earlier state, whole with its head, is good in itself; only what was noted tells."""
    with attack(database) as rows:
        entries, facts = entries_of(rows), [dict(r) for r in rows.execute(select(FACT)).mappings()]
    with database.writing() as session:
        append(session, vault, "thing.done")
        append(session, vault, "thing.done")
    noted = checked(database, vault).head
    with attack(database) as rows:
        write_over(rows, entries)
        rows.execute(FACT.delete())
        rows.execute(insert(FACT), facts)
    assert checked(database, vault).problem is None
    found = checked(database, vault, noted)
    assert found.entries == 6 and "Entry 7 is missing" in (found.problem or "")
    with database.writing() as session:  # and it goes on differently
        append(session, vault, "other.done")
        append(session, vault, "other.done")
    found = checked(database, vault, noted)
    assert found.entries == 7 and (found.problem or "").startswith("Entry 8 ")


def test_an_entry_is_kept_only_with_what_it_tells(database: Database, vault: Vault) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        append(session, vault, "thing.done")
        raise ZeroDivisionError
    assert checked(database, vault).entries == 6


def test_appending_from_many_threads_leaves_one_whole_chain(
    database: Database, vault: Vault
) -> None:
    problems: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for turn in range(8):
                with database.writing() as session:
                    append(session, vault, "thing.done", subject=f"{name}/{turn}")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    found = checked(database, vault)
    assert (found.entries, found.problem) == (6 + 6 * 8, None)
    with database.reading() as session:
        assert session.scalar(select(func.count(func.distinct(AuditEntry.subject)))) == 6 + 6 * 8


def test_checking_while_others_append_finds_nothing_wrong(database: Database, vault: Vault) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with database.writing() as session:
                append(session, vault, "thing.done")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [checked(database, vault) for _ in range(10)]
    finally:
        stop.set()
        thread.join(60)
    assert [one.problem for one in found] == [None] * 10


def test_keys_rotated_in_between_leave_the_chain_good(database: Database, vault: Vault) -> None:
    both = Vault([new_key(), *vault.keys])
    with database.writing() as session:
        append(session, both, "thing.done")
    assert checked(database, both) == Checked(7, checked(database, both).head, None)
    with database.reading() as session:
        assert len(set(session.scalars(select(AuditEntry.key)))) == 2
    newest = Vault(both.keys[:1])
    assert "Entry 1 cannot be checked" in (checked(database, newest).problem or "")


def test_another_key_finds_every_entry_bad(database: Database) -> None:
    assert checked(database, Vault([new_key()])).entries == 0
