"""Making personas while the server runs: one after another, in a thread of its own.

A method reads and steers a model through hooks on its modules, which another thread's forward
passes would run into. So jobs work on a twin: other modules over the same weights. It is made
before the engine lays its own hooks. What takes seconds to minutes is a job: it is taken (202),
looked after (GET /v1/jobs/ID) and forgotten when `KEPT` newer ones have come.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from personalign.errors import MethodError, PersonalignError
from personalign.methods.base import PersonaMethod
from personalign.methods.registry import METHODS
from personalign.methods.settings import build_method, settings_taken
from personalign.methods.twin import twin
from personalign.server.refusals import Refusal, refusal_of

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

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

MOST_WAITING, KEPT = 64, 1000
"""Jobs that may wait; finished jobs that can still be asked about."""

Status = Literal["queued", "running", "done", "failed"]


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
    id: str = field(default_factory=lambda: f"job-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))
    status: Status = "queued"
    progress: float = 0.0
    """0 to 1."""
    error: dict[str, Any] | None = None
    """What went wrong, as an error object."""

    def told(self) -> dict[str, Any]:
        """As its maker sees it; nothing of the answers."""
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


class _Stopped(Exception):
    """The server is closing; raised inside a method at its next sign of progress."""


class PersonaMaker:
    """The thread that makes personas, and its queue."""

    def __init__(
        self,
        decoder: Decoder,
        keep: Callable[[str, Persona], object],
        *,
        ended: Callable[[Status], object] = lambda _status: None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """keep: stores a finished persona by name. ended: called with each job's outcome.

        To be made before an engine lays hooks onto the decoder.
        """
        self._keep = keep
        self._ended = ended
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: queue.Queue[Job | None] = queue.Queue(most_waiting)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._closing = ExitStack()
        self._quantised = decoder.quantize
        able = self._quantised is None
        self._decoder = self._closing.enter_context(twin(decoder)) if able else decoder
        self.spare = self._closing.enter_context(twin(decoder)) if able else None
        """Another twin, which nobody here uses: the site's thread makes its personas on it. None
        where the weights are quantised."""
        self._thread = threading.Thread(target=self._work, name="personalign-maker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Job:
        """Take a job.

        Raises Refusal where another job makes this persona already (409), too many wait (429),
        the method is not among `SERVED_METHODS` or has no such setting (400), or the weights are
        quantised (501): they are packed anew while they run, and cannot be shared.
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
            if self.making(job.persona):
                raise Refusal(
                    409,
                    f"The persona {job.persona} is being made already; wait for that job.",
                    param="name",
                    code="already_exists",
                )
            try:
                self._waiting.put_nowait(job)
            except queue.Full:
                raise Refusal(
                    429,
                    f"{self._waiting.maxsize} personas are waiting to be made; try again later.",
                    code="jobs_full",
                    retry_after=30,
                ) from None
            self._jobs[job.id] = job
            self._forget()
        return job

    def find(self, number: str) -> Job | None:
        """The job of this id, if it is still known."""
        return self._jobs.get(number)

    def making(self, persona: str) -> bool:
        """Whether a job for a persona of this name has not ended."""
        unfinished = ("queued", "running")
        return any(j.persona == persona and j.status in unfinished for j in self._jobs.values())

    def close(self) -> None:
        """Stop at the running job's next step, drop the waiting ones, join the thread."""
        with self._lock:
            self._stopping.set()
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                self._waiting.get_nowait()
        self._thread.join()
        self._closing.close()

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            job.status = "running"
            try:
                self._keep(job.persona, self._make(job))
                job.progress, job.status = 1.0, "done"
            except Exception as error:
                job.error = _told(error)
                job.status = "failed"
            job.people = None
            self._ended(job.status)

    def _make(self, job: Job) -> Persona:
        assert job.people is not None, "a job has its person until it is done"

        def advance(done: int, total: int) -> None:
            job.progress = done / max(total, 1)
            if self._stopping.is_set():
                raise _Stopped

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

    def _forget(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.status in ("done", "failed")]
        for number in ended[: max(len(ended) - KEPT, 0)]:
            del self._jobs[number]


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
