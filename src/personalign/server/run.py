"""Running the application on a port, and ending it well.

On SIGTERM or SIGINT /readyz says 503 and new requests are refused with 503, while the port stays
open; when nothing is being answered any more, or the grace is over, the server ends with exit code
0. What the grace did not suffice for is cancelled, and its clients are told. A second signal ends
the grace. A persona that is being made has what is left of the grace to come to its next step.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Protocol

import uvicorn

from personalign.errors import ServingError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from personalign.server.entrance import Entrance

GRACE = 30.0
"""Seconds that replies may take to end once the server is told to; as Kubernetes grants."""

CLOSING_SECONDS = 5
"""Seconds for connections to close once nothing is being answered."""


class Served(Protocol):
    """What a port is opened for: `service.Service`, or `front.Front` before replicas."""

    @property
    def entrance(self) -> Entrance:
        """What the guard asks."""

    def application(self) -> ASGIApp:
        """The API, behind the guard."""

    def give_up(self) -> None:
        """End what is being answered, with an error to whoever waits; from any thread."""

    def close(self, *, drain: bool, seconds: float) -> bool:
        """End it all; False where a thread did not end within so many seconds."""


def serve(
    service: Served,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    grace: float = GRACE,
    ready: Callable[[str], object] = lambda _address: None,
    app: ASGIApp | None = None,
) -> bool:
    """Serve until told to end; then close the service, and say whether all its threads have ended.

    port: 0 takes a free one. ready: called with the server's address once it listens. app: what
    answers, where it is more than the service's API.
    Raises ServingError where the port cannot be had.
    """
    left = float(CLOSING_SECONDS)
    try:
        listener = _listen(host, port)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        server = Server(service, grace=grace, when_started=lambda: ready(address), app=app)
        server.run([listener])
        left = server.grace_left()
    finally:
        ended = service.close(drain=False, seconds=left)
    return ended


class Server(uvicorn.Server):
    """uvicorn's server, which goes on listening until what it has begun is done."""

    def __init__(
        self,
        service: Served,
        *,
        grace: float,
        when_started: Callable[[], object],
        app: ASGIApp | None = None,
    ) -> None:
        """app: what answers, where it is more than the service's API."""
        super().__init__(
            uvicorn.Config(
                app or service.application(),
                log_config=None,
                access_log=False,  # the guard writes one line a request, without the address
                lifespan="off",
                timeout_graceful_shutdown=CLOSING_SECONDS,
                server_header=False,
            )
        )
        logging.getLogger("uvicorn.access").disabled = True  # whatever a handler asks for
        self.service = service
        self.grace = grace
        self.when_started = when_started
        self._told_to_end: float | None = None
        self._ending: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on a signal, in the main thread, between two instructions."""
        if self._told_to_end is None:
            self._told_to_end = time.monotonic()
            self.service.entrance.draining = True
        else:
            self.grace = 0.0

    def grace_left(self) -> float:
        """Seconds of the grace that are left, at least one; all of it before a signal."""
        began = self._told_to_end
        spent = 0.0 if began is None else time.monotonic() - began
        return max(self.grace - spent, 1.0)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True ends the server."""
        if self._told_to_end is not None and self._ending is None:
            over = time.monotonic() - self._told_to_end >= self.grace
            if over:  # replies that are left end with an error event
                self._ending = asyncio.create_task(asyncio.to_thread(self.service.give_up))
            self.should_exit = over or self.service.entrance.under_way == 0
        return await super().on_tick(counter)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServingError(
            f"The server cannot listen on {host}, port {port}: "
            f"{getattr(error, 'strerror', None) or error}. Choose another --port, or 0 for a free "
            "one."
        ) from error
    return listener
