"""PostgreSQL's own programs for backups: pg_dump and pg_restore, found where Debian has them.

Passwords reach them through the environment, never through their command line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from personalign.errors import SiteError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from personalign.web.database.open import Database


def dump(url: URL, file: Path, snapshot: str) -> None:
    """Write one state of a database; snapshot: of pg_export_snapshot, by a running transaction.

    Raises SiteError where pg_dump is missing or fails.
    """
    _run(
        url,
        "pg_dump",
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--snapshot={snapshot}",
        f"--file={file}",
        named=True,
    )


@contextmanager
def loaded(database: Database, file: Path, *, replace: bool) -> Iterator[Session]:
    """A transaction in which a dump is in the database: kept when the block ends, undone if it
    raises.

    replace: instead of the tables that are there. Raises SiteError where some are there and it was
    not said, where others are connected, and where pg_restore is missing or fails.
    """
    database.close()  # or our own idle connections were among the others
    with tempfile.TemporaryDirectory(prefix="personalign-restore-") as scratch:
        script = Path(scratch) / "script.sql"
        _run(
            database.url,
            "pg_restore",
            "--no-owner",
            "--no-privileges",
            f"--file={script}",
            str(file),
        )
        with database.engine.begin() as connection:
            _empty(connection, replace=replace)
            _play(connection, script)
            with Session(connection) as session, session.begin():
                yield session


def _empty(connection: Connection, *, replace: bool) -> None:
    """Drop what is there, where that was said and nobody else uses it."""
    name = connection.engine.url.database
    tables = inspect(connection).get_table_names()
    if tables and not replace:
        raise SiteError(
            f"The database {name} is not empty; name an empty one with --database, or say "
            "--replace."
        )
    others = connection.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    )
    if tables and others:
        raise SiteError(
            f"{others} others are connected to the database {name}; end the server first."
        )
    quote = connection.dialect.identifier_preparer.quote
    for table in tables:
        connection.execute(text(f"DROP TABLE {quote(table)} CASCADE"))
    connection.execute(text("DROP FUNCTION IF EXISTS audit_entry_stays()"))


def _play(connection: Connection, script: Path) -> None:
    """Run what pg_restore wrote, as psql would, in the transaction of a connection.

    It is SQL, and rows between `COPY ... FROM stdin;` and a line with a backslash and a dot. Other
    lines that begin with a backslash speak to psql alone. Raises SiteError where the server refuses
    a part of it.
    """
    import psycopg

    driver: Any = connection.connection.driver_connection
    try:
        _play_on(driver, script)
    except psycopg.Error as error:
        told = str(error).strip().splitlines()
        raise SiteError(
            f"The database does not take the backup: {told[0] if told else type(error).__name__}."
        ) from error


def _play_on(driver: Any, script: Path) -> None:
    statements: list[bytes] = []
    with script.open("rb") as lines, driver.cursor() as cursor:
        for line in lines:
            if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
                cursor.execute(b"".join(statements))
                statements.clear()
                with cursor.copy(line) as copy:
                    for row in lines:
                        if row == b"\\.\n":
                            break
                        copy.write(row)
            elif not line.startswith(b"\\"):
                statements.append(line)
        cursor.execute(b"".join(statements))
        cursor.execute("RESET ALL")  # it has emptied the search path, among others


def _run(url: URL, name: str, *arguments: str, named: bool = False) -> None:
    """Run one of them; named: on the database of an address."""
    command = [program(name), *arguments]
    environment = dict(os.environ)
    if named:
        shown = url.set(drivername="postgresql", password=None)
        command.append(f"--dbname={shown.render_as_string()}")
        if url.password is not None:
            environment["PGPASSWORD"] = str(url.password)
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        told = done.stderr.strip().splitlines()
        raise SiteError(f"{name} failed: {told[0] if told else done.returncode}.")


def program(name: str) -> str:
    """Where a program of PostgreSQL is: on PATH, or the newest of Debian's."""
    found = shutil.which(name)
    if found is not None:
        return found
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise SiteError(
            f"{name} is not installed, and PostgreSQL's backups need it (Debian: apt-get "
            "install postgresql-client)."
        )
    return str(newest)
