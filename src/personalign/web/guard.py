"""Around every page: security headers, bounds on bodies, one line of log without anything personal.

Plain ASGI, like the API's guard. The log tells the route, not the address, which holds ids.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from starlette.requests import Request

from personalign.server.inflow import bounded_body, declared_length, discard
from personalign.server.refusals import Refusal
from personalign.web.pages import refused
from personalign.web.refusals import PageRefusal, without_values
from personalign.web.visitor import passing

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from personalign.web.site import Site

log = logging.getLogger("personalign.web")

UPLOADS = ("/studies/new/",)
"""Beginnings of paths that take whole files."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Content-Security-Policy: nothing inline, nothing from elsewhere, no frame around us."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class SiteGuard:
    """ASGI middleware around the pages."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app, self.site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, begun = time.perf_counter(), 500, False
        headers = dict(HEADERS)
        if self.site.settings.secure:
            headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                own = [(name.encode(), value.encode()) for name, value in headers.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        bounds = self.site.service.bounds
        try:
            with self.site.service.entrance.counted():
                limit = self._most(scope)
                inflow = bounded_body(receive, limit, bounds.body_seconds)
                if declared_length(scope) > limit:
                    await discard(receive, limit)
                    await self._too_large(scope)(scope, receive, answer)
                else:
                    await self.app(scope, inflow, answer)
        except Refusal:  # of the entrance
            await discard(receive, self._most(scope))
            await self._full(scope)(scope, receive, answer)
        except Exception as error:
            # Starlette raises again what it has answered; a server would log it with its message
            if not begun:
                log.error("A page failed before it began: %s", without_values(error))
                raise
        finally:
            route = getattr(scope.get("route"), "path", "other")
            spent = 1000 * (time.perf_counter() - began)
            log.info("%s %s %d %.0f ms", scope["method"], route, status, spent)

    def _most(self, scope: Scope) -> int:
        """Bytes a request may have."""
        settings = self.site.settings
        uploads = scope["path"].startswith(UPLOADS)
        return settings.upload_bytes if uploads else settings.body_bytes

    def _too_large(self, scope: Scope) -> Response:
        """A page, as any other refusal's: a person chose a file that is too large."""
        scope["app"] = self.app
        return refused(Request(scope), PageRefusal(413, "too_large"))

    def _full(self, scope: Scope) -> Response:
        """A page, too, which costs little: many get it at once."""
        scope["app"] = self.app
        request = Request(scope)
        passing(request)
        return refused(request, PageRefusal(429, "full", retry_after=1))
