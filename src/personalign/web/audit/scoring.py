"""Scoring by group in the background: one run at a time, its result kept as means of groups."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalign.web.audit.log import append, wait_for_turn
from personalign.web.audit.tables import ScoreRun
from personalign.web.database.base import new_id, now, seal
from personalign.web.refusals import without_values

if TYPE_CHECKING:
    from personalign.web.audit.scores import Asked
    from personalign.web.site import Site

log = logging.getLogger("personalign.web")


@dataclass(frozen=True)
class ScoringState:
    """Where the newest run of this server is."""

    status: str = "idle"
    """idle, running, done or failed."""
    done: int = 0
    """People scored."""
    total: int = 0
    """People to score; 0 while they are looked for."""


class _Stopped(Exception):
    """The site is closing."""


class Scoring:
    """The scoring of a site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.state = ScoringState()
        """Read from any thread."""

    def begin(self, actor: str) -> bool:
        """Start a run; False where one is running. actor: audit name of who asked."""
        with self._lock:
            if self.state.status == "running":
                return False
            with self._site.database.writing() as session:
                append(session, self._site.vault, "scores.begun", actor=actor)
            self.state = ScoringState("running")
            self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
            self._thread.start()
            return True

    def wait(self) -> ScoringState:
        """Wait for the run to end; how it did."""
        if self._thread is not None:
            self._thread.join()
        return self.state

    def close(self) -> None:
        """Stop at the next person."""
        self._stopping.set()
        self.wait()

    def _work(self) -> None:
        from personalign.web.audit.scores import ask_personas

        site = self._site
        try:
            asked = ask_personas(site, self._tell)
            while not self._keep(asked):
                pass
            self.state = ScoringState("done", self.state.total, self.state.total)
        except _Stopped:
            self.state = ScoringState("failed", self.state.done, self.state.total)
        except Exception as error:
            log.error("Scoring by group failed: %s", without_values(error))
            with site.database.writing() as session:
                append(session, site.vault, "scores.failed")
            self.state = ScoringState("failed", self.state.done, self.state.total)

    def _keep(self, asked: Sequence[Asked]) -> bool:
        """Keep the means of who is still there; False where somebody left while they were made."""
        from personalign.web.audit.scores import score_by_group, still_there, to_text

        site = self._site
        with site.database.reading() as session:
            counted = still_there(session, asked)
        scores = score_by_group(counted)  # seconds, in which nobody else could write
        with site.database.writing() as session:
            wait_for_turn(session)
            left = zip(counted, still_there(session, counted), strict=True)
            if any(len(one.people) != len(now_there.people) for one, now_there in left):
                return False
            run = ScoreRun(id=new_id(), made_at=now())
            seal(site.vault, run, "data", to_text(scores))
            session.add(run)
            people = sum(one.everybody.people for one in scores)
            append(session, site.vault, "scores.done", people=people)
        return True

    def _tell(self, done: int, total: int) -> None:
        if self._stopping.is_set():
            raise _Stopped
        self.state = ScoringState("running", done, total)
