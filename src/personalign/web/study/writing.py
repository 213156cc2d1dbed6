"""Writing a study's pairs in the background: personas, their replies to every prompt, packs.

One thread a site writes them, one study or rater after another, through the running engine, a few
replies at once, so that people who talk meanwhile hardly notice. A study's state is a row of the
database; how far it is is told from memory. What a restart cut short is neither lost nor half
there: nothing of it was kept, and it can be begun again.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from personalign.errors import PersonalignError
from personalign.evaluation.assistants import AssistantReply
from personalign.evaluation.blind import pack_pairs
from personalign.model.persona import PLAIN
from personalign.server.refusals import Refusal
from personalign.web.audit.log import wait_for_turn
from personalign.web.chat.speaking import say
from personalign.web.database.base import seal, unsealed_text
from personalign.web.refusals import PageRefusal, without_values
from personalign.web.study.packs import keep_packs, packs_of, pairs_in
from personalign.web.study.recipe import Recipe, recipe_in
from personalign.web.study.speakers import simulated_speakers, stored_speakers
from personalign.web.study.tables import Invitation, Pack, Study

if TYPE_CHECKING:
    from personalign.evaluation.blind import BlindPair, Key
    from personalign.model.persona import Persona
    from personalign.web.site import Site

log = logging.getLogger("personalign.web")

MOST_WAITING = 64
"""Studies and raters whose pairs may wait to be written."""

AT_ONCE = 4
"""Replies written at once: the engine's other places are for people who talk."""

TRY_AGAIN_SECONDS = 1.0
"""After which a full engine is asked again."""

SEED_BITS = 63
"""Of a reply's seed, all an engine takes: a rater who may write with seeds cannot try them all."""


@dataclass
class Job:
    """One study's pairs, or one rater's own."""

    study_id: str
    invitation_id: str | None
    """The rater's, None for a study's own pairs."""
    account_id: str
    """Whose persona speaks, or whose study it is."""
    done: int = 0
    """Replies written."""
    total: int = 0
    """Replies wanted; 0 while personas are made."""
    problem: str | None = None
    """Why it failed, a sentence, or "" for a mistake of ours."""
    unwanted: bool = False
    """Whether nobody wants it any more."""

    @property
    def name(self) -> str:
        """What it is found by."""
        return self.invitation_id or self.study_id


