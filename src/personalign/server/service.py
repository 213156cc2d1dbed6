"""What answers: model, engine, personas, their maker, the numbers, and the entrance in front."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from personalign.errors import PersonaError, UnknownPersonaError
from personalign.model.persona import PLAIN, Persona
from personalign.server.app import create_app
from personalign.server.entrance import Bounds, Entrance
from personalign.server.jobs import CLOSE_SECONDS, PersonaMaker
from personalign.server.keys import Key, Keys
from personalign.server.metrics import Metrics
from personalign.server.model_names import served_name, unknown_model
from personalign.server.refusals import Refusal
from personalign.server.rendering import Renderer
from personalign.server.requests import Request, Ticket

if TYPE_CHECKING:
    from fastapi import FastAPI

    from personalign.model.decoder import Decoder
    from personalign.server.engine import EngineStats
    from personalign.server.store import Personas, PersonaStore

log = logging.getLogger("personalign.server")


class ServingEngine(Protocol):
    """What the API needs of an engine; `engine.Engine` is one."""

    def submit(self, request: Request) -> Ticket:
        """Take a request; EngineFull where the queue is full."""

    def cancel(self, personas: Sequence[Persona] = (), owners: Collection[str] = ()) -> int:
        """End what is being written as these personas or for these owners; how many replies."""

    def forget(self, personas: Sequence[Persona] = (), owners: Collection[str] = ()) -> int:
        """The same, and leave nothing of them on the device."""

    def alone(self) -> AbstractContextManager[Decoder]:
        """The decoder for the caller's own use; replies stand still meanwhile."""

    def stats(self) -> EngineStats:
        """What it is doing."""

    @property
    def alive(self) -> bool:
        """Whether the thread that writes replies is there."""

    def close(self, *, drain: bool) -> None:
        """Finish or cancel what runs."""


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
    entrance: Entrance
    """What stands in front; of a replica, nobody asks it: the front has looked already."""
    started: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.renderer = Renderer(self.decoder)
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
        return not self.entrance.draining and self.personas.wait(0)

    @property
    def bounds(self) -> Bounds:
        """How much one request may be."""
        return self.entrance.bounds

    def visible(self, key: Key) -> list[str]:
        """Names of the personas a key may know of."""
        return self.personas.visible(key)

    def application(self) -> FastAPI:
        """The API, behind the guard."""
        return create_app(self)

    def give_up(self) -> None:
        """End what is being written, with an error to whoever waits for it."""
        self.engine.close(drain=False)

    def close(self, *, drain: bool, seconds: float = CLOSE_SECONDS) -> bool:
        """End the threads: the maker at its next step, the engine after what runs, if `drain`.

        False where the maker did not come to its next step within so many seconds, and goes on.
        """
        self.entrance.draining = True
        ended = self.maker.close(seconds)
        self.engine.close(drain=drain)
        self.personas.close()
        self.renderer.close()
        return ended


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
    entrance = Entrance(metrics, keys, bounds or Bounds())
    return Service(decoder, engine, personas, maker, base, metrics, entrance)
