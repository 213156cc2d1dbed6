"""One replica: a whole server but for its port, asked by the front through Ray Serve.

The front has read a request and knows whose it is; `answer` runs the API on it and passes on what
the API sends, as ASGI messages, in batches of what there is. A call that is cancelled looks to the
API like a client that leaves, so that its reply is let go as on a server of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from personalign.errors import ServingError
from personalign.server.keys import ANYONE, Key
from personalign.server.settings import ServerSettings, open_server

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger("personalign.server")

ROUTE = "personalign.route"
"""In a response's start: the path of the route that answered, for the front's numbers."""

Message = dict[str, Any]
"""Of ASGI."""


class Replica:
    """What runs in each process of the deployment."""

    def __init__(self, settings: ServerSettings, threads: int) -> None:
        """threads: cores it may use. Returns once the model is loaded and the personas are read.

        Raises ServingError where the folder of personas is not here: no empty one is to be served.
        """
        import torch

        from personalign.server.app import create_api

        if not settings.personas.is_dir():
            raise ServingError(
                f"The folder {settings.personas} is not on every node of the cluster; put the "
                "personas where all nodes see the same folder."
            )
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
        torch.set_num_threads(threads)
        self.service = open_server(settings)
        self.service.personas.wait()
        self.app = create_api(self.service)
        self._answering: set[asyncio.Task[None]] = set()

    async def answer(
        self, scope: Message, key: Key | None, body: bytes
    ) -> AsyncGenerator[list[Message], None]:
        """Answer one request; the first batch is empty and says that it is taken.

        scope: of ASGI, without what does not travel. key: whose request it is, where one is needed.
        """
        yield []
        scope = {**scope, "state": {"key": key}}
        sent: asyncio.Queue[Message | None] = asyncio.Queue()
        bodies = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.Event()

        async def receive() -> Message:
            if bodies:
                return bodies.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, ROUTE: getattr(scope.get("route"), "path", "other")}
            sent.put_nowait(message)

        async def run() -> None:
            try:
                await self.app(scope, receive, send)
            except Exception:  # it has been answered with 500
                log.exception("A request failed because of a bug")
            finally:
                sent.put_nowait(None)

        task = asyncio.create_task(run())
        self._answering.add(task)  # else nothing would hold it once this call is cancelled
        task.add_done_callback(self._answering.discard)
        try:
            while True:
                batch = [await sent.get()]
                while not sent.empty():
                    batch.append(sent.get_nowait())
                yield [message for message in batch if message is not None]
                if batch[-1] is None:
                    return
        finally:
            gone.set()

    async def numbers(self) -> tuple[str, list[Metric]]:
        """Its name, and its numbers for Prometheus."""
        from ray import serve

        return serve.get_replica_context().replica_id.unique_id, self.service.metrics.families()

    async def described(self) -> tuple[str, int]:
        """What the model is called to the outside, and how many personas there are."""
        return self.service.base, len(self.service.visible(ANYONE))

    async def check_health(self) -> None:
        """Raise where it can write no replies any more; Ray then puts another in its place."""
        if not self.service.engine.alive:
            raise RuntimeError("The engine's thread has ended.")

    def __del__(self) -> None:
        """Called by Ray when it ends a replica."""
        if hasattr(self, "service"):
            self.service.close(drain=False)
