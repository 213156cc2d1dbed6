"""Around every page: security headers, bounds on bodies, one line of log without anything personal.

Plain ASGI, like the API's guard. The log tells the route, not the address, which holds ids.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from personalign.server.inflow import bounded_body, declared_length
from personalign.server.refusals import Refusal
from personalign.web.refusals import without_values

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from personalign.web.site import Site

log = logging.getLogger("personalign.web")

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
                limit = self.site.settings.body_bytes
                if declared_length(scope) > limit:
                    raise Refusal(413, "The request is larger than this site reads; send less.")
                inflow = bounded_body(receive, limit, bounds.body_seconds)
                await self.app(scope, inflow, answer)
        except Refusal as refusal:
            await refusal.response()(scope, receive, answer)
        except Exception as error:
            # Starlette raises again what it has answered; a server would log it with its message
            if not begun:
                log.error("A page failed before it began: %s", without_values(error))
                raise
        finally:
            route = getattr(scope.get("route"), "path", "other")
            spent = 1000 * (time.perf_counter() - began)
            log.info("%s %s %d %.0f ms", scope["method"], route, status, spent)
