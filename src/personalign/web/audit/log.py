"""Appending to the audit log, and checking it.

Each entry holds the MAC of the one before, and its own MAC covers both, under a key that is not in
the database: whoever can write to the database alone can neither change an entry, nor take one out,
nor put one in between. That the newest are gone shows in `audit_head`, a sealed copy of the last
MAC; that the whole database was set back to an earlier state shows against a head that somebody
noted outside (`expected`), and in no other way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from personalign.errors import SiteError
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.base import now, seal, unseal
from personalign.web.database.tables import SiteFact
from personalign.web.vault import Vault

SYSTEM, UNKNOWN = "system", ""
"""Actors that are no account: the site itself, and somebody who is not signed in or not named."""

FIRST = bytes(32)
"""What stands for the MAC before the first entry."""

_PURPOSE, _HEAD, _NOTHING = "audit", "audit_head", "0:"
_UNREADABLE = (ValueError, TypeError, AttributeError)
"""What comes of a value that is of no kind its column can have; SQLite keeps such values."""
TURN = "SELECT pg_advisory_xact_lock(7305191)"
"""Waits for PostgreSQL's advisory lock of whoever appends."""


@dataclass(frozen=True)
class Checked:
    """What checking the log found."""

    entries: int
    """Entries that are as they were written, counted from the first."""
    head: str
    """The last good entry as NUMBER:MAC, to be noted outside the database; "0:" for none."""
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

    It follows the head, not the last entry there is: where entries were cut off the end, the gap
    stays for good. details: facts without anything personal: no answers, texts, handles, addresses.
    Raises SiteError where there is no head: then what is to be written down is not done either.
    """
    wait_for_turn(session)
    session.flush()
    head = session.get(SiteFact, _HEAD, populate_existing=True)
    if head is None:
        raise SiteError(
            "The audit log has lost its head (audit_head in site_fact): the database was tampered "
            "with. Restore a backup, and compare its log with a head that was noted."
        )
    number, _, mac = unseal(vault, head, "value").decode().partition(":")
    entry = AuditEntry(
        number=int(number) + 1,
        at=now(),
        actor=actor,
        action=action,
        subject=subject,
        details=json.dumps(details, sort_keys=True, ensure_ascii=False),
        key=vault.keys[0].id,
        previous=bytes.fromhex(mac) or FIRST,
    )
    entry.mac = vault.sign(_PURPOSE, _bytes(entry))
    session.add(entry)
    seal(vault, head, "value", _head(entry))
    session.flush()
    return entry


def wait_for_turn(session: Session) -> None:
    """Wait until nobody else is about to append; it is this transaction's turn until it ends.

    `append` does so itself. What also reads, locks or changes rows waits before it does: a turn
    that somebody waits for while they hold a row, which the one whose turn it is needs, would be a
    deadlock. And what it then reads of accounts stays so, because whoever changes them waits, too.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(TURN))


def begin(session: Session, vault: Vault) -> None:
    """Note the head of an empty log: from now on a log without a head was tampered with."""
    head = SiteFact(name=_HEAD)
    seal(vault, head, "value", _NOTHING)
    session.add(head)


def verify(session: Session, vault: Vault, *, expected: str | None = None) -> Checked:
    """Go through the whole log; names the first entry that is not as it was written.

    expected: a head, NUMBER:MAC, noted earlier; the log must still hold it.
    """
    number, _, mac = (expected or _NOTHING).partition(":")
    if not number.isdigit() or (not mac and number != "0"):
        raise SiteError(f"{expected!r} is no head of a log; it looks like 12:9f86d081...")
    noted = (int(number), mac)
    try:
        found = _walk(session, vault, noted, at_once=1000)
    except _UNREADABLE:  # one by one, to name the one that is no entry at all
        found = _walk(session, vault, noted, at_once=1)
    if found.problem is not None:
        return found
    problem = _end_problem(session, vault, found, noted[0])
    return found if problem is None else replace(found, problem=problem)


def details_of(entry: AuditEntry) -> dict[str, Any]:
    """An entry's details, read."""
    found: dict[str, Any] = json.loads(entry.details)
    return found


def _walk(session: Session, vault: Vault, noted: tuple[int, str], *, at_once: int) -> Checked:
    """Entry after entry until one is wrong; at_once: how many are read together."""
    previous, good, last = FIRST, 0, _NOTHING
    entries = iter(
        session.scalars(
            select(AuditEntry)
            .order_by(AuditEntry.number)
            .execution_options(yield_per=at_once, populate_existing=True)
        )
    )
    while True:
        try:
            entry = next(entries, None)
            if entry is None:
                return Checked(good, last, None)
            problem = _problem(entry, good + 1, previous, vault)
        except _UNREADABLE:
            if at_once > 1:
                raise
            return Checked(good, last, f"Entry {good + 1} cannot be read: it was changed.")
        if problem is None and entry.number == noted[0] and entry.mac.hex() != noted[1]:
            problem = f"Entry {entry.number} is not the one whose MAC was noted."
        if problem is not None:
            return Checked(good, last, problem)
        previous, good, last = entry.mac, entry.number, _head(entry)


def _problem(entry: AuditEntry, number: int, previous: bytes, vault: Vault) -> str | None:
    if entry.number > number:
        return f"Entry {number} is missing; the next one there is has the number {entry.number}."
    if entry.number < number:
        return f"Entry {entry.number} was put in: a log begins with entry 1."
    if entry.previous != previous:
        return f"Entry {number} does not follow the entry before it: one of the two was changed."
    try:
        good = vault.sign(_PURPOSE, _bytes(entry), entry.key) == entry.mac
    except SiteError as error:
        return f"Entry {number} cannot be checked. {error}"
    return None if good else f"Entry {number} was changed after it was written."


def _end_problem(session: Session, vault: Vault, found: Checked, noted: int) -> str | None:
    """What is wrong behind the last good entry: a tail that was cut off, or a head set back."""
    head = session.get(SiteFact, _HEAD, populate_existing=True)
    if head is None:
        return "The sealed copy of the last MAC is gone: entries may have been cut off the end."
    try:
        told = unseal(vault, head, "value").decode()
    except SiteError as error:
        return f"The sealed copy of the last MAC cannot be read. {error}"
    last = max(int(told.partition(":")[0]), noted)
    if last > found.entries:
        first = found.entries + 1
        return f"Entry {first} is missing, the last one of the log is entry {last}."
    if told != found.head:
        return f"The sealed copy of the last MAC is of an earlier state: {told.partition(':')[0]}."
    return None


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
