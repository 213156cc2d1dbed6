"""Having a persona say something: from messages to pieces of text, through the running engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

from personalign.errors import EngineClosed, EngineFull
from personalign.server.requests import Request, Ticket
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.model.chat import Message
    from personalign.model.persona import Persona
    from personalign.server.service import Service

LONGEST = 320
"""Tokens of a reply in a page."""


async def speak(
    service: Service,
    persona: Persona,
    messages: Sequence[Message],
    *,
    asker: str,
    longest: int = LONGEST,
    temperature: float = 0.0,
    seed: int = 0,
    owner: str = "",
    still: Callable[[], bool] = lambda: True,
) -> AsyncGenerator[str, None]:
    """The pieces of a reply as they are written; leaving early ends it.

    messages: the turns so far, the person's last one at the end, without a system prompt. asker: of
    the `Request`. owner: what the reply is for, by which it may be ended (`Site.silence`). still:
    whether it may be given now, asked in a thread. Whoever takes that away ends the replies that
    the engine has then (`privacy/forgetting.py`); so it is asked once the engine has this one.
    Raises PageRefusal where the engine is full or closing, or the persona may not speak any more,
    and what the engine raises.
    """
    prompt = await rendered(service, persona, messages)
    wanted = Request(
        prompt,
        persona,
        max_new_tokens=longest,
        temperature=temperature,
        seed=seed,
        owner=owner,
        asker=asker,
    )
    try:
        ticket = await _submitted(service, wanted)
    except EngineFull:
        raise PageRefusal(429, "busy", retry_after=5) from None
    except EngineClosed:
        raise PageRefusal(503, "closing", retry_after=10) from None
    with ticket:
        if not await asyncio.to_thread(still):
            ticket.cancel()  # this reply alone; then nothing of it is left on the device
            await asyncio.to_thread(service.engine.forget)
            raise PageRefusal(410, "persona_gone")
        async for piece in ticket:
            if piece.text:
                yield piece.text
            if piece.finish == "cancelled":  # by the engine: the persona may not, or it is closing
                if not await asyncio.to_thread(still):
                    raise PageRefusal(410, "persona_gone")
                raise PageRefusal(503, "closing", retry_after=10)


async def rendered(
    service: Service, persona: Persona, messages: Sequence[Message]
) -> tuple[int, ...]:
    """Token ids of a chat; PageRefusal where too much waits, and what the renderer raises."""
    try:
        return await service.renderer.chat(persona, messages)
    except EngineFull:
        raise PageRefusal(429, "busy", retry_after=5) from None


async def _submitted(service: Service, wanted: Request) -> Ticket:
    """The ticket of a request; who leaves while it is being taken leaves no reply behind."""
    taking = asyncio.ensure_future(asyncio.to_thread(service.engine.submit, wanted))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_let_go)
        raise


def _let_go(taken: asyncio.Future[Ticket]) -> None:
    if not taken.cancelled() and taken.exception() is None:
        taken.result().cancel()


async def say(
    service: Service,
    persona: Persona,
    messages: Sequence[Message],
    *,
    asker: str,
    longest: int = LONGEST,
    temperature: float = 0.0,
    seed: int = 0,
    owner: str = "",
    still: Callable[[], bool] = lambda: True,
) -> str:
    """The whole reply; as `speak`."""
    pieces = speak(
        service,
        persona,
        messages,
        asker=asker,
        longest=longest,
        temperature=temperature,
        seed=seed,
        owner=owner,
        still=still,
    )
    return "".join([piece async for piece in pieces]).strip()
