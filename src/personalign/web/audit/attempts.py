"""Attempts on a site in its audit log: one by one up to so many a minute, of the rest their number.

Each entry is a write that waits its turn. Without a bound, whoever forges forms by the thousand
would fill the disk, and people's answers would wait behind them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from personalign.web.audit.log import UNKNOWN, append
from personalign.web.pace import Bucket

if TYPE_CHECKING:
    from personalign.web.database.open import Database
    from personalign.web.vault import Vault

PER_MINUTE = 120
"""Entries a minute, and at once."""


class Attempts:
    """Writes them down; used from any thread."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        per_minute: float = PER_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._bucket = Bucket(per_minute, clock())
        self._unwritten = 0
        self._lock = threading.Lock()

    def write_down(self, *, actor: str, reason: str, route: str) -> None:
        """Write one down, with how many before it were not; or count it.

        actor: the account's audit name, UNKNOWN for nobody's. reason: of the refusal. route: the
        form's address with names for its places.
        """
        with self._lock:
            if not self._bucket.take(self._clock()):
                self._unwritten += 1
                return
            before, self._unwritten = self._unwritten, 0
        more: dict[str, Any] = {"unwritten_before": before} if before else {}
        with self._database.writing() as session:
            append(session, self._vault, "refused", actor=actor, reason=reason, route=route, **more)

    def close(self) -> None:
        """Write down how many are counted."""
        with self._lock:
            before, self._unwritten = self._unwritten, 0
        if before:
            with self._database.writing() as session:
                append(session, self._vault, "refused", actor=UNKNOWN, unwritten_before=before)
