"""A black-box model: any OpenAI-compatible chat endpoint.

Nothing of such a model can be seen or steered, so only methods that work by prompts run on it.
Decoding is greedy (temperature 0) unless asked otherwise. Answers are kept on disk by the content
of what was asked, so a run that stopped costs nothing twice. How requests go out, and what happens
when they fail, is `api_client.py`'s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

from personalign.errors import ModelError, SteeringError
from personalign.model.api_client import ApiClient, Request
from personalign.model.api_reply import Reply, Usage
from personalign.model.text_cache import TextCache, content_key

if TYPE_CHECKING:
    from personalign.model.chat import Message
    from personalign.model.residual import ResidualShift
    from personalign.model.shift import Shift

PREFIX = "api:"
"""What the name of such a model begins with, here and on the command line."""

OPENAI_URL = "https://api.openai.com/v1"
"""Where models are asked unless another address is given."""

KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable the key is read from unless another is named."""


@final
class ApiModel:
    """A model behind an OpenAI-compatible endpoint.

    >>> model = ApiModel("llama3", "http://localhost:8000/v1/")
    >>> model.name, model.base_url
    ('api:llama3', 'http://localhost:8000/v1')
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        key_variable: str = KEY_VARIABLE,
        prices: tuple[float, float] | None = None,
        concurrency: int = 8,
        tries: int = 6,
        timeout: float = 60.0,
        first_wait: float = 0.5,
        cache: Path | str | None = None,
    ) -> None:
        """No request goes out yet.

        Args:
            model: the model's name at the endpoint.
            base_url: the endpoint, mostly ending in /v1; OpenAI's where left out.
            key_variable: the environment variable that holds the key. A server on this machine
                may do without one.
            prices: what a million tokens read and a million written cost, for `usage`.
            concurrency: requests under way at once.
            tries: how often a request is tried where what went wrong may pass.
            timeout: seconds a request may take.
            first_wait: seconds before the second try, doubled with each one more.
            cache: folder to keep answers in; None keeps nothing.
        """
        self.model = model.removeprefix(PREFIX)
        """The model's name at the endpoint."""
        self.name = PREFIX + self.model
        """What it is called in tables and messages."""
        if not self.model:
            raise ModelError("No model is named after api:; write for example api:gpt-4o-mini.")
        if concurrency < 1 or tries < 1 or timeout <= 0:
            raise ModelError(
                f"Concurrency is {concurrency}, tries {tries} and timeout {timeout:g} seconds; "
                "each must be above 0."
            )
        self.prices = prices
        """What a million tokens read and a million written cost, or None."""
        self.concurrency = concurrency
        """Requests under way at once."""
        self.cache = TextCache(cache)
        """Where answers are kept."""
        self.client = ApiClient(
            self.model,
            base_url or OPENAI_URL,
            key_variable=key_variable,
            tries=tries,
            timeout=timeout,
            first_wait=first_wait,
        )
        """What the requests go through."""

    def __repr__(self) -> str:
        return f"ApiModel({self.model!r}, {self.base_url!r})"

    @property
    def base_url(self) -> str:
        """The endpoint's address."""
        return self.client.base_url

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of address and name: all that can be known of which model this is."""
        return content_key("api", self.base_url, self.model)

    @property
    def provenance(self) -> dict[str, str | None]:
        """What a persona or a result says of the model it was made with, to find it again."""
        return {
            "model": self.name,
            "dtype": None,
            "quantize": None,
            "fingerprint": self.fingerprint,
            "base_url": self.base_url,
        }

    @property
    def usage(self) -> Usage:
        """Requests, tokens and retries so far."""
        return self.client.usage

    @property
    def served(self) -> tuple[str, ...]:
        """The models the endpoint says it answered with, kept answers included."""
        return tuple(sorted(self.client.served))

    def check_shift(self, shift: Shift) -> None:
        """As a decoder's: no shift fits a model whose heads are out of reach."""
        raise SteeringError(self._out_of_reach)

    def check_residual(self, residual: ResidualShift) -> None:
        """The same for the residual stream."""
        raise SteeringError(self._out_of_reach)

    @property
    def _out_of_reach(self) -> str:
        return (
            f"It pushes the model from inside, and {self.name} is behind an API. Use the model it "
            "was made on."
        )

    def replies(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 15,
        temperature: float = 0.0,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[str]:
        """The assistant's replies, in the order of the chats; equal chats are asked once.

        temperature: 0 is greedy. seed: sent where the temperature is not 0.
        progress: called with (different chats answered, different chats).
        Raises ApiError when the endpoint cannot be asked; what was answered by then is kept.
        """
        asked = [self._request(chat, max_new_tokens, temperature, seed) for chat in chats]
        keys = [content_key(self.fingerprint, request) for request in asked]
        waiting = dict(zip(keys, asked, strict=True))
        total, texts = len(waiting), {}
        for key in list(waiting):
            kept = self.cache.get(key)
            if kept is not None:
                texts[key] = kept["text"]
                self.client.count(served=kept.get("served"), kept=1)
                del waiting[key]
        if progress is not None and texts:
            progress(len(texts), total)
        with closing(self._ask_all(waiting)) as answers:  # closed too if `progress` raises
            for key, reply in answers:
                texts[key] = reply.text
                if progress is not None:
                    progress(len(texts), total)
        return [texts[key] for key in keys]

    def reply(
        self,
        chat: Sequence[Message],
        *,
        max_new_tokens: int = 15,
        temperature: float = 0.0,
        seed: int = 0,
        stop: threading.Event | None = None,
    ) -> Reply:
        """One whole reply with why it ended, for callers that bring their own threads.

        Kept on disk and read from there as by `replies`. stop: ends waiting between tries.
        Raises ApiError when the endpoint cannot be asked.
        """
        request = self._request(chat, max_new_tokens, temperature, seed)
        key = content_key(self.fingerprint, request)
        kept = self.cache.get(key)
        if kept is None:
            return self._ask(key, request, threading.Event() if stop is None else stop)
        self.client.count(served=kept.get("served"), kept=1)
        known = {field.name for field in fields(Reply)}
        return Reply(**{name: value for name, value in kept.items() if name in known})

    def stream(
        self,
        chat: Sequence[Message],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """The reply in pieces, as it is written; not kept on disk.

        Raises ApiError also when the endpoint ends it before it is finished; a try whose first
        piece has been given is not repeated.
        """
        return self.client.stream(self._request(chat, max_new_tokens, temperature, seed))

    def _request(
        self, chat: Sequence[Message], max_new_tokens: int, temperature: float, seed: int
    ) -> Request:
        """What is asked, and what the answer is kept by."""
        request = {"messages": list(chat), "max_tokens": max_new_tokens, "temperature": temperature}
        return request | ({"seed": seed} if temperature else {})

    def _ask_all(self, waiting: Mapping[str, Request]) -> Generator[tuple[str, Reply], None, None]:
        """Answers as they come; on an error nothing more is begun, and the error is raised."""
        if not waiting:
            return
        stop = threading.Event()
        with ThreadPoolExecutor(min(self.concurrency, len(waiting))) as pool:
            futures = {
                pool.submit(self._ask, key, request, stop): key for key, request in waiting.items()
            }
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, key: str, request: Request, stop: threading.Event) -> Reply:
        reply = self.client.ask(request, stop)
        self.cache.put(key, asdict(reply))
        return reply
