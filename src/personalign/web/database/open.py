"""Opening the database, and its two kinds of transaction: reading and writing.

SQLite is one file in WAL mode: readers never wait, writers go one after another, and a commit is on
the disk before anybody is told (synchronous=FULL). What is deleted is overwritten (secure_delete).
PostgreSQL is taken as it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session

from personalign.errors import SiteError

log = logging.getLogger("personalign.web")

logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
"""Below it SQLAlchemy would log the rows it reads, which are people's."""

WAIT_SECONDS = 15
"""How long a writer of SQLite waits for another process's."""

CHECKPOINT, TRIES = "PRAGMA wal_checkpoint(TRUNCATE)", 20


class Database:
    """One database; sessions of it from any thread."""

    def __init__(self, url: str) -> None:
        """url: of SQLAlchemy, sqlite:///FILE or postgresql://USER@HOST/NAME.

        Nothing is connected yet. Raises SiteError for another kind of database.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise SiteError(
                f"{url!r} is no address of a database; give sqlite:///FILE or "
                "postgresql://USER:PASSWORD@HOST/NAME."
            ) from error
        kind = parsed.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise SiteError(
                f"The database is {kind}; this site keeps its data in sqlite or postgresql."
            )
        self.sqlite = kind == "sqlite"
        self.url = parsed if self.sqlite else parsed.set(drivername="postgresql+psycopg")
        self.engine = _open_sqlite(self.url) if self.sqlite else _open_postgresql(self.url)
        # PostgreSQL's default would let a later query of one session see more than an earlier one.
        self._readers = self.engine
        if not self.sqlite:
            self._readers = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._writer = threading.Lock() if self.sqlite else nullcontext()

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for PostgreSQL."""
        return sqlite_file(str(self.url)) if self.sqlite else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing."""
        with Session(self._readers, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: kept whole when the block ends, undone if it raises."""
        engine = self.engine.execution_options(writes=True)
        with self._writer, Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def overwrite(self) -> None:
        """Take what was deleted out of SQLite's write-ahead file, too.

        Where somebody reads for so long that it cannot be emptied, the next call does it.
        PostgreSQL frees the room of deleted rows by itself (autovacuum).
        """
        if not self.sqlite:
            return
        with self._writer:
            connection = self.engine.raw_connection()
            try:
                for _ in range(TRIES):
                    (busy, *_) = connection.cursor().execute(CHECKPOINT).fetchone()
                    if not busy:
                        return
                    time.sleep(0.1)
            finally:
                connection.close()
        log.warning("SQLite's write-ahead file is in use; it is emptied later.")

    def check(self) -> None:
        """Connect once; SiteError where the database cannot be reached."""
        try:
            with self.engine.connect():
                pass
        except OperationalError as error:
            shown = self.url.render_as_string(hide_password=True)
            raise SiteError(
                f"The database {shown} cannot be opened: {str(error.orig).strip()}. Check its "
                "address, and that it runs."
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def sqlite_file(url: str) -> Path | None:
    """The file of SQLite's address; None for another one, readable or not.

    >>> sqlite_file("sqlite:///site/site.db"), sqlite_file("postgresql://site@localhost/site")
    (PosixPath('site/site.db'), None)
    """
    found = url.removeprefix("sqlite:///")
    return Path(found) if url.startswith("sqlite:///") else None


def _open_sqlite(url: Any) -> Engine:
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": WAIT_SECONDS},
        pool_size=16,
        max_overflow=48,
        hide_parameters=True,  # an error's message shows what was being written
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        path.chmod(0o600)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_postgresql(url: Any) -> Engine:
    return create_engine(
        url, pool_size=16, max_overflow=48, pool_pre_ping=True, hide_parameters=True
    )
