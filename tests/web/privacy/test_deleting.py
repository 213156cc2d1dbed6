"""Who deletes everything is gone: from every table, the file's bytes, the memory, the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from personalign.server.engine import Engine
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import verify
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.tables import METADATA
from personalign.web.personas.served import api_name
from personalign.web.privacy.belongings import OUTLIVES, belongings_of
from tests.server.live import call
from tests.web.conftest import LiveSite
from tests.web.people import SECRET, use_everything
from tests.web.visiting import Person, words_of

NOBODYS = {"site_fact", "audit_entry", "score_run"}
"""Tables that hold nothing of anybody, nothing but audit names, or means of groups."""


def everything_kept(live: LiveSite) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    with live.site.database.reading() as session:
        return {
            table.name: [dict(row) for row in session.execute(select(table)).mappings()]
            for table in METADATA.sorted_tables
        }


def delete(live: LiveSite, person: Person) -> None:
    person.get("/account/delete")
    assert "is deleted" in words_of(person.post("/account/delete", phrase=person.phrase))


def test_nothing_is_left_in_any_table(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    account, other = live.account_of(ann), live.account_of(ben)
    use_everything(live.site, account.id, other.id)
    with live.site.database.reading() as session:
        theirs = belongings_of(session, account.id)
        bens = belongings_of(session, other.id)
    missing = set(METADATA.tables) - NOBODYS - set(theirs.own)
    assert not missing, f"{missing} hold nothing of somebody who used everything: extend people.py"
    delete(live, ann)
    own = {account.id, account.handle, account.audit_name, account.lookup, account.phrase_hash}
    for name, rows in everything_kept(live).items():
        for row in rows:
            for column, value in row.items():
                if name == "audit_entry" and column in ("actor", "subject"):
                    continue  # by its audit name, which nothing ties to it any more
                assert value not in own | theirs.ids, (name, column)
    with live.site.database.reading() as session:
        after = belongings_of(session, other.id)
        assert verify(session, live.site.vault).problem is None
    for name, rows in bens.own.items():  # and nobody else lost anything, but what hung on it
        hung = {"share", "invitation", "rating", "pack", "report_note"}
        assert name in hung or len(after.own.get(name, [])) == len(rows), name


def test_what_outlives_it_names_nobody(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    account, other = live.account_of(ann), live.account_of(ben)
    use_everything(live.site, account.id, other.id)
    with live.site.database.reading() as session:
        rows = belongings_of(session, account.id).own
    notes = {row["id"] for row in rows["report_note"]}
    gone = {name: {row["id"] for row in rows[name]} for name in ("invitation", "pack")}
    delete(live, ann)
    kept = everything_kept(live)
    left = [row for row in kept["report_note"] if row["id"] in notes]
    assert left and all(row["account_id"] is None for row in left)
    for name, ids in gone.items():
        assert ids and not any(row["id"] in ids for row in kept[name]), "raters are told so"
    assert not any(row["invitation_id"] in gone["invitation"] for row in kept["rating"])
    assert set(OUTLIVES) == {"report_note"}


def test_its_bytes_are_gone_from_the_file(live: LiveSite) -> None:
    file = live.site.database.file
    if file is None:
        pytest.skip("PostgreSQL keeps its own files")
    ann, ben = live.member(), live.member()
    account = live.account_of(ann)
    persona = use_everything(live.site, account.id, live.account_of(ben).id)
    told = [account.id, account.handle, account.phrase_hash or "", persona.id]
    marks = [text.encode() for text in told] + [account.lookup or b"", persona.data]
    assert all(mark in _bytes(file) for mark in marks), "the search finds what is there"
    delete(live, ann)
    for mark in marks:
        assert mark not in _bytes(file), mark[:30]
    assert SECRET.encode() not in _bytes(file), "nor was it ever there in the clear"


def test_sessions_keys_and_shares_open_nothing_any_more(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = use_everything(live.site, live.account_of(ann).id, live.account_of(ben).id)
    own, shared = ann.api_key(), ben.api_key()
    stolen = ann.cookie
    name = f"loud:{api_name(persona.id)}"
    for key in (own, shared):
        assert speak(live, key, name) == 200
    delete(live, ann)
    assert speak(live, own, "loud") == 401
    assert speak(live, shared, name) == 404
    assert speak(live, shared, "loud") == 200
    thief = live.person()
    assert stolen
    thief.http.cookies.set("personalign", stolen)
    assert "Sign in" in words_of(thief.get("/account"))
    assert "no account" in words_of(live.person().sign_in(ann.phrase, 403))


def test_memory_and_device_forget(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = use_everything(live.site, live.account_of(ann).id, live.account_of(ben).id)
    told: list[str] = []
    live.site.forget.append(told.append)
    key = ann.api_key()
    assert speak(live, key, f"loud:{api_name(persona.id)}@2") == 200
    engine = live.site.service.engine
    assert isinstance(engine, Engine)
    assert engine.stats().slots_used and engine.stats().cache_bytes
    account = live.account_of(ann)
    delete(live, ann)
    live.site.forget.remove(told.append)
    assert told == [account.id]
    assert live.site.shelf.forget(persona.id) is None
    stats = engine.stats()
    assert stats.slots_used == stats.cache_bytes == 0
    assert not any(table.any() for table in engine._loop.slots.tables.values())


def test_who_cannot_prove_it_deletes_nothing(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    ann.get("/account/delete")
    assert "not the phrase" in words_of(ann.post("/account/delete", 403, phrase=ben.phrase))
    ann.post("/account/delete", 403)
    other = live.person()
    other.get("/")
    other.post("/account/delete", 401)
    live.account_of(ann)
    with live.site.database.reading() as session:
        name = session.get_one(Account, live.account_of(ann).id).audit_name
        rows = select(AuditEntry).where(AuditEntry.actor == name)
        assert "phrase.refused" in [row.action for row in session.scalars(rows)]


def speak(live: LiveSite, key: str, model: str) -> int:
    """The status of a chat through the API, long enough for something to be kept of it."""
    told = {"role": "user", "content": "What would you do with a free Saturday? " * 8}
    body = {"model": model, "messages": [told], "max_tokens": 4}
    return call(f"{live.url}/v1/chat/completions", body, key=key).status


def _bytes(file: Path) -> bytes:
    """The database's files."""
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))
