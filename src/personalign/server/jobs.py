"""Making personas while the server runs: one after another, in a thread of its own.

A method reads and steers a model through hooks on its modules, which another thread's forward
passes would run into. So jobs work on a twin: other modules over the same weights. It is made
before the engine lays its own hooks. What takes seconds to minutes is a job: it is taken (202) and
looked after (GET /v1/jobs/ID), through this server or another one of the same folder
(`job_records.py`).
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign.errors import MethodError, PersonalignError
from personalign.methods.base import PersonaMethod
from personalign.methods.registry import METHODS
from personalign.methods.settings import build_method, settings_taken
from personalign.methods.twin import twin
from personalign.server.job_records import JobRecord, JobRecords, Status
from personalign.server.refusals import Refusal, refusal_of

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona
    from personalign.server.store import Personas

log = logging.getLogger("personalign.server")

SERVED_METHODS = (
    "pas",
    "dials",
    "dials-few-shot",
    "few-shot",
    "facet-prompt",
    "iti",
    "caa",
    "none",
)
"""Methods that make a persona without training weights or asking another model."""

NOT_SETTABLE = ("cache", "work")
"""Settings that name folders of this machine."""

MOST_WAITING = 64
"""Jobs that may wait."""

TELL_SECONDS = 0.5
"""How often a running job's progress is written down."""

CLOSE_SECONDS = 5.0
"""How long a running job has to come to its next step once the server ends, where nobody says."""


