"""The front of several replicas: one port and one guard, and requests handed to whoever has room.

Plain ASGI, to stand behind `guard.Guard`, which has looked at key, limits and sizes already. The
front answers for the server as a whole (/healthz, /readyz, /metrics) and hands on everything else.
Whatever becomes of a replica, its clients hear a sentence: an error object with 503 where nothing
has been sent, else an event with an `error` and no [DONE], as from one server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from personalign.server.access import check_scope
from personalign.server.guard import Guard
from personalign.server.metrics import CONTENT_TYPE, text_of_all
from personalign.server.refusals import Refusal, refusal_of
from personalign.server.replica import ROUTE, Message
from personalign.server.replies import CLIENT_GONE, until_gone
from personalign.server.wire import event

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from starlette.types import ASGIApp, Receive, Scope, Send

    from personalign.server.entrance import Entrance
    from personalign.server.keys import Key

log = logging.getLogger("personalign.server")

TAKE_SECONDS = 30.0
"""How long a request waits for a replica to take it, e.g. while the only one starts again."""

TRAVELS = "type asgi http_version method scheme path raw_path query_string root_path".split()
"""What a replica is told of a request, beside headers."""


class Team(Protocol):
    """The replicas, however they are reached; `replicas.RayTeam` is one."""

    def ask(
        self, scope: Message, key: Key | None, body: bytes
    ) -> AsyncGenerator[list[Message], None]:
        """One of them answers, as `Replica.answer`; closing it lets the reply go."""

    async def running(self) -> int:
        """How many take requests."""

    async def numbers(self) -> list[tuple[str, list[Metric]]]:
        """The numbers of each that answers in time, by its name."""


class Front:
    """The application in front of a team."""

    def __init__(self, team: Team, entrance: Entrance, *, take: float = TAKE_SECONDS) -> None:
        """entrance: of the guard before it. take: seconds a request may wait for a replica."""
        self.team = team
        self.entrance = entrance
        self.take = take
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def application(self) -> ASGIApp:
        """The API, behind the guard."""
        return Guard(self, self.entrance)

    def give_up(self) -> None:
        """End what is being answered, with an error to whoever waits; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)

    def close(self, *, drain: bool, seconds: float = 0.0) -> bool:
        """Nothing of the front's own is left open; the replicas end with their cluster."""
        if not drain:
            self.give_up()
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        own = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        response: Response | None
        try:
            if scope["method"] == "GET" and scope["path"] in own:
                scope["route"] = SimpleNamespace(path=scope["path"])
                response = await own[scope["path"]](_key(scope))
            else:
                response = await self._hand_on(scope, receive, send)
        except Exception as error:
            response = refusal_of(error).response()
        if response is not None:
            await response(scope, receive, send)

    async def _healthz(self, _key: Key | None) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, _key: Key | None) -> Response:
        if self.entrance.draining:
            return JSONResponse({"status": "shutting down"}, 503)
        if not await self.team.running():
            return JSONResponse({"status": "no replica takes requests"}, 503)
        return JSONResponse({"status": "ready"})

    async def _metrics(self, key: Key | None) -> Response:
        check_scope(cast("Key", key), "admin")
        replicas = await self.team.numbers()
        return Response(text_of_all(self.entrance.metrics, replicas), media_type=CONTENT_TYPE)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Let a replica answer; a response where the client left before there was any."""
        guarded = _key(scope) is not None  # else its body has no bound, and nobody needs it
        body = await _body(receive) if guarded else b""
        if body is None:
            return Response(status_code=CLIENT_GONE)
        sending = _Sending(send)
        whole = await until_gone(Request(scope, receive), self._pass_on(scope, body, sending))
        return None if whole or sending.begun else Response(status_code=CLIENT_GONE)

    async def _pass_on(self, scope: Scope, body: bytes, send: _Sending) -> bool:
        """Send what a replica sends: a stream as it comes, anything else once it is whole.

        Returns whether all was sent; raises Refusal where nothing was.
        """
        held: list[Message] = []
        streams = False
        try:
            async with aclosing(self._messages(scope, body)) as messages:
                async for message in messages:
                    if message["type"] == "http.response.start":
                        scope["route"] = SimpleNamespace(path=message.pop(ROUTE))
                        streams = _is_stream(message)
                    if streams:
                        async with asyncio.timeout(self.entrance.bounds.stall_seconds):
                            await send(message)
                    else:
                        held.append(message)
            for message in held:
                await send(message)
        except Refusal as refusal:
            if not send.begun:
                raise
            await send({"type": "http.response.body", "body": event(refusal.body)})
        except (OSError, TimeoutError):
            return False  # nobody is reading
        return True

    async def _messages(self, scope: Scope, body: bytes) -> AsyncGenerator[Message, None]:
        """The messages of a whole answer; Refusal where it does not come or does not end."""
        told = {name: scope[name] for name in TRAVELS if name in scope}
        told["headers"] = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        over = asyncio.ensure_future(self._over.wait())
        more = True
        async with aclosing(self.team.ask(told, _key(scope), body)) as batches:
            try:
                batch = await self._next(anext(batches, None), over, self.take)
                while batch is not None:
                    for message in batch:
                        if message["type"] == "http.response.body":
                            more = message.get("more_body", False)
                        yield message
                    batch = await self._next(anext(batches, None), over, None)
            finally:
                over.cancel()
        if more:
            raise _lost()

    async def _next(
        self,
        batch: Awaitable[list[Message] | None],
        over: asyncio.Future[Any],
        seconds: float | None,
    ) -> list[Message] | None:
        """A batch, None at the end; Refusal where the server ends, or the replica, or the wait."""
        coming = asyncio.ensure_future(batch)
        try:
            await asyncio.wait({coming, over}, timeout=seconds, return_when="FIRST_COMPLETED")
            if coming.done():
                return coming.result()
        except Refusal:
            raise
        except Exception as error:
            log.error("A replica was lost while it answered: %s", error)
            raise _lost() from error
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        if over.done():
            raise Refusal(
                503,
                "The server ended this reply before it was whole, since it is shutting down; send "
                "the request again.",
                code="shutting_down",
                retry_after=5,
            )
        raise Refusal(
            503,
            f"No replica took the request within {self.take:g} seconds; try again shortly.",
            code="no_replica",
            retry_after=5,
        )


class _Sending:
    """Where an answer goes out, and whether it has begun to."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


def _key(scope: Scope) -> Key | None:
    """Whose request it is; None for what anybody may ask for."""
    return cast("Key | None", scope.get("state", {}).get("key"))


def _is_stream(start: Message) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in start["headers"]
    )


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None where the client left before it was whole."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _lost() -> Refusal:
    return Refusal(
        503,
        "The replica that was answering has ended before the reply was whole; send the request "
        "again.",
        code="replica_lost",
        retry_after=1,
    )