class PairWriter:
    """The thread that writes pairs, and its queue."""

    def __init__(self, site: Site) -> None:
        """The thread begins with the first job."""
        self._site = site
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}  # under way, and failed ones of raters
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, study_id: str, account_id: str, invitation_id: str | None = None) -> None:
        """Have pairs written; what is under way already goes on.

        Raises PageRefusal where many wait (429), or the site is closing (503).
        """
        job = Job(study_id, invitation_id, account_id)
        with self._lock:
            if self._stopping.is_set():
                raise PageRefusal(503, "closing", retry_after=10)
            if self.under_way(job.name):
                return
            if sum(one.problem is None for one in self._jobs.values()) >= MOST_WAITING:
                raise PageRefusal(429, "busy", retry_after=60)
            self._jobs[job.name] = job
            self._waiting.put(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="personalign pairs", daemon=True
                )
                self._thread.start()

    def job(self, name: str) -> Job | None:
        """What is under way for a study or an invitation, or how a rater's last try failed."""
        return self._jobs.get(name)

    def under_way(self, name: str) -> bool:
        """Whether pairs are being written, or wait to be, for a study or an invitation."""
        job = self._jobs.get(name)
        return job is not None and job.problem is None

    def forget(self, account_id: str) -> None:
        """Stop what is under way for an account that is deleted."""
        for job in list(self._jobs.values()):
            if job.account_id == account_id:
                job.unwanted = True
        self._site.silence([account_id])

    def close(self) -> None:
        """Stop at the next reply; what waits is begun again by who wants it."""
        with self._lock:
            self._stopping.set()
            self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            try:
                self._write_or_tell(job)
            except Exception as error:  # not even the failure could be kept: it says it stopped
                told = without_values(error)
                log.error("The failure of a study's pairs could not be kept: %s", told)
            if job.problem is None:
                self._jobs.pop(job.name, None)

    def _write_or_tell(self, job: Job) -> None:
        try:
            self._write(job)
        except _Stopped:
            return
        except (PersonalignError, Refusal) as error:
            self._fail(job, str(error))
        except Exception as error:
            log.error("Pairs could not be written because of a bug: %s", without_values(error))
            self._fail(job, "")

    def _write(self, job: Job) -> None:
        self._go_on(job)
        site = self._site
        with site.database.reading() as session:
            study = session.get(Study, job.study_id)
            if study is None:
                return
            recipe = recipe_in(unsealed_text(site.vault, study, "settings"))
            person = "person"
            if job.invitation_id is not None:
                rater = session.get(Invitation, job.invitation_id)
                if rater is None:
                    return
                person = f"rater-{rater.number}"
        about: dict[str, Any] = {
            "model": recipe.model,
            "values": recipe.source,
            "max_tokens": recipe.tokens,
            "temperature": recipe.temperature,
        }
        if recipe.source == "simulated":
            about["simulated_person"] = seed = secrets.randbits(32)
            personas = simulated_speakers(site, recipe, seed, lambda: self._go_on(job))
        else:
            personas = stored_speakers(site, recipe, job.account_id)
        about["method"] = next(
            (str(one.provenance.get("method", "")) for one in personas.values() if one != PLAIN), ""
        )
        job.total = len(recipe.prompts) * len(recipe.conditions)
        seeds = {prompt: secrets.randbits(SEED_BITS) for prompt, _ in recipe.prompts}
        about["reply_seeds"] = {person: seeds}
        texts = asyncio.run(self._replies(job, recipe, personas, seeds))
        rows = [
            AssistantReply(
                person=person, prompt=prompt, asked=asked, condition=c, text=texts[prompt, c]
            )
            for prompt, asked in recipe.prompts
            for c in recipe.conditions
        ]
        self._go_on(job)
        self._keep(job, rows, recipe.contrasts, about)

    async def _replies(
        self, job: Job, recipe: Recipe, personas: dict[str, Persona], seeds: dict[str, int]
    ) -> dict[tuple[str, str], str]:
        """(prompt's id, condition) -> what that assistant says, drawn with the prompt's seed."""
        service = self._site.services[recipe.model]
        places = asyncio.Semaphore(AT_ONCE)
        texts: dict[tuple[str, str], str] = {}

        async def write(prompt: str, asked: str, condition: str) -> None:
            async with places:
                while True:
                    self._go_on(job)
                    try:
                        chat: Any = [{"role": "user", "content": asked}]
                        text = await say(
                            service,
                            personas[condition],
                            chat,
                            asker=f"study {job.name} {condition}",
                            longest=recipe.tokens,
                            temperature=recipe.temperature,
                            seed=seeds[prompt],
                            owner=job.account_id,
                            still=lambda: not job.unwanted,
                        )
                        break
                    except PageRefusal as refusal:
                        if refusal.reason != "busy":
                            raise _Stopped from None  # the engine is closing
                        await asyncio.sleep(TRY_AGAIN_SECONDS)
                texts[prompt, condition] = text
                job.done += 1

        try:
            async with asyncio.TaskGroup() as group:
                for prompt, asked in recipe.prompts:
                    for condition in recipe.conditions:
                        group.create_task(write(prompt, asked, condition))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return texts

    def _keep(
        self,
        job: Job,
        rows: Sequence[AssistantReply],
        contrasts: Sequence[tuple[str, str]],
        about: dict[str, Any],
    ) -> None:
        """The packs in one transaction; nothing where study or rater are gone, or have theirs."""
        site = self._site
        with site.database.writing() as session:
            wait_for_turn(session)  # a deletion goes through the same rows the other way
            study = session.get(Study, job.study_id, with_for_update=True)
            if study is None:
                return
            there = select(Pack.id).where(
                Pack.study_id == study.id,
                Pack.invitation_id.is_(None)
                if job.invitation_id is None
                else Pack.invitation_id == job.invitation_id,
            )
            gone = job.invitation_id and session.get(Invitation, job.invitation_id) is None
            if gone or session.scalars(there).first() is not None:
                return
            taken = {
                pair.pair
                for pack in packs_of(session, study.id)
                for pair in pairs_in(site.vault, pack)
            }
            pairs, key = _packed(rows, contrasts, about, taken)
            keep_packs(session, site.vault, study.id, pairs, key, invitation_id=job.invitation_id)
            study.state = "ready"

    def _go_on(self, job: Job) -> None:
        if self._stopping.is_set() or job.unwanted:
            raise _Stopped

    def _fail(self, job: Job, problem: str) -> None:
        """A study's failure is kept; a rater's is told from memory, and they may try again."""
        if job.invitation_id is not None:
            job.problem = problem
            return
        with self._site.database.writing() as session:
            study = session.get(Study, job.study_id)
            if study is not None:
                study.state = "failed"
                seal(self._site.vault, study, "problem", problem)


def _packed(
    rows: Sequence[AssistantReply],
    contrasts: Sequence[tuple[str, str]],
    about: dict[str, Any],
    taken: set[str],
) -> tuple[list[BlindPair], Key]:
    """Pairs and key by a seed drawn by chance, which stands in the key alone; ids are new ones."""
    while True:
        pairs, key = pack_pairs(rows, contrasts, seed=secrets.randbits(64), about=about)
        if not taken & {pair.pair for pair in pairs}:
            return pairs, key


class _Stopped(Exception):
    """The site is closing, or nobody wants it any more."""
