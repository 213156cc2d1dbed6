"""A backup holds all of it, sealed; it comes back whole, or not at all."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from personalign.errors import SiteError
from personalign.web.accounts.tables import Account, BrowserSession
from personalign.web.audit.log import append, verify
from personalign.web.audit.tables import AuditEntry
from personalign.web.database import postgresql
from personalign.web.database.backup import back_up, manifest_of, open_archive
from personalign.web.database.base import seal, unseal
from personalign.web.database.migrate import bring_up
from personalign.web.database.open import Database
from personalign.web.database.restore import restore
from personalign.web.database.tables import SiteFact
from personalign.web.vault import Vault, new_key
from tests.web.conftest import LiveSite
from tests.web.database.test_reseal import answers_of, filled

Fresh = Callable[[], Database]


@pytest.fixture
def fresh(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fresh]:
    """Makes empty databases of the kind under test."""
    made: list[Database] = []

    def one() -> Database:
        if database_kind == "sqlite":
            url = f"sqlite:///{tmp_path / f'fresh-{len(made)}' / 'site.db'}"
        else:
            url = request.getfixturevalue("postgresql")()
        made.append(Database(url))
        return made[-1]

    yield one
    for database in made:
        database.close()


def filled_database(fresh: Fresh, vault: Vault, name: str = "something") -> Database:
    database = fresh()
    bring_up(database, vault)
    with database.writing() as session:
        fact = SiteFact(name=name)
        seal(vault, fact, "value", "told in confidence")
        session.add(fact)
        append(session, vault, "noted")
    return database


def facts(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(SiteFact.name)))


def test_a_running_site_is_kept_and_comes_back(
    live: LiveSite, fresh: Fresh, tmp_path: Path
) -> None:
    sitting, site = filled(live), live.site
    file = tmp_path / "backups" / "one.tar"
    made = back_up(site.database, file)
    assert made.rows["answer"] >= 120 and made.keys == [site.vault.keys[0].id.hex()]
    assert file.stat().st_mode & 0o777 == 0o600
    target = fresh()
    assert restore(target, site.vault, file) == made
    with target.reading() as session:
        assert session.scalars(select(Account.id)).all()
        assert session.scalars(select(BrowserSession.token_hash)).all() == []
        assert verify(session, site.vault, expected=made.head).problem is None
        newest = session.scalars(select(AuditEntry).order_by(AuditEntry.number.desc())).first()
    assert newest is not None and newest.action == "backup.restored"
    live_answers = answers_of(live, site.vault, sitting)
    moved = LiveSite(live.url, type(site)(site.settings, target, site.vault, site.services))
    assert answers_of(moved, site.vault, sitting) == live_answers


def test_what_was_sealed_is_sealed_in_it_and_no_key_is(fresh: Fresh, tmp_path: Path) -> None:
    key = new_key()
    vault, file = Vault([key]), tmp_path / "one.tar"
    back_up(filled_database(fresh, vault), file)
    kept = file.read_bytes()
    for secret in (b"told in confidence", key.secret, key.sealing, key.signing.root):
        assert secret not in kept and secret.hex().encode() not in kept


def test_the_guards_come_back_too(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    back_up(filled_database(fresh, vault), file)
    target = fresh()
    restore(target, vault, file)
    with pytest.raises(Exception, match="append-only"), target.writing() as session:
        session.execute(text("DELETE FROM audit_entry"))


def test_what_is_there_stays_unless_it_is_to_be_replaced(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    source = filled_database(fresh, vault, "old")
    back_up(source, file)
    source.close()
    target = filled_database(fresh, vault, "new")
    target.close()
    with pytest.raises(SiteError, match="--replace"):
        restore(target, vault, file)
    assert "new" in facts(target)
    target.close()
    restore(target, vault, file, replace=True)
    assert "old" in facts(target) and "new" not in facts(target)


def test_a_database_that_a_server_has_open_is_not_replaced(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    target = filled_database(fresh, vault)
    back_up(target, file)
    serving = Database(target.url.render_as_string(hide_password=False).replace("+psycopg", ""))
    try:
        with serving.engine.connect() as connection:
            connection.execute(select(SiteFact.name)).all()
            with pytest.raises(SiteError, match="end"):
                restore(target, vault, file, replace=True)
    finally:
        serving.close()


def test_another_sites_key_is_refused_before_anything_happens(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    back_up(filled_database(fresh, vault), file)
    target = fresh()
    with pytest.raises(SiteError, match=vault.keys[0].id.hex()):
        restore(target, Vault([new_key(), vault.keys[0].signing]), file)
    restore(target, Vault([new_key(), *vault.keys]), file)
    with target.reading() as session:
        fact = session.get_one(SiteFact, "something")
        assert unseal(vault, fact, "value") == b"told in confidence"


def rewritten(
    file: Path, change: Callable[[dict[str, object], bytes], tuple[object, bytes]]
) -> None:
    """A backup with another manifest or other data."""
    with tarfile.open(file) as archive:
        names = archive.getnames()
        told, data = (archive.extractfile(name).read() for name in names)  # type: ignore[union-attr]
    manifest, data = change(json.loads(told), data)
    with tarfile.open(file, "w") as archive:
        for name, content in zip(names, (json.dumps(manifest).encode(), data), strict=True):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told, data: (told, data[:-100]), "damaged"),
        (lambda told, data: (told | {"format": 9}, data), "does not know"),
        (lambda told, data: (told | {"kind": "oracle"}, data), "does not know"),
        (lambda told, data: ({}, data), "no backup of a site"),
        (lambda told, data: (told | {"rows": {**told["rows"], "answer": 7}}, data), "answer"),
        (lambda told, data: (told | {"head": "1:" + "0" * 64}, data), "audit log is not whole"),
        (lambda told, data: (told | {"head": "99:" + "0" * 64}, data), "audit log is not whole"),
    ],
)
def test_a_damaged_backup_is_refused(
    change: Callable[[dict[str, object], bytes], tuple[object, bytes]],
    said: str,
    fresh: Fresh,
    tmp_path: Path,
) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    back_up(filled_database(fresh, vault), file)
    rewritten(file, change)
    target = fresh()
    with pytest.raises(SiteError, match=said):
        restore(target, vault, file)
    if target.file is not None:
        assert not target.file.exists() and list(target.file.parent.iterdir()) == []
    there = filled_database(fresh, vault, "new")
    there.close()
    with pytest.raises(SiteError, match=said):
        restore(there, vault, file, replace=True)
    assert "new" in facts(there) and "something" not in facts(there)


def test_what_the_server_refuses_leaves_all_as_it_was(fresh: Fresh, tmp_path: Path) -> None:
    vault, file, target = Vault([new_key()]), tmp_path / "one.tar", fresh()
    if target.sqlite:
        pytest.skip("a file is put in place as a whole")
    back_up(filled_database(fresh, vault), file)
    with target.engine.begin() as connection:
        connection.execute(text("CREATE VIEW site_fact AS SELECT 1 AS one"))
    with pytest.raises(SiteError, match="does not take the backup"):
        restore(target, vault, file)
    with target.engine.begin() as connection:
        assert connection.scalar(text("SELECT one FROM site_fact")) == 1
        assert connection.dialect.get_table_names(connection) == []


@pytest.mark.parametrize("content", [b"", b"no backup", b"\0" * 10240])
def test_what_is_no_backup_is_refused(content: bytes, fresh: Fresh, tmp_path: Path) -> None:
    file = tmp_path / "one.tar"
    file.write_bytes(content)
    with pytest.raises(SiteError, match="no backup"):
        restore(fresh(), Vault([new_key()]), file)


def test_a_backup_cut_short_is_refused(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    back_up(filled_database(fresh, vault), file)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(SiteError, match=r"damaged|no backup"):
        restore(fresh(), vault, file)


def test_the_other_kind_of_database_is_refused(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    back_up(filled_database(fresh, vault), file)
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}
    rewritten(file, lambda told, data: (told | {"kind": other[str(told["kind"])]}, data))
    with pytest.raises(SiteError, match="of that kind"):
        restore(fresh(), vault, file)


def test_an_empty_database_has_nothing_to_keep(fresh: Fresh, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="nothing to keep"):
        back_up(fresh(), tmp_path / "one.tar")
    assert not (tmp_path / "one.tar").exists()


def test_the_manifest_tells_what_is_in_it(fresh: Fresh, tmp_path: Path) -> None:
    vault, file = Vault([new_key()]), tmp_path / "one.tar"
    made = back_up(filled_database(fresh, vault), file)
    with open_archive(file) as archive:
        assert manifest_of(archive, file) == made
        assert {entry.uname for entry in archive} == {""}
    assert made.head.startswith("1:") and made.rows["audit_entry"] == 1


def test_a_missing_program_is_named() -> None:
    with pytest.raises(SiteError, match="postgresql-client"):
        postgresql.program("pg_of_nobody")


def test_a_program_that_fails_is_told_without_the_password(tmp_path: Path) -> None:
    url = Database("postgresql://site:hush@127.0.0.1:1/site").url
    with pytest.raises(SiteError, match="pg_dump") as refused:
        postgresql.dump(url, tmp_path / "a", "s")
    assert "hush" not in str(refused.value)
