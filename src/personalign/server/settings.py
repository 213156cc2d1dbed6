"""A server's settings as one value, and the service they open: here, or in a replica elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from personalign.errors import ModelError
from personalign.model.api import PREFIX
from personalign.server.entrance import Bounds

if TYPE_CHECKING:
    from personalign.model.decoder import Quantize
    from personalign.server.keys import KeyRing
    from personalign.server.service import Service

MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class ServerSettings:
    """What a server is made from; plain values, so that it travels."""

    personas: Path
    """Folder of personas."""
    model: str = "pocket"
    """'pocket', a folder, or a name on the hub."""
    dtype: str | None = None
    device: str | None = None
    quantise: Quantize | None = None
    name: str | None = None
    """What clients call the model; None is its own name."""
    max_batch: int = 32
    """Replies written at once."""
    queue: int = 256
    """Requests that may wait beside them."""
    kv_budget: int = GIB
    """Bytes for keys and values of running replies."""
    prefix_budget: int = 256 * MIB
    """Bytes for beginnings of prompts that are read once."""
    slots: int = 256
    """Personas kept ready on the device."""
    max_reply: int = 4096
    """Longest reply, in tokens."""
    max_body: int = MIB
    """Largest request, in bytes."""

    def __post_init__(self) -> None:
        if self.model.startswith(PREFIX):
            raise ModelError(
                f"{self.model} is behind an API already; name a model whose weights are loaded "
                "here."
            )

    def bounds(self, replicas: int = 1) -> Bounds:
        """How much one request may be, and how many may be under way before so many replicas."""
        return Bounds(
            body_bytes=self.max_body,
            reply_tokens=self.max_reply,
            under_way=2 * (self.max_batch + self.queue) * replicas,
        )

    def absolute(self) -> ServerSettings:
        """The same, read from any working directory."""
        here = Path(self.model)
        model = str(here.absolute()) if here.exists() else self.model
        return replace(self, personas=self.personas.absolute(), model=model)


def open_server(settings: ServerSettings, *, keys: KeyRing | None = None) -> Service:
    """Load the model and put the server's parts together; whoever opens it closes it.

    Raises ModelError where the model cannot be loaded, MethodError for a setting out of range.
    """
    from personalign.model.decoder import Decoder
    from personalign.server.engine import Engine
    from personalign.server.service import open_service
    from personalign.server.store import PersonaStore

    decoder = Decoder.load(
        settings.model,
        dtype=settings.dtype,
        device=settings.device,
        quantize=settings.quantise,
    )
    return open_service(
        decoder,
        PersonaStore(settings.personas, decoder),
        lambda one: Engine(
            one,
            max_batch=settings.max_batch,
            queue=settings.queue,
            kv_budget=settings.kv_budget,
            prefix_budget=settings.prefix_budget,
            slots=settings.slots,
        ),
        keys=keys,
        name=settings.name,
        bounds=settings.bounds(),
    )
