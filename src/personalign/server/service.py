"""What a running server holds: model, engine, personas, keys, numbers; and whether it still takes
requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from personalign.errors import PersonaError, UnknownPersonaError
from personalign.model.persona import PLAIN, Persona
from personalign.server.jobs import PersonaMaker
from personalign.server.keys import Key, Keys
from personalign.server.limits import Limits
from personalign.server.metrics import Metrics
from personalign.server.model_names import served_name, unknown_model
from personalign.server.refusals import Refusal
from personalign.server.rendering import Renderer
from personalign.server.requests import Request, Ticket

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.server.engine import EngineStats
    from personalign.server.store import Personas, PersonaStore

log = logging.getLogger("personalign.server")


class ServingEngine(Protocol):
    """What the API needs of an engine; `engine.Engine` is one."""

    def submit(self, request: Request) -> Ticket:
        """Take a request; EngineFull where the queue is full."""

    def cancel(self, personas: Sequence[Persona]) -> int:
        """End what is being written as these personas; how many replies."""

    def forget(self, personas: Sequence[Persona]) -> int:
        """The same, and leave nothing of them on the device."""

    def alone(self) -> AbstractContextManager[Decoder]:
        """The decoder for the caller's own use; replies stand still meanwhile."""

    def stats(self) -> EngineStats:
        """What it is doing."""

    def close(self, *, drain: bool) -> None:
        """Finish or cancel what runs."""


@dataclass(frozen=True)
class Bounds:
    """How much one request may be."""

    body_bytes: int = 2**20
    """Bytes of a body."""
    body_seconds: float = 30.0
    """Seconds it may take to arrive."""
    reply_tokens: int = 4096
    """Tokens of a reply that may be asked for."""
    stall_seconds: float = 60.0
    """Seconds a client may leave a stream unread."""
    under_way: int = 512
    """Requests being answered at once; more are refused before they are read."""


@dataclass
class Service:
    """One server's parts; made by `open_service`, closed once."""

    decoder: Decoder
    engine: ServingEngine
    personas: Personas
    maker: PersonaMaker
    base: str
    """What the model is called to the outside."""
    metrics: Metrics
    keys: Keys | None = None
    """None: anybody may do anything."""
    bounds: Bounds = Bounds()
    started: int = field(default_factory=lambda: int(time.time()))
    draining: bool = False
    """Whether new requests are refused because the server is about to end."""
    under_way: int = 0
    """Requests being answered now."""

    def __post_init__(self) -> None:
        self.renderer = Renderer(self.decoder)
        self.limits = Limits()
        self.fingerprint = f"fp_{self.decoder.fingerprint[:12]}"
        """OpenAI's system_fingerprint."""

    def persona(self, name: str | None, key: Key, model: str) -> Persona:
        """The persona of a name, PLAIN for None, as it is now.

        Raises Refusal where there is none or the key may not see it, which look the same, and
        where its files are spoilt.
        """
        if name is None:
            return PLAIN
        if not self.personas.seen_by(key, name):
            raise unknown_model(model, self.base)
        try:
            return self.personas.get(name)
        except UnknownPersonaError:
            raise unknown_model(model, self.base) from None
        except PersonaError as error:
            log.error("The persona %s cannot be served. %s", name, error)
            raise Refusal(
                500,
                f"The persona {name} cannot be read or does not belong to this model; the server's "
                "log tells more.",
                code="persona_unreadable",
            ) from error

    @property
    def ready(self) -> bool:
        """Whether it takes requests: the personas were read once, and it is not about to end."""
        return not self.draining and self.personas.wait(0)

    def visible(self, key: Key) -> list[str]:
        """Names of the personas a key may know of."""
        return self.personas.visible(key)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One request under way; Refusal (429) where that is one too many."""
        if self.under_way >= self.bounds.under_way:
            raise Refusal(
                429,
                f"{self.under_way} requests are being answered, as many as this server takes; try "
                "again shortly.",
                code="server_full",
                retry_after=1,
            )
        self.under_way += 1
        self.metrics.under_way.set(self.under_way)
        try:
            yield
        finally:
            self.under_way -= 1
            self.metrics.under_way.set(self.under_way)

    def close(self, *, drain: bool) -> None:
        """End the threads: the maker at its next step, the engine after what runs, if `drain`."""
        self.draining = True
        self.maker.close()
        self.engine.close(drain=drain)
        self.personas.close()
        self.renderer.close()


def open_service(
    decoder: Decoder,
    personas: PersonaStore,
    start_engine: Callable[[Decoder], ServingEngine],
    *,
    keys: Keys | None = None,
    name: str | None = None,
    bounds: Bounds | None = None,
) -> Service:
    """Put a server's parts together.

    start_engine: makes the engine, after what has to see the model without its hooks. name: what
    to call the model to the outside; its hub name or its folder's last name when left out.
    """
    base = served_name(decoder.name) if name is None else name
    metrics = Metrics(lambda: engine.stats())

    def count(status: str) -> None:
        metrics.personas_made.labels(status).inc()

    maker = PersonaMaker(decoder, personas.folder, ended=count)
    engine = start_engine(decoder)
    return Service(decoder, engine, personas, maker, base, metrics, keys, bounds or Bounds())
