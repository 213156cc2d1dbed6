"""From a finished questionnaire to a persona and its mirror image, in the background.

One thread a site makes them, one after another, on twins of the models, so that replies go on
meanwhile. What is wanted and how it ended is a row of the database (`Alignment`); how far it is,
0 to 1, is told from memory. Both personas, the row's end and the audit entry are kept in one
transaction. What was under way when the server ended is failed at the next start.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from personalign.errors import PersonalignError, SiteError
from personalign.server.jobs import CLOSE_SECONDS
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now
from personalign.web.personas.tables import Alignment, StoredPersona
from personalign.web.questionnaire.consent import consent_of
from personalign.web.questionnaire.sheets import person_of
from personalign.web.questionnaire.tables import Sitting
from personalign.web.refusals import PageRefusal, without_values

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from personalign.dataset.people import Respondents
    from personalign.methods.base import PersonaMethod, Progress
    from personalign.model.persona import Persona
    from personalign.web.site import Site

log = logging.getLogger("personalign.web")

METHODS = ("pas", "dials", "dials-few-shot", "few-shot", "facet-prompt", "iti", "caa")
"""What a site can make personas with: no training of weights, and no other model asked."""

MOST_WAITING = 64
"""Alignments under way at once, the waiting ones included."""

UNFINISHED = ("queued", "running")

PEOPLE_FIRST, VIEWS_LATER = 0, 1
"""Ranks of work: who waits for a persona goes before what is only made ahead."""

_Work = tuple[int, int, Callable[[], object] | None]


class Aligner:
    """The thread that makes a site's personas, and what waits for it."""

    def __init__(self, site: Site) -> None:
        """Nothing runs before `start`: commands open a site, too."""
        self._site = site
        self._work: queue.PriorityQueue[_Work] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._methods: dict[str, PersonaMethod] = {}
        self._warmed: set[str] = set()
        self._progress: dict[str, float] = {}  # of what is under way, by the alignment's id
        self._owners: dict[str, str] = {}  # alignment's id -> account's id
        self._changed = threading.Condition()  # of the two above; nothing is waited for inside it
        self._beginning = threading.Lock()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, once; what a former server left unfinished is failed.

        Raises SiteError where the settings name a method this site cannot make personas with.
        """
        if self._thread is not None:
            return
        method = self._site.settings.method
        if method not in METHODS:
            raise SiteError(
                f"This site is to make personas with {method!r}; it can with {', '.join(METHODS)}."
            )
        with self._site.database.writing() as session:
            wait_for_turn(session)
            left = select(Alignment).where(Alignment.status.in_(UNFINISHED))
            for row in session.scalars(left).all():
                _fail(session, self._site, row, "restarted")
        self._thread = threading.Thread(target=self._run, name="personalign aligner", daemon=True)
        self._thread.start()

    def able(self, model: str) -> bool:
        """Whether personas can be made for a model while it replies: not over quantised weights,
        which are packed anew while they run and cannot be shared."""
        return model in self._site.services and self._site.services[model].maker.spare is not None

    def begin(self, account_id: str, sitting_id: str, model: str) -> str:
        """Have somebody's answers aligned; gives the id of the `Alignment`.

        Asking again for what is under way gives its id. Raises PageRefusal where the sitting is not
        theirs (404), they do not consent (403), it is not finished, another alignment of theirs is
        under way, or many wait (409, 429), AnswersError where too little is answered.
        """
        site = self._site
        if model not in site.services:
            raise PageRefusal(400, "not_understood")
        if not self.able(model):
            raise PageRefusal(409, "quantised", model=model)
        with self._beginning:
            row, fresh = self._taken(account_id, sitting_id, model)
            if not fresh:
                return row.id
            with self._changed:
                self._progress[row.id], self._owners[row.id] = 0.0, account_id
        self.soon(lambda: self._align(row.id), PEOPLE_FIRST)
        return row.id

    def progress(self, alignment_id: str) -> float:
        """How far an alignment under way is, 0 to 1; 1 for what has ended."""
        return self._progress.get(alignment_id, 1.0)

    def await_done(self, alignment_id: str, seconds: float = 60.0) -> Alignment:
        """The row of an alignment once it has ended; TimeoutError where that takes longer."""
        end = time.monotonic() + seconds
        with self._changed:
            while alignment_id in self._progress:
                if not self._changed.wait(max(end - time.monotonic(), 0.0)):
                    raise TimeoutError(f"The alignment did not end within {seconds} seconds.")
        with self._site.database.reading() as session:
            return session.get_one(Alignment, alignment_id)

    def soon(self, work: Callable[[], object], rank: int = VIEWS_LATER) -> None:
        """Have something done in the aligner's thread, where `make` may be called."""
        self._work.put((rank, next(self._numbers), work))

    def make(
        self, model: str, people: Respondents, progress: Progress | None = None
    ) -> list[Persona]:
        """Personas of people by this site's method; only in the aligner's thread.

        Raises Stopped where the site is closing.
        """
        seen = people.only(people.inventory.tuning)
        return self._method(model).personas(seen, progress=progress or self._go_on)

    def warm(self, model: str) -> None:
        """Have done now, once, what an alignment begins with and does not depend on the person."""
        if self.able(model) and model not in self._warmed:
            self._warmed.add(model)
            self.soon(lambda: self._prepare(model), PEOPLE_FIRST)

    def forget(self, account_id: str) -> None:
        """Stop what is under way for an account that is deleted, or whose consent is withdrawn."""
        with self._changed:
            for number in [n for n, owner in self._owners.items() if owner == account_id]:
                self._drop(number)

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Stop at the next step of what is being made; what waits is failed at the next start.

        False where that takes longer than so many seconds: nothing is kept any more of what is
        being made, and its thread is left behind.
        """
        self._stopping = True
        if self._thread is None:
            return True
        self._work.put((-1, next(self._numbers), None))
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning("An alignment did not stop within %g seconds.", seconds)
            return False
        return True

    def _run(self) -> None:
        while (work := self._work.get()[2]) is not None:
            try:
                work()
            except Stopped:
                pass
            except Exception as error:
                log.error("Work of the aligner failed: %s", without_values(error))

    def _method(self, model: str) -> PersonaMethod:
        """This site's method for a model; what it has read of the model, it keeps."""
        from personalign.methods.registry import get_persona_method

        assert threading.current_thread() is self._thread, "one thread uses the twins"
        if model not in self._methods:
            spare = self._site.services[model].maker.spare
            assert spare is not None, "checked when it was asked for"
            self._methods[model] = get_persona_method(self._site.settings.method, decoder=spare)
        return self._methods[model]

    def _prepare(self, model: str) -> None:
        from personalign.methods.dials import Dials
        from personalign.methods.pas import Pas

        method = self._method(model)
        if isinstance(method, Pas | Dials):
            method.prepare(progress=self._go_on)

    def _go_on(self, _done: int, _total: int) -> None:
        if self._stopping:
            raise Stopped

    def _taken(self, account_id: str, sitting_id: str, model: str) -> tuple[Alignment, bool]:
        """The row of what `begin` is asked for, checked, and whether it was written just now; else
        it is of the same under way."""
        site = self._site
        with site.database.writing() as session:
            wait_for_turn(session)
            sitting = session.scalar(
                select(Sitting).where(Sitting.id == sitting_id, Sitting.account_id == account_id)
            )
            if sitting is None:
                raise PageRefusal(404, "not_found")
            if consent_of(session, account_id) is None:
                raise PageRefusal(403, "consent")
            if sitting.finished_at is None:
                raise PageRefusal(409, "not_finished")
            person_of(session, site.vault, sitting)
            under_way = session.scalar(
                select(Alignment)
                .where(Alignment.account_id == account_id, Alignment.status.in_(UNFINISHED))
                .with_for_update()
            )
            if under_way is not None and under_way.id not in self._progress:
                _fail(session, site, under_way, "broken")  # its end could not be written
            elif under_way is not None:
                if (under_way.sitting_id, under_way.model) == (sitting_id, model):
                    return under_way, False
                raise PageRefusal(409, "aligning")
            if self._thread is None or self._stopping:
                raise PageRefusal(503, "closing", retry_after=10)
            if len(self._progress) >= MOST_WAITING:
                raise PageRefusal(429, "many_aligning", retry_after=30)
            row = Alignment(
                id=new_id(),
                account_id=account_id,
                sitting_id=sitting_id,
                model=model,
                method=site.settings.method,
                status="queued",
                created_at=now(),
            )
            session.add(row)
            account = session.get_one(Account, account_id)
            append(
                session,
                site.vault,
                "alignment.begun",
                actor=account.audit_name,
                subject=row.id,
                model=model,
                method=row.method,
            )
            return row, True

    def _align(self, number: str) -> None:
        """Make both personas of an alignment and keep them."""
        from personalign.dataset.mirror import mirrored
        from personalign.dataset.people import Respondents

        site = self._site

        def advance(done: int, total: int) -> None:
            if self._stopping or number not in self._progress:
                raise Stopped
            self._progress[number] = done / max(total, 1)

        try:
            advance(0, 1)
            with site.database.writing() as session:
                row = session.get(Alignment, number)
                if row is None:
                    return  # deleted while it waited
                row.status = "running"
                person = person_of(session, site.vault, session.get_one(Sitting, row.sitting_id))
            turned = replace(mirrored(person), ids=("mirrored",))
            personas = self.make(row.model, Respondents.concat([person, turned]), advance)
            advance(1, 1)
            self._keep(row, personas)
        except Stopped:
            if not self._stopping:
                self._end_badly(number, "withdrawn")
            raise
        except PersonalignError as error:
            self._end_badly(number, str(error))
        except Exception as error:
            log.error("An alignment failed because of a bug: %s", without_values(error))
            self._end_badly(number, "broken")
        finally:
            with self._changed:
                self._drop(number)

    def _keep(self, made: Alignment, personas: list[Persona]) -> None:
        """Both personas, the row's end and the audit entry in one transaction; nothing where the
        person has deleted account or answers meanwhile. Stopped where they do not consent any more.
        """
        site = self._site
        with site.database.writing() as session:
            wait_for_turn(session)
            account = session.get(Account, made.account_id)
            sitting = session.get(Sitting, made.sitting_id)
            row = session.get(Alignment, made.id)
            if account is None or sitting is None or row is None:
                return
            if consent_of(session, account.id) is None:
                raise Stopped
            kept: dict[str, StoredPersona] = {
                kind: site.shelf.keep(
                    session,
                    persona,
                    account_id=row.account_id,
                    sitting_id=row.sitting_id,
                    kind=kind,
                    model=row.model,
                )
                for kind, persona in zip(("mine", "mirrored"), personas, strict=True)
            }
            session.flush()  # the personas first: the row refers to them
            row.persona_id, row.mirrored_id = kept["mine"].id, kept["mirrored"].id
            row.status, row.ended_at = "done", now()
            append(
                session,
                site.vault,
                "alignment.done",
                actor=account.audit_name,
                subject=row.id,
                model=row.model,
                method=row.method,
            )

    def _end_badly(self, number: str, why: str) -> None:
        with self._site.database.writing() as session:
            wait_for_turn(session)
            row = session.get(Alignment, number)
            if row is not None and row.status in UNFINISHED:
                _fail(session, self._site, row, why)

    def _drop(self, number: str) -> None:
        """It is not under way any more; called with the lock held."""
        self._progress.pop(number, None)
        self._owners.pop(number, None)
        self._changed.notify_all()


class Stopped(Exception):
    """The site is closing, or nobody wants it any more; raised at the next sign of progress."""


def _fail(session: Session, site: Site, row: Alignment, why: str) -> None:
    row.status, row.error, row.ended_at = "failed", why, now()
    account = session.get_one(Account, row.account_id)
    append(session, site.vault, "alignment.failed", actor=account.audit_name, subject=row.id)
