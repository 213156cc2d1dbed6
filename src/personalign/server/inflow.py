"""A request's body as it comes in: bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

DISCARDED, DISCARD_SECONDS = 8, 2.0
"""How many times the largest body, and how long, is read on of a body that is refused."""


def declared_length(scope: Scope) -> int:
    """Bytes the request says its body has; 0 where it does not say."""
    told = Headers(scope=scope).get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def bounded_body(receive: Receive, most: int, seconds: float) -> Receive:
    """The body, refused with 413 beyond `most` bytes and with 408 where it takes too long."""
    size, whole, end = 0, False, None

    async def bounded() -> Message:
        nonlocal size, whole, end
        if whole:  # what comes now is the client going away
            return await receive()
        end = end or asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, headers={"connection": "close"}) from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > most:
            if not whole:
                await discard(receive, most)
            raise HTTPException(413, headers={"connection": "close"})
        return message

    return bounded


async def discard(receive: Receive, most: int) -> None:
    """Read on for a while, so that a client that sends before it reads hears the refusal.

    To close a connection with bytes unread resets it, and what was answered is lost.
    """
    left = DISCARDED * most
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
