"""Requests to an OpenAI-compatible endpoint: the `openai` client, tried again where it may help.

What goes wrong in passing (429, 5xx, a timeout, a broken or unreadable answer) is tried again,
after as long as the endpoint asks for; what does not pass becomes one sentence. The key is read
from an environment variable when the first request goes out. The openai client holds it, nothing
of ours does: it is in no file and no message.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, final
from urllib.parse import urlsplit

from personalign.errors import ApiError, MissingPackageError, ModelError
from personalign.model.api_errors import (
    Asked,
    BrokenOff,
    as_api_error,
    no_key,
    passes,
    refused_connection,
)
from personalign.model.api_pace import Pace, backoff, retry_after
from personalign.model.api_reply import Reply, Usage, read_reply, token_counts

PATIENCE = 300.0
"""Seconds an endpoint may ask to wait before another try; beyond that the run ends and says so."""

TRIES_TO_CONNECT = 3
"""Tries where nobody listens at the address."""

Request = dict[str, Any]
"""messages, max_tokens, temperature and, where something is drawn, a seed."""

Quirks = frozenset[str]
"""Parameters an endpoint was found not to take."""

_HERE = ("localhost", "127.0.0.1", "::1")


@final
class ApiClient:
    """One model at one endpoint, for many threads; it counts what it asks."""

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        key_variable: str,
        tries: int,
        timeout: float,
        first_wait: float,
    ) -> None:
        """Arguments as for `ApiModel`; no request goes out yet."""
        self.model = model
        self.base_url = checked_url(base_url)
        self.key_variable = key_variable
        self.tries = tries
        self.timeout = timeout
        self.first_wait = first_wait
        self.usage = Usage()
        """What was asked for so far."""
        self.served: set[str] = set()
        """The models the endpoint says it answered with."""
        self._pace = Pace()
        self._lock = threading.RLock()
        self._quirks: set[str] = set()  # see Quirks; another thread may add to it at any time

    def __repr__(self) -> str:
        return f"ApiClient({self.model!r}, {self.base_url!r})"

    def ask(self, request: Request, stop: threading.Event) -> Reply:
        """One answer, after as many tries as it takes.

        stop: ends waiting, from another thread. Raises ApiError, MissingPackageError.
        """
        attempt = 0
        while True:
            self._pace.wait(stop.wait)
            if stop.is_set():
                raise ApiError(f"{self.base_url} was not asked: the run ended before.")
            known = frozenset(self._quirks)
            try:
                return self._once(request, known)
            except (ApiError, MissingPackageError):
                raise
            except Exception as error:  # the client's, its transport's, and JSON's
                failure = error
            attempt += 1
            if not self._goes_on(failure, known, attempt, stop):
                raise self._told(failure, attempt)

    def stream(self, request: Request) -> Iterator[str]:
        """One answer in pieces; a try whose first piece has been given is not repeated.

        Raises ApiError also when the endpoint ends the answer before it is finished.
        """
        said = False
        attempt = 0
        while True:
            self._pace.wait()
            known = frozenset(self._quirks)
            try:
                for piece in self._pieces(request, known):
                    said = True
                    yield piece
                return
            except (ApiError, MissingPackageError):
                raise
            except Exception as error:  # the client's, its transport's, and JSON's
                failure = error
            attempt += 1
            if said or not self._goes_on(failure, known, attempt, threading.Event()):
                raise self._told(failure, attempt)

    def count(self, reply: Reply | None = None, *, served: str | None = None, **more: int) -> None:
        """Add an answer, or more of any figure of `Usage`."""
        with self._lock:
            if reply is not None:
                self.usage = self.usage.with_reply(reply)
                served = reply.served
            now = {name: getattr(self.usage, name) + extra for name, extra in more.items()}
            self.usage = replace(self.usage, **now)
            self.served |= {served} if served else set()

    def _once(self, request: Request, known: Quirks) -> Reply:
        sent = self._sent(request, known)
        raw = self._client.chat.completions.with_raw_response.create(**sent)
        reply = read_reply(raw.text)
        self._pace.heard(raw.headers, tokens=reply.tokens)
        self.count(reply)
        return reply

    def _pieces(self, request: Request, known: Quirks) -> Iterator[str]:
        wanted = {} if "stream_options" in known else {"include_usage": True}
        options = {"stream_options": wanted} if wanted else {}
        whole = Reply("")
        with self._client.chat.completions.create(
            stream=True, **options, **self._sent(request, known)
        ) as events:
            for event in events:
                usage = getattr(event, "usage", None)
                if usage is not None:
                    prompt, completion = token_counts(usage.model_dump())
                    whole = replace(whole, prompt_tokens=prompt, completion_tokens=completion)
                for choice in event.choices or ():
                    whole = replace(whole, finish=choice.finish_reason or whole.finish)
                    if choice.delta is not None and choice.delta.content:
                        yield choice.delta.content
                whole = replace(whole, served=event.model or whole.served)
        if whole.finish is None:
            raise BrokenOff("the stream ended without a reason")
        self.count(whole)

    def _sent(self, request: Request, known: Quirks) -> dict[str, Any]:
        """The request as this endpoint takes it, by what is known of it."""
        sent = {"model": self.model, **request}
        if "max_tokens" in known:  # newer models of OpenAI's
            sent["max_completion_tokens"] = sent.pop("max_tokens")
        return sent

    def _goes_on(
        self, failure: Exception, known: Quirks, attempt: int, stop: threading.Event
    ) -> bool:
        """Whether to try once more, after the wait that is due."""
        if self._adapted(failure, known):
            return True
        tries = min(self.tries, TRIES_TO_CONNECT) if refused_connection(failure) else self.tries
        if attempt >= tries or not passes(failure):
            return False
        headers = getattr(getattr(failure, "response", None), "headers", {})
        told = retry_after(headers)
        if told is not None and told > PATIENCE:
            return False
        self.count(retries=1)
        self._pace.heard(headers)
        if told is None:
            stop.wait(backoff(attempt - 1, self.first_wait))
        else:
            self._pace.pause(told)
        return True

    def _adapted(self, failure: Exception, known: Quirks) -> bool:
        """Whether the endpoint complains of a parameter that can be named otherwise or left out.

        known: the quirks the failed request already minded; another thread may have found more.
        """
        if getattr(failure, "status_code", None) != 400:
            return False
        said = str(failure)
        for name, telling in (("max_tokens", "max_completion_tokens"), ("stream_options",) * 2):
            if telling in said and name not in known:
                self._quirks.add(name)
                return True
        return False

    def _told(self, failure: Exception, tries: int) -> ApiError:
        known: list[str] = []
        if getattr(failure, "status_code", None) == 404:
            try:
                known = [model.id for model in self._client.models.list().data]
            except Exception:  # most servers list their models; the sentence does without
                known = []
        asked = Asked(self.model, self.base_url, self.key_variable, self._key(), self.timeout)
        return as_api_error(failure, asked, tries=tries, known=known)

    def _key(self) -> str | None:
        return os.environ.get(self.key_variable, "").strip() or None

    @property
    def _client(self) -> Any:
        """The openai client, made with the key when it is first needed."""
        with self._lock:
            return self._made_client

    @cached_property
    def _made_client(self) -> Any:
        try:
            import openai
        except ImportError:
            raise MissingPackageError("openai", "api", "A model behind an API") from None
        key = self._key()
        if key is None and urlsplit(self.base_url).hostname not in _HERE:
            raise no_key(self.key_variable, self.base_url)
        return openai.OpenAI(
            api_key=key or "none", base_url=self.base_url, timeout=self.timeout, max_retries=0
        )


def checked_url(url: str) -> str:
    """The address without a slash at its end; ModelError for one that cannot be meant."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelError(
            f"The address {url!r} is no http or https one; give for example "
            "http://localhost:8000/v1."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModelError(
            f"The address of {parts.hostname} holds a name, a password or a query. Addresses are "
            "stored with results, so give it bare, and the key in an environment variable."
        )
    return url.rstrip("/")
