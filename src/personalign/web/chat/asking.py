"""One question to several speakers at once: their pieces as they come, or all replies whole.

Each speaker has a task of its own; leaving early ends all of them, and with them their places in
the running batch. What goes wrong with one is told in its place and leaves the others alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalign.errors import PersonalignError, SteeringError
from personalign.server.refusals import Refusal
from personalign.web.chat.speaking import LONGEST, rendered, speak
from personalign.web.chat.talks import Listener, Reply, Round, messages_of
from personalign.web.refusals import PageRefusal, without_values

if TYPE_CHECKING:
    from personalign.model.persona import Persona
    from personalign.server.service import Service
    from personalign.web.chat.speakers import Speaker

log = logging.getLogger("personalign.web")

TEMPERATURE = 0.9
"""Of replies that are to surprise."""

PROBLEMS = ("busy", "closing", "persona_gone", "too_strong", "too_long", "broken")
"""Why a speaker says nothing; texts of chat.problem."""


@dataclass(frozen=True)
class Words:
    """Something a speaker has just said."""

    speaker: str
    text: str


async def ask(
    service: Service,
    speakers: Sequence[Speaker],
    question: str,
    rounds: Sequence[Round] = (),
    *,
    seed: int | None = None,
    longest: int = LONGEST,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Words | Reply, None]:
    """Words as they come, and each speaker's Reply when it has ended.

    rounds: what was said before. seed: draw words with it; None takes the most probable ones.
    longest: tokens of a reply. listener: who waits; nobody speaks to one who is gone. stop: once it
    is set, who still speaks has ended with what was said.
    """
    arrived: asyncio.Queue[Words | Reply] = asyncio.Queue()
    stop = stop or asyncio.Event()

    async def answer(speaker: Speaker) -> None:
        said: list[str] = []
        problem: str | None = None
        stopped = False
        try:
            pieces = _pieces(service, speaker, question, rounds, seed, longest, listener)
            async with aclosing(pieces):
                async for text in pieces:
                    said.append(text)
                    arrived.put_nowait(Words(speaker.name, text))
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
            stopped = True
        except Exception as error:
            problem = _problem(error)
        text = "" if problem else "".join(said).strip()
        arrived.put_nowait(Reply(speaker.name, text, speaker.alpha, seed, problem, stopped))

    async def end_when_stopped() -> None:
        await stop.wait()
        for task in tasks:
            task.cancel()

    tasks = [asyncio.create_task(answer(speaker)) for speaker in speakers]
    waiting = asyncio.create_task(end_when_stopped())
    try:
        left = len(tasks)
        while left:
            got = await arrived.get()
            left -= isinstance(got, Reply)
            yield got
    finally:
        for task in (waiting, *tasks):
            task.cancel()
        await asyncio.gather(waiting, *tasks, return_exceptions=True)


async def ask_all(
    service: Service,
    speakers: Sequence[Speaker],
    question: str,
    rounds: Sequence[Round] = (),
    *,
    seed: int | None = None,
    longest: int = LONGEST,
    listener: Listener | None = None,
) -> list[Reply]:
    """Every speaker's whole reply, in the speakers' order."""
    replies: dict[str, Reply] = {}
    asked = ask(service, speakers, question, rounds, seed=seed, longest=longest, listener=listener)
    async with aclosing(asked):
        async for got in asked:
            if isinstance(got, Reply):
                replies[got.speaker] = got
    return [replies[speaker.name] for speaker in speakers]


async def _pieces(
    service: Service,
    speaker: Speaker,
    question: str,
    rounds: Sequence[Round],
    seed: int | None,
    longest: int,
    listener: Listener | None,
) -> AsyncGenerator[str, None]:
    """A speaker's pieces; of a conversation too long for the model it knows the newest part."""
    known = await _that_fit(service, speaker.persona, speaker.name, question, rounds)
    pieces = speak(
        service,
        speaker.persona,
        messages_of(known, speaker.name, question),
        asker=speaker.asker,
        longest=longest,
        temperature=0.0 if seed is None else TEMPERATURE,
        seed=seed or 0,
        owner="" if listener is None else listener.talk.id,
        still=lambda: (listener is None or not listener.gone) and speaker.still(),
    )
    async with aclosing(pieces):
        async for text in pieces:
            yield text


async def _that_fit(
    service: Service, persona: Persona, name: str, question: str, rounds: Sequence[Round]
) -> Sequence[Round]:
    context = service.renderer.context
    known = list(rounds)
    while known and context is not None:
        try:
            prompt = await rendered(service, persona, messages_of(known, name, question))
            if len(prompt) <= context // 2:  # the rest is the reply's
                break
        except Refusal:
            pass
        del known[0]
    return known


def _problem(error: Exception) -> str:
    if isinstance(error, PageRefusal) and error.reason in PROBLEMS:
        return error.reason
    if isinstance(error, Refusal) and error.code == "context_length_exceeded":
        return "too_long"
    if isinstance(error, SteeringError):
        return "too_strong"
    if not isinstance(error, PersonalignError):
        log.error("A reply failed because of a bug: %s", without_values(error))
    return "broken"
