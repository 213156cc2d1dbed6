"""What the server says when it does not answer: OpenAI's error objects, for everything.

    {"error": {"message": sentence, "type": kind, "param": field or null, "code": word or null}}

`Refusal` is raised by whoever refuses; `install` turns it, errors of Personalign, validation
errors, unknown paths and bugs into that form. `message` is a full sentence and holds no path of
this machine and no key.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from personalign.errors import PersonalignError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

log = logging.getLogger("personalign.server")

INVALID, BUSY, BROKEN = "invalid_request_error", "rate_limit_error", "server_error"
"""Kinds of error: the request's fault, too much at once, the server's fault."""


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    """A full sentence."""
    type: str
    """invalid_request_error, rate_limit_error or server_error."""
    param: str | None
    """The field of the request it is about."""
    code: str | None
    """A word for programs, e.g. model_not_found."""


class ErrorBody(BaseModel):
    """Every answer of a status of 400 or more."""

    error: ErrorDetail


class Refusal(Exception):
    """A request that is not answered, and why."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """status: of HTTP. retry_after: seconds after which it is worth trying again."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(max(1, math.ceil(retry_after)))

    @property
    def body(self) -> dict[str, Any]:
        """The error object."""
        kind = BUSY if self.status == 429 else BROKEN if self.status >= 500 else INVALID
        return {
            "error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        }

    def response(self) -> JSONResponse:
        """As an answer."""
        return JSONResponse(self.body, self.status, headers=self.headers)


def unauthorised(sentence: str) -> Refusal:
    """The refusal of who shows no key, or none that counts."""
    return Refusal(401, sentence, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def refusal_of(error: Exception) -> Refusal:
    """What to say of an error met while answering; bugs are logged, and not told in detail."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    if isinstance(error, HTTPException):
        said = _STATUS_WORDS.get(error.status_code, (f"{error.detail}", None))
        return Refusal(error.status_code, said[0], code=said[1], headers=error.headers)
    if isinstance(error, PersonalignError):
        return Refusal(400, str(error))
    log.error("A request failed because of a bug", exc_info=error)
    return Refusal(500, "The server met an error of its own; its log tells more.")


def install(app: FastAPI) -> None:
    """Let every error of the app come out in this form."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return refusal_of(error).response()

    for kind in (Refusal, RequestValidationError, HTTPException, PersonalignError, Exception):
        app.add_exception_handler(kind, answer)


_STATUS_WORDS = {
    400: ("The body of the request cannot be read as JSON in UTF-8.", "invalid_json"),
    404: ("There is nothing at this address; the API's paths begin with /v1.", "not_found"),
    405: ("This address does not take this method.", "method_not_allowed"),
    413: ("The body is larger than this server reads; send less.", "body_too_large"),
    408: ("The body of the request took too long to arrive.", "timeout"),
}
"""Sentences for what the framework itself refuses."""


def _invalid(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """The first thing wrong with a body, said of the field it is in."""
    worst = min(errors, key=_rank)
    path = [part for part in worst["loc"] if not (isinstance(part, str) and part in _PLUMBING)]
    param = ".".join(str(part) for part in path[1:] if not _is_branch(part)) or None
    kind = worst["type"]
    if kind == "json_invalid":
        return Refusal(400, f"The body is no JSON: {worst['ctx']['error']}.", code="invalid_json")
    if kind == "extra_forbidden":
        return Refusal(
            400,
            f"Unrecognized request argument supplied: {param}. Correct its name or leave it out.",
            code="unknown_parameter",
            param=param,
        )
    if kind == "missing":
        what = f"The field {param}" if param else "A body of JSON (content-type application/json)"
        return Refusal(400, f"{what} is missing.", code="missing_required_parameter", param=param)
    if kind == "unsupported_parameter":
        return Refusal(400, worst["msg"], code=kind, param=param)
    if param is None:
        said = "The body must be a JSON object, sent with content-type application/json."
        return Refusal(400, said, code="invalid_value")
    return Refusal(
        400,
        f"The field {param} is not accepted: {worst['msg']}.",
        code="invalid_value",
        param=param,
    )


_PLUMBING = ("function-after", "function-before", "function-wrap")
_ORDER = {"json_invalid": 0, "unsupported_parameter": 1, "extra_forbidden": 2}


def _rank(error: Mapping[str, Any]) -> int:
    """Which of several errors to tell: what is not supported before what is misspelt."""
    return _ORDER.get(error["type"], 3)


def _is_branch(part: Any) -> bool:
    """Whether a part of an error's path names a branch of a union rather than a field."""
    return isinstance(part, str) and (
        part in {"str", "int", "float", "bool", "constrained-str", "constrained-int"}
        or "[" in part
        or "-" in part
    )