@dataclass
class Job:
    """One persona being made."""

    persona: str
    """Its name."""
    method: str
    settings: dict[str, Any]
    alpha: float | None
    owner: str
    """Id of the key that asked."""
    people: Respondents | None
    """The person; forgotten as soon as the persona is made."""
    replace: bool = False
    """Whether a persona of this name may be there already."""
    id: str = field(default_factory=lambda: f"job-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))
    status: Status = "queued"
    progress: float = 0.0
    """0 to 1."""
    error: dict[str, Any] | None = None
    """What went wrong, as an error object."""

    def record(self, maker: str) -> JobRecord:
        """What is kept of it; nothing of the answers. maker: the server's number."""
        return JobRecord(
            self.id,
            self.persona,
            self.method,
            self.owner,
            maker,
            self.created,
            self.status,
            self.progress,
            self.error,
        )


class _Stopped(Exception):
    """The server is closing; raised inside a method at its next sign of progress."""


class PersonaMaker:
    """The thread that makes personas, and its queue."""

    def __init__(
        self,
        decoder: Decoder,
        folder: Path,
        *,
        ended: Callable[[Status], object] = lambda _status: None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """folder: of personas, where jobs are recorded. ended: called with each job's outcome.

        To be made before an engine lays hooks onto the decoder.
        """
        self._ended = ended
        self._records = JobRecords(folder)
        self._jobs: dict[str, Job] = {}  # those that have not ended
        self._waiting: queue.Queue[tuple[Job, Personas] | None] = queue.Queue(most_waiting)
        self._lock = threading.Lock()
        self._stopping, self._given_up = threading.Event(), threading.Event()
        self._ending = threading.Lock()
        self._closing = ExitStack()
        self._quantised = decoder.quantize
        able = self._quantised is None
        self._decoder = self._closing.enter_context(twin(decoder)) if able else decoder
        self.spare = self._closing.enter_context(twin(decoder)) if able else None
        """Another twin, which nobody here uses: the site's thread makes its personas on it. None
        where the weights are quantised."""
        self._thread = threading.Thread(target=self._work, name="personalign-maker", daemon=True)
        self._thread.start()

    def submit(self, job: Job, personas: Personas) -> JobRecord:
        """Take a job; personas: where the finished one is put.

        Raises Refusal where another job, of any server of the folder, makes this persona already,
        or it is there and not to be replaced (409), too many wait (429), the method is not among
        `SERVED_METHODS` or has no such setting (400), or the weights are quantised (501): they are
        packed anew while they run, and cannot be shared.
        """
        if self._quantised is not None:
            given = f"--quantise {self._quantised}"
            raise Refusal(
                501,
                "This server's weights are quantised, and personas cannot be made beside replies. "
                f"Make them with `personalign align {given}`, or carry personas of the model in "
                f"full precision over with `personalign carry {given}`, and put their folders "
                "among the server's.",
                code="not_supported",
            )
        _check_method(job)
        with self._lock:
            if self._stopping.is_set():
                raise Refusal(503, "The server is shutting down.", code="shutting_down")
            with self._records.beginning(job.persona) as free:
                if not free:
                    raise _taken(f"The persona {job.persona} is being made already; wait for it.")
                if not job.replace and job.persona in personas:
                    raise _taken(
                        f"There is a persona {job.persona} already; choose another name, or send "
                        "replace: true."
                    )
                if self._waiting.full():
                    raise Refusal(
                        429,
                        f"{self._waiting.maxsize} personas are waiting to be made; try again "
                        "later.",
                        code="jobs_full",
                        retry_after=30,
                    )
                taken = job.record(self._records.maker)
                self._records.write(taken)
            self._jobs[job.id] = job
            self._waiting.put_nowait((job, personas))
        return taken

    def find(self, number: str) -> JobRecord | None:
        """The job of this id, if it is still known."""
        job = self._jobs.get(number)
        return self._records.find(number) if job is None else job.record(self._records.maker)

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Stop at the running job's next step, drop the waiting ones, join the thread.

        False where that takes longer than so many seconds: the job is told to have failed, nothing
        more comes of it, and its thread is left behind.
        """
        with self._lock:
            self._stopping.set()
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                self._waiting.get_nowait()
        self._thread.join(seconds)
        self._given_up.set()
        for job in list(self._jobs.values()):
            self._end(job, _told(_Stopped()))
        self._records.close()
        if self._thread.is_alive():
            log.warning("A persona was being made and did not stop within %g seconds.", seconds)
            return False
        self._closing.close()
        return True

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None and not self._given_up.is_set():
            job, personas = taken
            job.status = "running"
            self._write(job)
            try:
                persona = self._make(job)
                if not self._given_up.is_set():
                    personas.put(job.persona, persona)
            except Exception as error:
                self._end(job, _told(error))
            else:
                self._end(job, None)

    def _end(self, job: Job, error: dict[str, Any] | None) -> None:
        with self._ending:
            if job.people is None:  # it has been told
                return
            job.people, job.error = None, error
        if error is None:
            job.progress = 1.0
        job.status = "done" if error is None else "failed"
        if self._write(job):
            del self._jobs[job.id]
        self._ended(job.status)

    def _write(self, job: Job) -> bool:
        """Whether it is written; a full disk ends no job, since the persona counts for more."""
        try:
            self._records.write(job.record(self._records.maker))
        except OSError as error:
            log.error("The record of the job %s cannot be written: %s", job.id, error)
            return False
        return True

    def _make(self, job: Job) -> Persona:
        assert job.people is not None, "a job has its person until it is done"
        written = time.monotonic()

        def advance(done: int, total: int) -> None:
            nonlocal written
            if self._stopping.is_set():
                raise _Stopped
            job.progress = done / max(total, 1)
            if time.monotonic() - written >= TELL_SECONDS:
                self._write(job)
                written = time.monotonic()

        advance(0, 1)
        method = build_method(job.method, self._decoder, common={}, own=job.settings)
        assert isinstance(method, PersonaMethod), "checked when the job was taken"
        seen = job.people.only(job.people.inventory.tuning)
        persona = method.personas(seen, progress=advance)[0]
        if job.alpha is None:
            return persona
        if not persona.pushes:
            raise MethodError(
                f"The method {job.method} pushes nothing, so alpha would do nothing; leave it out."
            )
        return persona.with_alpha(job.alpha)


def _taken(sentence: str) -> Refusal:
    return Refusal(409, sentence, param="name", code="already_exists")


def _check_method(job: Job) -> None:
    if job.method not in SERVED_METHODS or job.method not in METHODS:
        raise Refusal(
            400,
            f"The method {job.method!r} is not served; this server makes personas with "
            f"{', '.join(SERVED_METHODS)}.",
            param="method",
            code="invalid_value",
        )
    known = [name for name in settings_taken(job.method) if name not in NOT_SETTABLE]
    for name in job.settings:
        if name not in known:
            raise Refusal(
                400,
                f"The method {job.method} has no setting {name!r} that may be sent; "
                f"{'there are ' + ', '.join(known) if known else 'there are none'}.",
                param="settings",
                code="invalid_value",
            )


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, _Stopped):
        error = Refusal(503, "The server was shut down before it was made.", code="shutting_down")
    if isinstance(error, TypeError | ValueError) and not isinstance(error, PersonalignError):
        log.error("A persona could not be made", exc_info=error)
        error = Refusal(400, f"The method cannot take these settings: {error}.", param="settings")
    told: dict[str, Any] = refusal_of(error).body["error"]
    return told
