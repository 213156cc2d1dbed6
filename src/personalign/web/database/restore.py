"""A backup put back, where its manifest, the site's key and the audit log agree with what came out.

Until then what was there before stays: SQLite's file is made and checked beside it, PostgreSQL's
tables are replaced and checked in one transaction.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.orm import Session

from personalign.errors import SiteError
from personalign.web.accounts.tables import BrowserSession
from personalign.web.audit.log import append, verify
from personalign.web.database import postgresql
from personalign.web.database.backup import (
    DATA,
    Manifest,
    beside,
    contents,
    manifest_of,
    open_archive,
    sha256_of,
)
from personalign.web.database.migrate import check_key, upgrade
from personalign.web.database.open import Database
from personalign.web.vault import MasterKey, Vault

_BLOCK = 2**20


def restore(database: Database, vault: Vault, file: Path, *, replace: bool = False) -> Manifest:
    """Put a backup into an empty database, or, with `replace`, in the place of what is there.

    The tables are brought up to date, and everybody is signed out. Raises SiteError where the
    backup is damaged, of the other kind of database or of another site's key, where something is
    there already, and where a server has the database open.
    """
    with tempfile.TemporaryDirectory(dir=beside(database.file), prefix=".restore-") as scratch:
        data = Path(scratch) / "data"
        with open_archive(file) as archive:
            manifest = manifest_of(archive, file)
            _fits(manifest, database, vault)
            _take_out(archive, manifest, data, file)
        if database.sqlite:
            _restore_sqlite(database, vault, manifest, data, replace=replace)
        else:
            with postgresql.loaded(database, data, replace=replace) as session:
                _agrees(session, vault, manifest)
    return manifest


def _fits(manifest: Manifest, database: Database, vault: Vault) -> None:
    if database.sqlite != (manifest.kind == "sqlite"):
        raise SiteError(
            f"The backup is of {manifest.kind}; name a database of that kind with --database."
        )
    have = {key.id.hex() for key in vault.keys if isinstance(key, MasterKey)}
    if missing := sorted(set(manifest.keys) - have):
        raise SiteError(
            f"The backup was sealed with {', '.join(manifest.keys)}, and {', '.join(missing)} is "
            "not here; give the key file of its time (--site-key)."
        )


def _restore_sqlite(
    database: Database, vault: Vault, manifest: Manifest, data: Path, *, replace: bool
) -> None:
    target = database.file
    assert target is not None
    if target.exists():
        if not replace:
            raise SiteError(
                f"{target} is there already; name another --site or --database, or say --replace."
            )
        _alone(target)
    fresh = Database(f"sqlite:///{data}")
    try:
        with fresh.writing() as session:
            _agrees(session, vault, manifest)
    finally:
        fresh.close()
    database.close()
    os.replace(data, target)


def _alone(file: Path) -> None:
    """Refuse where another process has the file open: leaving WAL mode needs it alone."""
    with closing(sqlite3.connect(file, timeout=1)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            raise SiteError(f"A server has {file} open; end it first.") from error


def _agrees(session: Session, vault: Vault, manifest: Manifest) -> None:
    """See that what came out is what went in, and make it a running site's, in one transaction."""
    rows, _head, _keys = contents(session)
    if rows != manifest.rows:
        differ = sorted(name for name in rows.keys() | manifest.rows.keys()
                        if rows.get(name) != manifest.rows.get(name))  # fmt: skip
        raise SiteError(
            f"The backup's manifest and its data differ ({', '.join(differ)}); use another backup."
        )
    upgrade(session.connection())
    check_key(session, vault)
    checked = verify(session, vault, expected=manifest.head)
    if checked.problem is not None:
        raise SiteError(f"The backup's audit log is not whole. {checked.problem}")
    session.execute(delete(BrowserSession))  # one that was ended since would be open again
    append(session, vault, "backup.restored", made_at=manifest.made_at)


def _take_out(archive: tarfile.TarFile, manifest: Manifest, data: Path, file: Path) -> None:
    try:
        entry = archive.extractfile(DATA[manifest.kind])
        assert entry is not None
        with entry, data.open("wb") as out:
            shutil.copyfileobj(entry, out, _BLOCK)
        data.chmod(0o600)
        whole = sha256_of(data) == manifest.sha256
    except (KeyError, AssertionError, tarfile.TarError):
        whole = False
    if not whole:
        raise SiteError(f"{file} is damaged; use another backup.")
