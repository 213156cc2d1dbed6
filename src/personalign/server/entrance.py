"""What stands in front of the API: who may come in, how much at once, and whether still at all.

One server has one entrance, however many replicas are behind it: keys and limits are counted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from personalign.server.keys import Keys
from personalign.server.limits import Limits
from personalign.server.metrics import Metrics
from personalign.server.refusals import Refusal


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
class Entrance:
    """A server's entrance; what the guard asks."""

    metrics: Metrics
    """Where requests are counted."""
    keys: Keys | None = None
    """None: anybody may do anything."""
    bounds: Bounds = Bounds()
    limits: Limits = field(default_factory=Limits)
    draining: bool = False
    """Whether new requests are refused because the server is about to end."""
    under_way: int = 0
    """Requests being answered now."""

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
