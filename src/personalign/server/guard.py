"""The gate in front of the API: who asks, how much, and whether the server still takes requests.

Plain ASGI, so that it acts before a body is read and until a stream's last byte. Each request gets
an id; each under /v1 a key, which is counted against that key's limits for as long as it is being
answered. Bodies are bounded in bytes and in time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.requests import Request

from personalign.server.inflow import bounded_body, declared_length, discard
from personalign.server.keys import ANYONE, Key
from personalign.server.refusals import Refusal, unauthorised

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from personalign.server.entrance import Entrance

log = logging.getLogger("personalign.server")

OPEN = ("/healthz", "/readyz", "/openapi.json")
"""What anybody may ask for, also of a server that is about to end."""


class Guard:
    """ASGI middleware around the API."""

    def __init__(self, app: ASGIApp, entrance: Entrance) -> None:
        self.app = app
        self.entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        began = time.perf_counter()
        try:
            await self._guarded(scope, receive, answer)
        finally:
            log.info(
                "%s %s %r %d %.0f ms",  # a path may hold line breaks
                answer.id,
                scope["method"],
                scope["path"],
                answer.status,
                1000 * (time.perf_counter() - began),
            )
            route = getattr(scope.get("route"), "path", "other")
            self.entrance.metrics.requests.labels(route, answer.status).inc()

    async def _guarded(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if scope["path"] in OPEN:
            await self.app(scope, receive, answer)
            return
        request, bounds = Request(scope), self.entrance.bounds
        with ExitStack() as held:
            try:
                if self.entrance.draining and scope["path"] != "/metrics":
                    raise _shutting_down()
                key = await self._key(request)
                held.enter_context(self.entrance.counted())
                answer.headers |= held.enter_context(self.entrance.limits.admit(key))
                self._check_length(request)
            except Refusal as refusal:
                self.entrance.metrics.refused.labels(refusal.code or "other").inc()
                refusal.headers.setdefault("connection", "close")
                if "expect" not in request.headers:  # else the client waits before it sends more
                    await discard(receive, self.entrance.bounds.body_bytes)
                await refusal.response()(scope, receive, answer)
                return
            scope.setdefault("state", {})["key"] = key
            await self.app(
                scope, bounded_body(receive, bounds.body_bytes, bounds.body_seconds), answer
            )

    async def _key(self, request: Request) -> Key:
        """Whose request it is."""
        if self.entrance.keys is None:
            return ANYONE
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not given.strip():
            raise unauthorised("No API key was sent; send it as 'Authorization: Bearer pa-...'.")
        key = await asyncio.to_thread(self.entrance.keys.find, given.strip())
        if key is None:
            raise unauthorised("The API key is not known or was revoked; ask for a new one.")
        return key

    def _check_length(self, request: Request) -> None:
        if declared_length(request.scope) > self.entrance.bounds.body_bytes:
            raise _too_large(self.entrance.bounds.body_bytes)


class _Answer:
    """Where an answer goes out: with the request's id, and its status kept."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.id = f"req_{secrets.token_hex(12)}"
        self.headers = {"x-request-id": self.id}
        self.status = 500  # what a request that was never answered counts as

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            there = {name for name, _ in message["headers"]}
            own = [(name.encode(), value.encode()) for name, value in self.headers.items()]
            more = [(name, value) for name, value in own if name not in there]
            message = {**message, "headers": [*message["headers"], *more]}
        await self._send(message)


def _shutting_down() -> Refusal:
    return Refusal(
        503,
        "The server is shutting down and finishes only what it has begun; try again in a moment.",
        code="shutting_down",
        retry_after=5,
    )


def _too_large(most: int) -> Refusal:
    return Refusal(
        413, f"The body is larger than the {most} bytes this server reads.", code="body_too_large"
    )
