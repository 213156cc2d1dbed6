"""Appending to the audit log, and checking it.

Each entry holds the MAC of the one before, and its own MAC covers both, under a key that is not in
the database: whoever can write to the database alone can neither change an entry, nor take one out,
nor put one in between. That the newest are gone shows in `audit_head`, a sealed copy of the last
MAC; that the whole database was set back to an earlier state shows against a head that somebody
noted outside (`expected`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from personalign.errors import SiteError
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.base import now, seal, unseal
from personalign.web.database.tables import SiteFact
from personalign.web.vault import Vault

SYSTEM, UNKNOWN = "system", ""
"""Actors that are no account: the site itself, and somebody who is not signed in."""

FIRST = bytes(32)
"""What stands for the MAC before the first entry."""

_PURPOSE, _HEAD = "audit", "audit_head"
_LOCK = 7_305_191
"""PostgreSQL's advisory lock of whoever appends."""


@dataclass(frozen=True)
class Checked:
    """What checking the log found."""

    entries: int
    """Entries that are as they were written, counted from the first."""
    head: str
    """The last good entry as NUMBER:MAC, to be noted outside the database."""
    problem: str | None
    """What is wrong with the first bad entry, a sentence; None where nothing is."""


def append(
    session: Session,
    vault: Vault,
    action: str,
    *,
    actor: str = SYSTEM,
    subject: str = "",
    **details: str | int | float | bool | None,
) -> AuditEntry:
    """Add an entry in the caller's transaction: it is kept if, and only if, what it tells is.

    details: facts without anything personal: no answers, texts, handles, addresses.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    session.flush()
    last = session.scalars(select(AuditEntry).order_by(AuditEntry.number.desc()).limit(1)).first()
    entry = AuditEntry(
        number=1 if last is None else last.number + 1,
        at=now(),
        actor=actor,
        action=action,
        subject=subject,
        details=json.dumps(details, sort_keys=True, ensure_ascii=False),
        key=vault.keys[0].id,
        previous=FIRST if last is None else last.mac,
    )
    entry.mac = vault.sign(_PURPOSE, _bytes(entry))
    session.add(entry)
    head = session.get(SiteFact, _HEAD) or SiteFact(name=_HEAD)
    seal(vault, head, "value", _head(entry))
    session.add(head)
    session.flush()
    return entry


def verify(session: Session, vault: Vault, *, expected: str | None = None) -> Checked:
    """Go through the whole log; names the first entry that is not as it was written.

    expected: a head, NUMBER:MAC, noted earlier; the log must still hold it.
    """
    previous, good, last = FIRST, 0, "0:"
    noted: dict[int, str] = {}
    if expected is not None:
        number, _, mac = expected.partition(":")
        if not number.isdigit() or not mac:
            raise SiteError(f"{expected!r} is no head of a log; it looks like 12:9f86d081...")
        noted[int(number)] = mac
    for entry in _entries(session):
        problem = _problem(entry, good + 1, previous, vault)
        if problem is None and noted.get(entry.number, entry.mac.hex()) != entry.mac.hex():
            problem = f"Entry {entry.number} is not the one whose MAC was noted."
        if problem is not None:
            return Checked(good, last, problem)
        previous, good, last = entry.mac, entry.number, _head(entry)
    head = session.get(SiteFact, _HEAD)
    told = "0:" if head is None else unseal(vault, head, "value").decode()
    if told != last or any(number > good for number in noted):
        missing = max([int(told.partition(":")[0]), *noted])
        return Checked(good, last, f"Entries {good + 1} to {missing} are gone.")
    return Checked(good, last, None)


def details_of(entry: AuditEntry) -> dict[str, Any]:
    """An entry's details, read."""
    found: dict[str, Any] = json.loads(entry.details)
    return found


def _entries(session: Session) -> Iterator[AuditEntry]:
    yield from session.scalars(
        select(AuditEntry)
        .order_by(AuditEntry.number)
        .execution_options(yield_per=1000, populate_existing=True)
    )


def _problem(entry: AuditEntry, number: int, previous: bytes, vault: Vault) -> str | None:
    if entry.number != number:
        return f"Entry {number} is missing; entry {entry.number} follows entry {number - 1}."
    if entry.previous != previous:
        return f"Entry {number} does not follow the entry before it: one of the two was changed."
    try:
        good = vault.sign(_PURPOSE, _bytes(entry), entry.key) == entry.mac
    except SiteError as error:
        return f"Entry {number} cannot be checked. {error}"
    return None if good else f"Entry {number} was changed after it was written."


def _head(entry: AuditEntry) -> str:
    return f"{entry.number}:{entry.mac.hex()}"


def _bytes(entry: AuditEntry) -> bytes:
    """What an entry's MAC covers."""
    parts = [
        entry.number,
        entry.at.isoformat(timespec="microseconds"),
        entry.actor,
        entry.action,
        entry.subject,
        entry.details,
        entry.key.hex(),
        entry.previous.hex(),
    ]
    return json.dumps(parts, ensure_ascii=False).encode()


GUARDS = {
    "sqlite": (
        "CREATE TRIGGER audit_entry_{what} BEFORE {WHAT} ON audit_entry "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION audit_entry_stays() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE TRIGGER audit_entry_{what} BEFORE {WHAT} ON audit_entry "
        "FOR EACH ROW EXECUTE FUNCTION audit_entry_stays()",
    ),
}
"""Statements, per kind of database, that make it refuse to change or remove an entry."""


def guards(dialect: str) -> list[str]:
    """The statements of a kind of database, in order."""
    return [
        statement.format(what=what.lower(), WHAT=what)
        for what in ("UPDATE", "DELETE")
        for statement in GUARDS[dialect]
    ]
