"""PostgreSQL's own programs for backups: pg_dump, pg_restore and psql, found where Debian has them.

Passwords reach them through the environment, never through their command line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from personalign.errors import SiteError

if TYPE_CHECKING:
    from sqlalchemy import URL

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


def load(database: Database, file: Path, *, replace: bool) -> None:
    """Put a dump into a database, all of it or nothing.

    replace: instead of the tables that are there. Raises SiteError where some are there and it was
    not said, where others are connected, and where a program is missing or fails.
    """
    with database.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        others = connection.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )
        quote = connection.dialect.identifier_preparer.quote
        emptied = [f"DROP TABLE {quote(name)} CASCADE;" for name in tables]
    database.close()
    if tables and not replace:
        raise SiteError(
            f"The database {database.url.database} is not empty; name an empty one with "
            "--database, or say --replace."
        )
    if tables and others:
        raise SiteError(
            f"{others} others are connected to the database {database.url.database}; end the "
            "server first."
        )
    with tempfile.TemporaryDirectory(prefix="personalign-restore-") as scratch:
        script, first = Path(scratch) / "script.sql", Path(scratch) / "first.sql"
        emptied.append("DROP FUNCTION IF EXISTS audit_entry_stays();")
        first.write_text("\n".join(emptied), "utf-8")
        _run(
            database.url,
            "pg_restore",
            "--no-owner",
            "--no-privileges",
            f"--file={script}",
            str(file),
        )
        _run(
            database.url,
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            f"--file={first}",
            f"--file={script}",
            named=True,
        )


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
