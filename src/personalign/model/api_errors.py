"""What goes wrong at an endpoint, as one sentence each; a key never appears in any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from personalign.errors import ApiError
from personalign.model.api_pace import retry_after

HIDDEN = "[key]"
"""What stands where a message of the endpoint repeated the key."""

_LONGEST = 300
"""Characters of an endpoint's own message that are passed on."""

_SHOWN = 10
"""Models named where one is unknown."""

TRY_AGAIN_STATUS = frozenset({408, 409, 425, 429})
"""Refusals that pass, beside every 5xx."""


class Unreadable(Exception):
    """A reply that is no chat completion; the text says what it is instead."""


class BrokenOff(Exception):
    """A reply that ended before it was finished."""


@dataclass(frozen=True)
class Asked:
    """Where a request went: what every sentence names."""

    model: str
    """The model's name at the endpoint."""
    base_url: str
    """The endpoint's address."""
    key_variable: str
    """The environment variable the key was read from."""
    key: str | None
    """The key, to be taken out of messages; None where none was sent."""
    timeout: float
    """Seconds a request may take."""

    def __repr__(self) -> str:
        return f"Asked({self.model!r}, {self.base_url!r})"


def passes(error: Exception) -> bool:
    """Whether another try may succeed."""
    status = _status(error)
    if status is not None:
        if _code(error) == "insufficient_quota":
            return False
        return status in TRY_AGAIN_STATUS or status >= 500
    passing = isinstance(error, Unreadable | BrokenOff | ValueError) or _cut(error)
    return passing or _named(error, "Connection") or _named(error, "Timeout")


def refused_connection(error: Exception) -> bool:
    """Whether nobody listens at the address, which rarely changes within a minute."""
    return type(error).__name__ == "APIConnectionError" and not _cut(error)


def as_api_error(
    error: Exception, asked: Asked, *, tries: int, known: Sequence[str] = ()
) -> ApiError:
    """The sentence for what went wrong, to be raised outside of the handler of `error`: that one
    still holds the request, and the request the key.

    known: names of models the endpoint does have, for when it has not the one asked for.
    """
    sentence = _sentence(error, asked, tries)
    if known and _status(error) == 404:
        shown = ", ".join(sorted(known)[:_SHOWN]) + (" ..." if len(known) > _SHOWN else "")
        sentence += f" It has: {shown}."
    return ApiError(hide(sentence, asked.key))


def no_key(variable: str, base_url: str) -> ApiError:
    """No key in the environment."""
    return ApiError(
        f"There is no key for {base_url}: the environment variable {variable} is not set. Set it "
        f"(export {variable}=...), or name the variable that holds the key with --key-variable."
    )


def hide(text: str, key: str | None) -> str:
    """The text without the key.

    >>> hide("Incorrect API key provided: sk-1234.", "sk-1234")
    'Incorrect API key provided: [key].'
    """
    return text.replace(key, HIDDEN) if key else text


def _sentence(error: Exception, asked: Asked, tries: int) -> str:
    where, model = asked.base_url, asked.model
    again = f" after {tries} tries" if tries > 1 else ""
    status = _status(error)
    if status is not None:
        return _refusal(error, status, asked, again)
    if _named(error, "Timeout"):
        return (
            f"{where} gave no answer within {asked.timeout:g} seconds{again}. Ask fewer at once "
            "(--concurrency), or allow more time (--timeout)."
        )
    if isinstance(error, BrokenOff) or _cut(error):
        return (
            f"{where} broke off in the middle of an answer{again}. Run the same command again: "
            "what was answered is kept."
        )
    if isinstance(error, Unreadable | ValueError):
        return (
            f"{where} answered with something that is no chat completion{again} "
            f"({_first_line(error)}). Check that the address is that of an OpenAI-compatible API; "
            "it usually ends in /v1."
        )
    if _named(error, "Connection"):
        return (
            f"Nothing answers at {where}{again} ({_first_line(error.__cause__ or error)}). Start "
            "the server, or check --base-url and the network."
        )
    return f"{where} could not be asked for {model}: {_first_line(error)}."


def _refusal(error: Exception, status: int, asked: Asked, again: str) -> str:
    where, said = asked.base_url, _said(error)
    if status == 401 and asked.key is None:
        return (
            f"{where} wants a key (401: {said}), and the environment variable "
            f"{asked.key_variable} is not set. Set it, or name another with --key-variable."
        )
    if status in (401, 403):
        return (
            f"{where} refuses the key in {asked.key_variable} ({status}: {said}). Check that key, "
            "and that it may use this model."
        )
    if status == 404:
        return (
            f"{where} has no model {asked.model!r} (404: {said}). Check the name after api:, and "
            "that the address is that of the API; it usually ends in /v1."
        )
    if _code(error) == "insufficient_quota":
        return f"The account at {where} has no credit left (429: {said}). Add some, then go on."
    if status == 429:
        wait = retry_after(getattr(getattr(error, "response", None), "headers", {}))
        asks = f", and asks to wait {wait:g} seconds" if wait else ""
        return (
            f"{where} still limits the rate{again} (429: {said}){asks}. Ask fewer at once "
            "(--concurrency), or go on later: what was answered is kept."
        )
    if status >= 500:
        return (
            f"{where} failed{again} ({status}: {said}). Go on later with the same command: what "
            "was answered is kept."
        )
    return f"{where} refuses the request for {asked.model} ({status}: {said})."


def _said(error: Exception) -> str:
    """The endpoint's own words, on one line, without a full stop."""
    body: Any = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error")
        body = body.get("message") or (inner.get("message") if isinstance(inner, dict) else inner)
    text = body if isinstance(body, str) and body.strip() else str(error)
    return _first_line(text)


def _first_line(said: object) -> str:
    if isinstance(said, json.JSONDecodeError):
        said = f"no JSON: {said.msg}"
    lines = str(said).strip().splitlines() or [type(said).__name__]
    line = lines[0].strip()
    return (line if len(line) <= _LONGEST else line[:_LONGEST] + "...").rstrip(".")


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and status >= 400 else None


def _code(error: Exception) -> str | None:
    return getattr(error, "code", None)


def _named(error: BaseException | None, word: str) -> bool:
    """Whether the client's class, or one it stems from, has the word in its name."""
    return error is not None and any(word in kind.__name__ for kind in type(error).__mro__)


def _cut(error: Exception) -> bool:
    """Whether the connection ended while an answer was being read."""
    return any(
        _named(part, word)
        for part in (error, error.__cause__)
        for word in ("RemoteProtocol", "ReadError", "IncompleteRead")
    )
