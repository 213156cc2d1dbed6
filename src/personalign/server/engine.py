"""The engine: replies of many personas at once, from one decoder, a token a step.

`Engine.submit` takes a `Request` and gives a `Ticket`. One thread runs the step loop: it reads the
prompts of requests that join, then draws one more token of every running reply in one forward
pass, whoever replies and however long each has become; replies that end leave. What makes a row a
persona is an index into the slot table (`slots.py`); keys and values lie in a ragged pool
(`ragged.py`), and what prompts begin with is read once (`prefixes.py`). A greedy reply equals
`model.generate` of the same persona and chat, in any company.

Personas with an adapter run in batches of their own, one an adapter, with the adapter laid on.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import EngineClosed, EngineFull, MethodError
from personalign.model.adapter_files import adapter_digest
from personalign.model.adapters import Adapter, load_adapter
from personalign.model.decoding import tokens_left
from personalign.model.generate import persona_chat
from personalign.model.persona import PLAIN, Persona
from personalign.model.steer import row_displacements
from personalign.server.gate import Gate
from personalign.server.loop import StepLoop, Waiting
from personalign.server.prefixes import PrefixCache, block_keys, first_key
from personalign.server.reply_text import ReplyText
from personalign.server.requests import Piece, Request, Ticket, Usage
from personalign.server.rows import Row
from personalign.server.slots import SlotTable
from personalign.server.trial import bytes_a_token, runs_ragged

if TYPE_CHECKING:
    from personalign.model.chat import Message
    from personalign.model.decoder import Decoder

__all__ = [
    "Engine",
    "EngineClosed",
    "EngineFull",
    "EngineStats",
    "Piece",
    "Request",
    "Ticket",
    "Usage",
]

log = logging.getLogger(__name__)

KEPT_ADAPTERS = 8
"""Adapters in memory, in use or kept ready; of those not in use the one unused for longest is let
go for another."""


@dataclass(frozen=True)
class EngineStats:
    """What the engine is doing and has done."""

    queued: int
    """Requests that wait."""
    running: int
    """Replies being written."""
    batch_size: int
    """Rows of the latest forward pass."""
    max_batch: int
    """Most rows of a pass."""
    tokens_generated: int
    """Tokens of replies so far."""
    tokens_read: int
    """Tokens of prompts read so far, not counting those that had been read before."""
    cache_hits: int
    """Tokens of prompts that had been read before."""
    cache_misses: int
    """Tokens of prompts that might have been, and had not."""
    cache_bytes: int
    """Bytes of kept beginnings of prompts."""
    kv_bytes: int
    """Bytes of the pools of keys and values of running replies."""
    slots_used: int
    """Slots with a persona in them."""
    slots_held: int
    """Of those, the ones of running replies."""
    slots: int
    """Slots there are."""
    personas_laid: int
    """Times a persona was laid into a slot."""


class Engine:
    """Serves many personas from one decoder; see the module's docstring."""

    def __init__(
        self,
        decoder: Decoder,
        *,
        max_batch: int = 32,
        queue: int = 256,
        kv_budget: int = 2**30,
        prefix_budget: int = 2**28,
        slots: int = 256,
    ) -> None:
        """decoder: nobody else may run it, except inside `alone()`.

        max_batch: replies written at once. queue: requests that may wait beside them. kv_budget:
        bytes of keys and values of running replies. prefix_budget: bytes of kept beginnings of
        prompts; 0 keeps none. slots: personas kept on the device, at least max_batch.
        """
        for name, value, least in (
            ("max_batch", max_batch, 1),
            ("queue", queue, 1),
            ("kv_budget", kv_budget, 1),
            ("prefix_budget", prefix_budget, 0),
            ("slots", slots, 1),
        ):
            if value < least:
                raise MethodError(f"{name} is {value}; it must be at least {least}.")
        self.decoder = decoder
        self.queue = queue
        """Requests that may wait."""
        self.ragged = runs_ragged(decoder)
        """Whether one pass serves all rows; else each row has its own."""
        self._adapters: OrderedDict[str, Adapter] = OrderedDict()
        self._loop = StepLoop(
            decoder,
            SlotTable(decoder, max(slots, max_batch)),
            PrefixCache(prefix_budget if self.ragged else 0),
            max_batch=max_batch,
            kv_budget=kv_budget,
            token_bytes=bytes_a_token(decoder),
            ragged=self.ragged,
        )
        self._gate = Gate()
        self._changed = threading.Condition(self._loop.lock)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="personalign engine", daemon=True)
        self._thread.start()

    def request(
        self, persona: Persona, messages: str | Sequence[Message], *, begun: str = "", **rules: Any
    ) -> Request:
        """A request from a chat, rendered as `model.generate` does.

        begun: text the assistant has already said. rules: the other fields of a `Request`.
        """
        chat = self.decoder.chat
        said = chat.encode(begun)
        prompt = chat.ids(persona_chat(persona, messages), reply=begun)
        return Request(tuple(prompt), persona, begun=len(said), **rules)

    def submit(self, request: Request) -> Ticket:
        """Take a request; its reply comes through the ticket.

        Raises EngineFull when as many wait as may, or replies with as many adapters as are kept
        wait and run; EngineClosed after `close`, ModelError for a prompt the model cannot read,
        SteeringError and PersonaError for a persona that does not fit the decoder.
        """
        self._check_open()
        folder = request.persona.adapter
        if folder is None:
            return self._take(self._prepare(request, None))
        digest = adapter_digest(folder)
        with self.alone():  # until it waits: its adapter is not in use before
            return self._take(self._prepare(request, self._adapter(folder, digest)))

    def _take(self, waiting: Waiting) -> Ticket:
        with self._changed:
            self._check_open()
            self._loop.waiting.append(waiting)
            self._changed.notify_all()
        return waiting.row.ticket

    @contextmanager
    def alone(self) -> Iterator[Decoder]:
        """The decoder for the caller's own use; all replies stand still until the block ends."""
        with self._gate.visit():
            yield self.decoder

    def cancel(self, personas: Sequence[Persona] = (), owners: Collection[str] = ()) -> int:
        """End what is being written as one of these personas, however strongly, or for one of these
        owners, whoever speaks; how many replies.

        Whoever waits for one gets a last piece that says 'cancelled'.
        """
        with self._gate.visit(), torch.inference_mode():
            return self._loop.cancel(_among(personas, owners))

    def forget(self, personas: Sequence[Persona] = (), owners: Collection[str] = ()) -> int:
        """The same, and then nothing of these personas or their chats is left on the device.

        Slots go by a hash of the push and its strength, kept beginnings of prompts by one of the
        text and of who asked: neither tells whose it is, and a chat with the model as it is may be
        the person's, too. So whatever no running reply needs is overwritten; others' is made again
        as they ask.
        """
        with self._gate.visit(), torch.inference_mode():
            ended = self._loop.cancel(_among(personas, owners))
            self._loop.forget()
            for digest in self._adapters.keys() - self._loop.adapters():
                del self._adapters[digest]
        return ended

    def stats(self) -> EngineStats:
        """What the engine is doing; may be called from any thread."""
        loop = self._loop
        with self._changed:
            return EngineStats(
                queued=len(loop.waiting),
                running=loop.running,
                batch_size=loop.batch_size,
                max_batch=loop.max_batch,
                tokens_generated=loop.generated,
                tokens_read=loop.read,
                cache_hits=loop.prefixes.hits,
                cache_misses=loop.prefixes.misses,
                cache_bytes=loop.prefixes.held,
                kv_bytes=loop.kv_bytes(),
                slots_used=loop.slots.used,
                slots_held=loop.slots.held,
                slots=loop.slots.slots,
                personas_laid=loop.slots.laid,
            )

    @property
    def alive(self) -> bool:
        """Whether the thread that writes replies is there: until `close` has returned."""
        return self._thread.is_alive()

    def close(self, *, drain: bool) -> None:
        """Take no more requests; finish what runs and waits (drain) or cancel it; then return."""
        with self._changed:
            self._closing = True
            self._loop.dropping |= not drain
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(drain=False)

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait_for_work():
                with self._gate.pass_through():
                    try:
                        self._loop.turn()
                    except Exception as error:  # nobody may wait for ever
                        log.exception("The engine's turn failed.")
                        self._loop.fail(error)

    def _wait_for_work(self) -> bool:
        """Whether there is any; False once the engine is closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._loop.busy or self._closing)
            return self._loop.busy

    def _check_open(self) -> None:
        if self._closing:
            raise EngineClosed(
                "The engine is shutting down and takes no more requests; ask again when it is back."
            )
        if len(self._loop.waiting) >= self.queue:
            raise EngineFull(
                f"{self.queue} requests wait already, as many as may; ask again in a moment."
            )

    def _prepare(self, request: Request, adapter: Adapter | None) -> Waiting:
        """Everything that can be refused or computed before the request's turn comes."""
        persona = request.persona
        prompt = list(request.prompt)
        if adapter is not None and prompt[: len(adapter.virtual)] != list(adapter.virtual):
            prompt = [*adapter.virtual, *prompt]
        key = persona.steering_key if persona.steers else ""
        steps = row_displacements(self.decoder, [persona]) if key else {}
        begins = len(prompt) - max(request.begun, 1)
        generated_only = persona.steers and persona.scope == "generated"
        pushed = key if key and not generated_only else "" if adapter is None else adapter.digest
        first = first_key(request.asker, persona.system_prompt, pushed)
        end = begins if generated_only else len(prompt) - 1
        shares = self.ragged and self._loop.prefixes.budget > 0
        row = Row(
            ticket=Ticket(request, Usage(len(prompt))),
            prompt=prompt,
            pushed_from=begins if generated_only else 0,
            most=tokens_left(self.decoder, [prompt], request.max_new_tokens),
            generator=torch.Generator().manual_seed(request.seed),
            text=ReplyText(self.decoder, request.stop),
            first_key=first,
            continues=shares and not generated_only,
            keys=block_keys(prompt, first, end) if shares else [],
        )
        self._loop.check_fits(row)
        return Waiting(row, adapter, key, steps)

    def _adapter(self, folder: str, digest: str) -> Adapter:
        """An adapter ready to be laid on: read now, so that its files may go afterwards."""
        if digest not in self._adapters:
            self._make_room()
            with torch.inference_mode(False):
                self._adapters[digest] = load_adapter(self.decoder, folder)
        self._adapters.move_to_end(digest)
        return self._adapters[digest]

    def _make_room(self) -> None:
        """Let go of adapters until one more may be read; EngineFull where all are in use."""
        used = self._loop.adapters()
        unused = [digest for digest in self._adapters if digest not in used]
        while len(self._adapters) >= KEPT_ADAPTERS:
            if not unused:
                raise EngineFull(
                    f"Replies with {KEPT_ADAPTERS} different adapters wait or run already, as many "
                    "as may; ask again in a moment."
                )
            del self._adapters[unused.pop(0)]


def _among(personas: Sequence[Persona], owners: Collection[str]) -> Callable[[Request], bool]:
    """Whether a request is for one of these personas at some strength (the model as it is never is
    one), or one of these owners."""
    made = {_made_of(persona) for persona in personas} - {_made_of(PLAIN)}
    named = set(owners) - {""}
    return lambda request: _made_of(request.persona) in made or request.owner in named


def _made_of(persona: Persona) -> tuple[object, ...]:
    """What a persona is apart from its strength and scope, which each request may choose anew."""
    pushes = [None if push is None else push.digest for push in (persona.shift, persona.residual)]
    return (persona.system_prompt, *pushes, persona.adapter)
