"""What is asked of the engine and what comes back: `Request`, `Piece`, `Ticket`.

A request is token ids and a persona; its reply comes as pieces, one a token, through a ticket that
can be read from any thread, or from an event loop. Whoever stops reading cancels.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from personalign.errors import MethodError
from personalign.model.decoding import Sampling
from personalign.model.persona import Persona

Finish = Literal["stop", "length", "cancelled"]
"""Why a reply ended: its own end or a stop string; its longest length; nobody wants it any more."""

MAX_LOGPROBS = 20
"""Most alternatives a token that may be asked for."""


@dataclass(frozen=True)
class Request:
    """One reply that is wanted."""

    prompt: tuple[int, ...]
    """Token ids of the chat, rendered by the caller, begun reply included."""
    persona: Persona
    """Who replies; PLAIN is nobody. Its system prompt is already in the prompt."""
    begun: int = 0
    """How many tokens at the end of the prompt are a begun reply."""
    max_new_tokens: int = 256
    """At most this many tokens; fewer where the model's context ends."""
    temperature: float = 0.0
    """0 takes the most probable token; 1 samples from the model's own distribution."""
    top_p: float = 1.0
    """Sample among the most probable tokens that together reach this probability."""
    top_k: int = 0
    """Sample among this many most probable tokens; 0 is all."""
    seed: int = 0
    """Seed of this reply's own random numbers."""
    stop: tuple[str, ...] = ()
    """Texts that end the reply; it goes as far as the first of them, without it."""
    logprobs: int | None = None
    """Log-probabilities wanted: None, or how many alternatives a token (0: the token's own)."""
    owner: str = ""
    """What it is written for, such as a key's id: whoever takes that away ends it by this name
    (`Engine.cancel`). "" is nobody's."""
    asker: str = ""
    """Who asks whom, in words of the caller's: what was read of one asker's prompts is found again
    by the same asker alone. The server names key and persona, the site account and persona."""

    def __post_init__(self) -> None:
        Sampling(self.max_new_tokens, self.temperature, self.top_p)  # checks the three
        if not self.prompt:
            raise MethodError("The prompt of a request is empty; give at least one token.")
        if not 0 <= self.begun <= len(self.prompt):
            raise MethodError(
                f"{self.begun} tokens of the prompt are a begun reply, but the prompt has "
                f"{len(self.prompt)}."
            )
        if self.top_k < 0:
            raise MethodError(f"top_k is {self.top_k}; it must be 0 (all) or more.")
        if not 0 <= self.seed < 2**63:
            raise MethodError(f"The seed is {self.seed}; it must be from 0 to 2**63 - 1.")
        if not all(self.stop):
            raise MethodError("A stop string is empty; every reply would end before it began.")
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise MethodError(
                f"logprobs is {self.logprobs}; it must be None or from 0 to {MAX_LOGPROBS}."
            )


@dataclass(frozen=True)
class Piece:
    """One step of one reply."""

    token: int
    """The token drawn; -1 where a reply is cancelled without one."""
    text: str
    """Text that is now certain; what may become a stop string or half a character is held back."""
    logprob: float | None = None
    """The token's log-probability under the steered model at temperature 1, where asked for."""
    top: tuple[tuple[int, float], ...] = ()
    """The most probable (token, log-probability) pairs, most probable first, where asked for."""
    finish: Finish | None = None
    """Why the reply ends with this piece, or None where it goes on."""


@dataclass(frozen=True)
class Usage:
    """What a reply has cost so far, in tokens."""

    prompt_tokens: int
    """Tokens of the prompt, an adapter's virtual tokens included."""
    completion_tokens: int = 0
    """Tokens of the reply; the one that ends it is none of them."""
    cached_tokens: int = 0
    """Tokens of the prompt that had been read before."""

    def after(self, **counted: int) -> Usage:
        """The same with other counts."""
        return replace(self, **counted)


class Ticket:
    """A reply under way: iterate its pieces once, in one thread or event loop.

    The last piece has a `finish`. As a context manager it cancels what was not read to the end.
    Iterating raises what went wrong with this reply, e.g. SteeringError where its persona's alpha
    makes the logits non-finite.
    """

    def __init__(self, request: Request, usage: Usage) -> None:
        self.request = request
        """What was asked."""
        self.usage = usage
        """What it has cost so far."""
        self.cancelled = False
        """Whether somebody has lost interest; read by the engine between two steps."""
        self._pieces: queue.SimpleQueue[Piece | Exception | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: asyncio.Queue[Piece | Exception | None] | None = None

    def cancel(self) -> None:
        """End the reply early; its last piece says 'cancelled', unless it has ended already."""
        self.cancelled = True

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def __iter__(self) -> Iterator[Piece]:
        while (piece := self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece
        self._pieces.put(None)  # iterating again ends at once

    async def __aiter__(self) -> AsyncIterator[Piece]:
        arrived: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()
        with self._lock:
            self._loop, self._arrived = asyncio.get_running_loop(), arrived
            while not self._pieces.empty():
                arrived.put_nowait(self._pieces.get())
        while (piece := await arrived.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def text(self) -> str:
        """The whole reply, once it has ended."""
        return "".join(piece.text for piece in self)

    def put(self, piece: Piece | Exception) -> None:
        """For the engine: one more piece."""
        last = isinstance(piece, Exception) or piece.finish is not None
        with self._lock:
            for item in (piece, None) if last else (piece,):
                if self._loop is None or self._arrived is None:
                    self._pieces.put(item)
                elif not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)
