"""A real PostgreSQL of Debian's packages, started in a folder of its own on a free port.

It is looked for on PATH and where Debian puts it. PostgreSQL does not run as root: there it runs as
the user postgres, which the package makes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from personalign.web.audit.log import TURN

START_SECONDS = 60
TAKES_ROWS = re.compile(r"\s*(INSERT|UPDATE|DELETE|LOCK)\b|.*\bFOR (NO KEY )?UPDATE\b", re.S)


def server_programs() -> Path | None:
    """The folder of initdb and postgres; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent


@contextmanager
def running() -> Iterator[str]:
    """A server as long as the block runs; gives SQLAlchemy's address of its database `postgres`."""
    programs = server_programs()
    assert programs is not None, "PostgreSQL is not installed"
    folder = Path(tempfile.mkdtemp(prefix="personalign-pg-"))
    as_user: dict[str, str] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = {"user": "postgres", "group": "postgres"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "site", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_user,  # type: ignore[call-overload]
    )
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "max_connections": 120,
        "shared_buffers": "64MB",
    }
    command = [programs / "postgres", "-D", data]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with open(folder.parent / f"{folder.name}.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **as_user)  # type: ignore[call-overload]
    try:
        _wait(server, port, Path(log.name))
        yield f"postgresql://site@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for whoever is connected
        server.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        Path(log.name).unlink(missing_ok=True)


def watch_turns(engine: Engine) -> None:
    """Fail every transaction that takes rows and then waits for its turn at the audit log: whoever
    has the turn may need those rows. Deadlocks depend on luck, the order that makes them does not.
    """
    rows: dict[int, str | None] = {}  # connection -> what took rows before its turn; None after it

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        rows[id(connection.connection.dbapi_connection)] = ""

    @event.listens_for(engine, "before_cursor_execute")
    def _execute(
        connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool
    ) -> None:
        mine = id(connection.connection.dbapi_connection)
        if statement == TURN:
            assert not rows[mine], f"a turn was waited for after: {rows[mine]}"
            rows[mine] = None
        elif rows.get(mine) == "" and TAKES_ROWS.match(statement):
            rows[mine] = statement


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it lets somebody in: it listens before it has started."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="site", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, f"PostgreSQL ended: {log.read_text('utf-8')}"
            assert time.monotonic() < end, "PostgreSQL did not start"
            time.sleep(0.05)
