"""From a ticket of the engine to an HTTP answer, whole or as a stream, and back when a client goes.

Whatever happens (the client leaves, a bug, the end), the ticket is cancelled when the answer ends,
so no reply is written for nobody. A stream's status is sent with its first piece: what goes wrong
before is an ordinary error; what goes wrong later is an event with an `error`, and no [DONE].
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from personalign.server.refusals import Refusal, refusal_of
from personalign.server.requests import Piece, Ticket
from personalign.server.wire import DONE, Wire, event

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from personalign.server.metrics import Metrics

CLIENT_GONE = 499
"""Status in log and metrics of an answer that nobody waited for; it is never sent."""

T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """One reply on its way from the engine to a client."""

    ticket: Ticket
    wire: Wire
    metrics: Metrics
    began: float
    """When the request came in, by `time.perf_counter`."""

    async def whole(self, request: HttpRequest) -> Response:
        """The reply as one JSON object, once it is written.

        Raises what the ticket raises, and Refusal where the server ended it.
        """
        pieces = await until_gone(request, self._all())
        if pieces is None:
            return Response(status_code=CLIENT_GONE)
        finish = pieces[-1].finish or "stop"
        return JSONResponse(self.wire.whole(pieces, finish, self.ticket.usage))

    async def stream(self, request: HttpRequest, *, counts: bool, stall: float) -> Response:
        """The reply as server-sent events, once its first piece is there.

        counts: whether a last chunk counts the tokens. stall: seconds a client may not read.
        """
        pieces = self._pieces()
        try:
            first = await until_gone(request, anext(pieces))
        except BaseException:
            await pieces.aclose()
            raise
        if first is None:
            await pieces.aclose()
            return Response(status_code=CLIENT_GONE)
        return EventStream(self._events(first, pieces, counts), stall)

    async def _all(self) -> list[Piece]:
        async with aclosing(self._pieces()) as pieces:
            return [piece async for piece in pieces]

    async def _pieces(self) -> AsyncGenerator[Piece, None]:
        """The ticket's pieces, counted and timed; the ticket is cancelled when this is left."""
        seen, finish = 0, "cancelled"
        try:
            async for piece in self.ticket:
                if not seen:
                    self.metrics.first_token.observe(time.perf_counter() - self.began)
                seen += 1
                if piece.finish == "cancelled":
                    raise Refusal(
                        503,
                        "The server ended this reply before it was whole: it is shutting down, or "
                        "your key or the persona was taken back; send the request again.",
                        code="shutting_down",
                        retry_after=5,
                    )
                finish = piece.finish or finish
                yield piece
        except Exception:
            finish = "failed"
            raise
        finally:
            self.ticket.cancel()
            self.metrics.finished.labels(finish).inc()
            self.metrics.total.observe(time.perf_counter() - self.began)
            self.metrics.prompt_tokens.inc(self.ticket.usage.prompt_tokens)
            self.metrics.completion_tokens.inc(self.ticket.usage.completion_tokens)

    async def _events(
        self, first: Piece, rest: AsyncGenerator[Piece, None], counts: bool
    ) -> AsyncGenerator[bytes, None]:
        wire = self.wire
        async with aclosing(rest):
            if wire.opens:
                yield wire.chunk(first=True, counts=counts)
            try:
                piece: Piece | None = first
                while piece is not None:
                    if piece.text or wire.logprobs:
                        yield wire.chunk([piece], counts=counts)
                    if piece.finish is not None:
                        yield wire.chunk(finish=piece.finish, counts=counts)
                    piece = await anext(rest, None)
                if counts:
                    yield wire.chunk(usage=self.ticket.usage)
                yield DONE
            except Exception as error:
                yield event(refusal_of(error).body)


class EventStream(Response):
    """Server-sent events that end when their source does, when the client leaves, or when it stops
    reading for too long; the source is always closed."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], stall: float) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self._events = events
        self._stall = stall
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await until_gone(HttpRequest(scope, receive), self._send(send))

    async def _send(self, send: Send) -> bool:
        async with aclosing(self._events) as events:
            try:
                await send(
                    {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                )
                async for data in events:
                    async with asyncio.timeout(self._stall):
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except (OSError, TimeoutError):
                return False  # nobody is reading
        return True


async def until_gone(request: HttpRequest, work: Awaitable[T]) -> T | None:
    """What the work gives, or None where the client left first; the work is then cancelled.

    The request's body has been read, so that the next thing to receive is its end.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
