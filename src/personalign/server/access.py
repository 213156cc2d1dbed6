"""Who asks, for routes: the key that the guard found, and the scope a route needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.requests import Request as StarletteRequest

from personalign.server.keys import Key, Scope
from personalign.server.refusals import Refusal

if TYPE_CHECKING:
    from personalign.server.service import Service

bearer = HTTPBearer(auto_error=False, description="An API key: pa-...")
"""For the OpenAPI document; the guard has already read the key."""


def service_of(request: StarletteRequest) -> Service:
    """The server's parts."""
    return cast("Service", request.app.state.service)


def needs(scope: Scope) -> Callable[..., Key]:
    """A dependency: the key of the request, if it has the scope; Refusal (403) if not."""

    def check(request: Request, _given: Annotated[object, Depends(bearer)]) -> Key:
        key = cast(Key, request.state.key)
        check_scope(key, scope)
        return key

    return check


def check_scope(key: Key, scope: Scope) -> None:
    """Refusal (403) where the key has not this scope."""
    if not key.may(scope):
        raise Refusal(
            403,
            f"Your key may do {', '.join(key.scopes)}, and this needs {scope}; ask for a key "
            "that has it.",
            code="insufficient_permissions",
        )
