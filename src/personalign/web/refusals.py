"""When a page is not given: a page that says why, and what to do next."""

from __future__ import annotations

import logging
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match

from personalign.errors import PersonalignError, SiteError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

log = logging.getLogger("personalign.web")

FIRST = {"sign_in": "/sign-in", "consent": "/consent"}
"""Reasons -> the page that has to come first; who asked for a page is sent there, and back."""


class PageRefusal(Exception):
    """A page that is not given."""

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        retry_after: float | None = None,
        forged: bool = False,
        **values: object,
    ) -> None:
        """status: of HTTP. reason: text refusals.REASON.title and .text. values: of its places.

        retry_after: seconds. forged: whether it is to be written into the audit log, as an attempt
        to act in somebody's name.
        """
        super().__init__(reason)
        self.status, self.reason, self.values = status, reason, values
        self.retry_after, self.forged = retry_after, forged


def install(app: FastAPI) -> None:
    """Let every error come out as a page."""
    for kind in (
        PageRefusal,
        RequestValidationError,
        HTTPException,
        PersonalignError,
        Exception,
    ):
        app.add_exception_handler(kind, _answer)


def _answer(request: Request, error: Exception) -> Response:
    from personalign.web.pages import refused

    if isinstance(error, HTTPException) and (error.status_code, request.method) == (405, "GET"):
        return RedirectResponse(_page_above(request), 303)
    refusal = _as_refusal(error)
    if refusal.reason in FIRST and request.method == "GET":
        return RedirectResponse(f"{FIRST[refusal.reason]}?next={request.url.path}", 303)
    if refusal.forged:
        _write_down(request, refusal)
    return refused(request, refusal)


def _as_refusal(error: Exception) -> PageRefusal:
    if isinstance(error, PageRefusal):
        return error
    if isinstance(error, RequestValidationError | DataError):  # a value no database can hold
        return PageRefusal(400, "not_understood")
    if isinstance(error, HTTPException):
        known = {404: "not_found", 405: "not_found", 413: "too_large", 408: "too_slow"}
        return PageRefusal(error.status_code, known.get(error.status_code, "not_understood"))
    if isinstance(error, PersonalignError) and not isinstance(error, SiteError):
        return PageRefusal(HTTPStatus.BAD_REQUEST, "told", sentence=str(error))
    log.error("A page failed because of a bug: %s", without_values(error))
    return PageRefusal(500, "broken")


def _page_above(request: Request) -> str:
    """The nearest page above an address that takes only forms, for who loads it again."""
    path = request.url.path.rpartition("/")[0]
    while path:
        asked = {**request.scope, "path": path}
        if any(one.matches(asked)[0] is Match.FULL for one in request.app.router.routes):
            return path
        path = path.rpartition("/")[0]
    return "/"


def without_values(error: BaseException) -> str:
    """An error's kind and where it was raised, for the log.

    Its message is left out where it is not ours: it may hold what somebody wrote, as a database's
    does that names the value it refuses.
    """
    told = f" ({error})" if isinstance(error, SiteError) else ""
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    return f"{type(error).__name__}{told}\n{frames}"


def _write_down(request: Request, refusal: PageRefusal) -> None:
    from personalign.web.audit.log import UNKNOWN
    from personalign.web.site import site_of

    visitor = getattr(request.state, "visitor", None)
    member = None if visitor is None else visitor.member
    site_of(request).attempts.write_down(
        actor=UNKNOWN if member is None else member.audit_name,
        reason=refusal.reason,
        route=getattr(request.scope.get("route"), "path", "other"),
    )
