"""What is known of jobs: a folder of small files beside the personas, which servers may share.

    PERSONAS/.jobs/
      job-3f2a....ann.json   how far the job is that makes ann, whose it is, who makes it
      91c04b7d....maker      locked by the server of that number for as long as it lives
      lock                   held for the moment in which somebody begins a job

Nothing of a person's answers is in it. Whoever is asked about a job reads its file, so a job may be
looked after through any server of the folder, and after a restart. The locks are the operating
system's: they are free again when their holder ends, however it ends. So an unfinished job whose
maker is gone is known, and told, to have failed, and its persona may be made again.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from personalign.dataset.files import replacing
from personalign.server.refusals import Refusal

log = logging.getLogger("personalign.server")

FOLDER = ".jobs"
"""Inside the folder of personas; no persona's name begins with a dot."""

KEPT = 1000
"""Jobs that can still be asked about once they have ended."""

LOCK_SECONDS = 10.0
"""How long another server may take to begin a job."""

Status = Literal["queued", "running", "done", "failed"]
_ID = re.compile(r"job-[0-9a-f]{24}")


@dataclass(frozen=True)
class JobRecord:
    """One job, as it is kept and told."""

    id: str
    persona: str
    """Name of the persona that is made."""
    method: str
    owner: str
    """Id of the key that asked."""
    maker: str
    """Number of the server that makes it."""
    created: int
    """Seconds since 1970."""
    status: Status = "queued"
    progress: float = 0.0
    """0 to 1."""
    error: dict[str, Any] | None = None
    """What went wrong, as an error object."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ("done", "failed")

    def told(self) -> dict[str, Any]:
        """As its owner sees it."""
        return {
            "id": self.id,
            "object": "personalign.job",
            "created": self.created,
            "status": self.status,
            "progress": round(self.progress, 3),
            "persona": self.persona,
            "method": self.method,
            "error": self.error,
        }


class JobRecords:
    """The records in one folder of personas, for one server; may be used from any thread.

    The folder is made with the first job, so that personas may lie where nobody can write.
    """

    def __init__(self, personas: Path) -> None:
        """personas: the store's folder."""
        self.maker = secrets.token_hex(8)
        """This server's number."""
        self._folder = personas / FOLDER
        self._lives: FileLock | None = None
        self._alone = threading.Lock()

    @contextmanager
    def beginning(self, persona: str) -> Iterator[bool]:
        """Whether nobody is making this persona; nobody begins a job until the block ends.

        Raises OSError where the folder cannot be written, Refusal where another server hangs.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if self._lives is None:
                self._lives = self._lock_of(self.maker)
                self._lives.acquire(timeout=LOCK_SECONDS)
            known = [self._now(path) for path in self._paths() if _persona(path) == persona]
            yield all(record is None or record.ended for record in known)
            self._forget()

    def write(self, record: JobRecord) -> None:
        """Keep a record; it replaces the older one of the job."""
        with replacing(self._folder / f"{record.id}.{record.persona}.json") as temporary:
            temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")

    def find(self, number: str) -> JobRecord | None:
        """The job of this id as it is now, or None where it is not known (any more)."""
        if not _ID.fullmatch(number):
            return None
        for path in self._folder.glob(f"{number}.*.json"):
            record = self._read(path)
            if record is None or record.ended or record.maker == self.maker:
                return record
            with self._locked():
                return self._now(path)
        return None

    def close(self) -> None:
        """Let go of this server's lock: what it has not ended has failed."""
        if self._lives is not None:
            self._lives.release()
            Path(self._lives.lock_file).unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self._folder / "lock", LOCK_SECONDS, mode=0o600)
        with self._alone:
            try:
                lock.acquire()
            except Timeout:
                raise Refusal(
                    503,
                    "Another server of these personas has kept the jobs' folder locked for "
                    f"{LOCK_SECONDS:g} seconds; try again in a moment.",
                    code="jobs_locked",
                    retry_after=5,
                ) from None
            try:
                yield
            finally:
                lock.release()

    def _lock_of(self, maker: str) -> FileLock:
        return FileLock(self._folder / f"{maker}.maker", mode=0o600, thread_local=False)

    def _lives_on(self, maker: str) -> bool:
        """Whether a server is there still; to be asked while the folder is locked."""
        if maker == self.maker:
            return True
        lock = self._lock_of(maker)
        if not os.path.exists(lock.lock_file):
            return False
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
        return False

    def _now(self, path: Path) -> JobRecord | None:
        """A record, marked as failed where its maker is gone; None where there is none."""
        record = self._read(path)
        if record is None or record.ended or self._lives_on(record.maker):
            return record
        record = self._read(path)  # its maker may have ended it and then itself
        if record is None or record.ended:
            return record
        gone = Refusal(
            503,
            "The server that was making this persona ended before it was done; send the answers "
            "again.",
            code="maker_gone",
        )
        failed = replace(record, status="failed", error=gone.body["error"])
        self.write(failed)
        return failed

    def _forget(self) -> None:
        """Drop the oldest records of ended jobs beyond `KEPT`."""
        paths = self._paths()
        excess = len(paths) - KEPT
        if excess <= 0:
            return
        for path in sorted(paths, key=_written):
            record = self._now(path)
            if record is None or record.ended:
                path.unlink(missing_ok=True)
                excess -= 1
            if excess <= 0:
                return

    def _paths(self) -> list[Path]:
        return list(self._folder.glob("job-*.json"))

    def _read(self, path: Path) -> JobRecord | None:
        try:
            return JobRecord(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.error("The record %s of a job cannot be read: %s", path.name, error)
            return None


def _persona(path: Path) -> str:
    """The persona's name in a record's.

    >>> _persona(Path("job-0123.ann.b.json"))
    'ann.b'
    """
    return path.name.removesuffix(".json").partition(".")[2]


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
