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
from personalign.web.chat.speaking import LONGEST, speak
from personalign.web.chat.talks import Reply, Round, messages_of
from personalign.web.refusals import PageRefusal

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
) -> AsyncGenerator[Words | Reply, None]:
    """Words as they come, and each speaker's whole Reply when it has ended.

    rounds: what was said before. seed: draw words with it; None takes the most probable ones.
    longest: tokens of a reply.
    """
    arrived: asyncio.Queue[Words | Reply] = asyncio.Queue()

    async def answer(speaker: Speaker) -> None:
        said: list[str] = []
        problem: str | None = None
        try:
            pieces = _pieces(service, speaker, question, rounds, seed, longest)
            async with aclosing(pieces):
                async for text in pieces:
                    said.append(text)
                    arrived.put_nowait(Words(speaker.name, text))
        except Exception as error:
            problem = _problem(error)
        text = "" if problem else "".join(said).strip()
        arrived.put_nowait(Reply(speaker.name, text, speaker.alpha, seed, problem))

    tasks = [asyncio.create_task(answer(speaker)) for speaker in speakers]
    try:
        left = len(tasks)
        while left:
            got = await arrived.get()
            left -= isinstance(got, Reply)
            yield got
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask_all(
    service: Service,
    speakers: Sequence[Speaker],
    question: str,
    rounds: Sequence[Round] = (),
    *,
    seed: int | None = None,
    longest: int = LONGEST,
) -> list[Reply]:
    """Every speaker's whole reply, in the speakers' order."""
    replies: dict[str, Reply] = {}
    asked = ask(service, speakers, question, rounds, seed=seed, longest=longest)
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
        still=speaker.still,
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
            prompt = await service.renderer.chat(persona, messages_of(known, name, question))
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
        log.error("A reply failed because of a bug", exc_info=error)
    return "broken"
