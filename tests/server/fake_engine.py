"""An engine that is easy to understand and can be held: one pass a row, through the plain loop.

It keeps the seam of `server.engine.Engine` (submit, stats, close) over `model.decoding`, draws a
token of every running reply in turn, and stands still while `held` is on, so that a test decides
what happens in the middle of a reply. No logprobs, no top_k.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from personalign.errors import EngineClosed, EngineFull
from personalign.model.decoder import Decoder
from personalign.model.decoding import Sampling, next_tokens
from personalign.model.persona import Persona
from personalign.server.engine import EngineStats
from personalign.server.reply_text import ReplyText
from personalign.server.requests import Piece, Request, Ticket, Usage


@dataclass
class Running:
    """One reply being written."""

    ticket: Ticket
    steps: Iterator[dict[int, int]]
    text: ReplyText
    said: int = 0


@dataclass
class FakeEngine:
    decoder: Decoder
    max_batch: int = 32
    queue: int = 256
    waiting: list[Ticket] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    drawn: int = 0
    closing: bool = False
    dropping: bool = False

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.go = threading.Event()
        self.go.set()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is drawn inside the block."""
        self.go.clear()
        try:
            yield
        finally:
            self.go.set()

    def submit(self, request: Request) -> Ticket:
        with self.changed:
            if self.closing:
                raise EngineClosed("The engine is closed.")
            if len(self.waiting) >= self.queue:
                raise EngineFull("The queue is full.")
            ticket = Ticket(request, Usage(len(request.prompt)))
            self.waiting.append(ticket)
            self.tickets.append(ticket)
            self.changed.notify_all()
            return ticket

    def stats(self) -> EngineStats:
        with self.changed:
            rows = len(self.running)
            return EngineStats(
                len(self.waiting), rows, rows, self.max_batch, self.drawn, 0, 0, 0, 0, 0, 0, 0, 0, 0
            )

    @property
    def alive(self) -> bool:
        return self.thread.is_alive()

    def cancel(self, personas: Sequence[Persona] = (), owners: Collection[str] = ()) -> int:
        """By equality: whoever asks here asks at one strength."""
        with self.changed:
            rows = [*self.waiting, *(row.ticket for row in self.running)]
            asked = [(ticket, ticket.request) for ticket in rows]
        found = [one for one, of in asked if of.persona in personas or of.owner in {*owners} - {""}]
        for ticket in found:
            ticket.cancel()
        return len(found)

    def forget(self, personas: Sequence[Persona] = (), owners: Collection[str] = ()) -> int:
        return self.cancel(personas, owners)

    def close(self, *, drain: bool) -> None:
        with self.changed:
            self.closing = True
            self.dropping = self.dropping or not drain
            self.changed.notify_all()
        self.go.set()
        self.thread.join()

    def _run(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.running or self.closing)
                if self.closing and not self.waiting and not self.running:
                    return
                while self.waiting and len(self.running) < self.max_batch:
                    self.running.append(self._begin(self.waiting.pop(0)))
            for row in list(self.running):
                self.go.wait()
                if self._step(row):
                    with self.changed:
                        self.running.remove(row)

    def _begin(self, ticket: Ticket) -> Running:
        asked = ticket.request
        steps = next_tokens(
            self.decoder,
            [asked.prompt],
            [asked.persona],
            begun=[asked.begun],
            seeds=[asked.seed],
            sampling=Sampling(asked.max_new_tokens, asked.temperature, asked.top_p),
        )
        return Running(ticket, steps, ReplyText(self.decoder, asked.stop))

    def _step(self, row: Running) -> bool:
        """Draw one token; whether that ends the reply."""
        ticket = row.ticket
        if ticket.cancelled or self.dropping:
            ticket.put(Piece(-1, row.text.close(), finish="cancelled"))
            return True
        try:
            with torch.inference_mode():
                step = next(row.steps, None)
        except Exception as error:
            ticket.put(error)
            return True
        if step is None:  # it drew a token that ends the turn
            ticket.put(Piece(-1, row.text.close(), finish="stop"))
            return True
        row.said += 1
        self.drawn += 1
        text = row.text.push(step[0])
        full = row.said == ticket.request.max_new_tokens
        finish = "stop" if row.text.stopped else "length" if full else None
        text += row.text.close() if finish == "length" else ""
        ticket.usage = ticket.usage.after(completion_tokens=row.said)
        ticket.put(Piece(step[0], text, finish=finish))  # type: ignore[arg-type]
        return finish is not None
