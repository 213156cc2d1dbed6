"""A site's database in one file: what was sealed stays sealed, and the key is not in it.

    backup.tar = manifest.json | site.db (SQLite's own file) or site.dump (of pg_dump)

A backup is one state of the database, made while the site runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import func, inspect, select, text
from sqlalchemy.orm import Session

from personalign import __version__
from personalign.dataset.files import replacing
from personalign.errors import SiteError
from personalign.web.database import postgresql
from personalign.web.database.base import now
from personalign.web.database.migrate import version_of
from personalign.web.database.open import Database
from personalign.web.database.reseal import sealed_columns, sealed_with

FORMAT = 1
_MANIFEST, DATA = "manifest.json", {"sqlite": "site.db", "postgresql": "site.dump"}
_BLOCK = 2**20


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    format: int
    package: str
    """Version of Personalign that made it."""
    made_at: str
    kind: str
    """sqlite or postgresql."""
    version: str
    """Of the tables: the last step of the migrations."""
    rows: dict[str, int]
    """Table -> rows."""
    head: str
    """Head of the audit log, as `verify` takes it; "0:" for an empty one."""
    keys: list[str]
    """Ids of the keys that are needed to open it."""
    sha256: str
    """Of the data."""


def back_up(database: Database, file: Path) -> Manifest:
    """Write a backup, for its owner's eyes alone; the site may be running.

    Raises SiteError where there is nothing to keep, or pg_dump is missing or fails.
    """
    version = version_of(database)
    if version is None:
        raise SiteError("There are no tables of a site in this database, so nothing to keep.")
    kind = "sqlite" if database.sqlite else "postgresql"
    with tempfile.TemporaryDirectory(dir=beside(file), prefix=".backup-") as scratch:
        data = Path(scratch) / DATA[kind]
        if database.sqlite:
            rows, head, keys = _copy(database, data)
        else:
            with database.reading() as session:
                snapshot = session.scalar(text("SELECT pg_export_snapshot()"))
                rows, head, keys = contents(session)
                postgresql.dump(database.url, data, str(snapshot))
        manifest = Manifest(
            FORMAT,
            __version__,
            now().isoformat(timespec="seconds"),
            kind,
            version,
            rows,
            head,
            keys,
            sha256_of(data),
        )
        with replacing(file, private=True) as temporary, tarfile.open(temporary, "w") as archive:
            told = json.dumps(asdict(manifest), indent=2).encode() + b"\n"
            entry = tarfile.TarInfo(_MANIFEST)
            entry.size, entry.mode = len(told), 0o600
            archive.addfile(entry, io.BytesIO(told))
            archive.add(data, DATA[kind], filter=_nobodys)
    return manifest


def _copy(database: Database, data: Path) -> tuple[dict[str, int], str, list[str]]:
    with closing(database.engine.raw_connection()) as source, closing(sqlite3.connect(data)) as to:
        source.driver_connection.backup(to)  # type: ignore[union-attr]
    copy = Database(f"sqlite:///{data}")
    try:
        with copy.reading() as session:
            return contents(session)
    finally:
        copy.close()


def contents(session: Session) -> tuple[dict[str, int], str, list[str]]:
    """Rows by table, the audit log's head and the ids of keys, of whatever version it is."""
    found = inspect(session.connection())
    names = sorted(found.get_table_names())
    rows = {name: _count(session, name) for name in names}
    last = session.execute(
        text("SELECT number, mac FROM audit_entry ORDER BY number DESC LIMIT 1")
    ).first()
    head = "0:" if last is None else f"{last[0]}:{bytes(last[1]).hex()}"
    there = {(name, one["name"]) for name in names for one in found.get_columns(name)}
    columns = [pair for pair in sealed_columns() if (pair[0].name, pair[1].name) in there]
    return rows, head, sorted(key.hex() for key in sealed_with(session, columns))


def _count(session: Session, name: str) -> int:
    quoted = session.get_bind().dialect.identifier_preparer.quote(name)
    return int(session.scalar(select(func.count()).select_from(text(quoted))) or 0)


@contextmanager
def open_archive(file: Path) -> Iterator[tarfile.TarFile]:
    """A backup, opened; SiteError for a file that is none, or is cut short."""
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise SiteError(
            f"{file} is no backup ({error}); give a file of `personalign site backup`."
        ) from error


def manifest_of(archive: tarfile.TarFile, file: Path) -> Manifest:
    """What a backup says it holds; SiteError where it does not, or in an unknown format."""
    try:
        entry = archive.extractfile(_MANIFEST)
        assert entry is not None
        manifest = Manifest(**json.load(entry))
    except (KeyError, ValueError, TypeError, AssertionError) as error:
        raise SiteError(
            f"{file} is no backup of a site: it has no readable {_MANIFEST}; give a file of "
            "`personalign site backup`."
        ) from error
    if manifest.format != FORMAT or manifest.kind not in DATA:
        raise SiteError(
            f"{file} is of a format that this Personalign does not know ({manifest.format}); "
            f"restore it with version {manifest.package}."
        )
    return manifest


def sha256_of(file: Path) -> str:
    """The hash of a file, in hex."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file of the archive without the name of who made it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def beside(file: Path | None) -> Path | None:
    """The folder of a file, made; scratch files there can take its place at once."""
    if file is None:
        return None
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.parent
