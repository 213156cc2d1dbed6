"""A chat completion as its endpoint sends it: the text, why it ended, the tokens it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from personalign.model.api_errors import Unreadable


@dataclass(frozen=True)
class Reply:
    """One answer of an endpoint."""

    text: str
    """What the model said; empty where it said nothing or refused."""
    finish: str | None = None
    """Why it ended: "stop", "length", "content_filter", ..."""
    prompt_tokens: int | None = None
    """Tokens read, or None where the endpoint does not count."""
    completion_tokens: int | None = None
    """Tokens written, or None where the endpoint does not count."""
    served: str | None = None
    """The model the endpoint says it used, often a dated version of the one asked for."""

    @property
    def tokens(self) -> int:
        """Tokens read and written, as far as they were counted."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True)
class Usage:
    """What an endpoint was asked for so far, and what that cost."""

    requests: int = 0
    """Answers the endpoint gave."""
    kept: int = 0
    """Answers that were on disk already and cost nothing."""
    retries: int = 0
    """Tries beyond the first."""
    prompt_tokens: int = 0
    """Tokens read, by the endpoint's own count."""
    completion_tokens: int = 0
    """Tokens written, by the endpoint's own count."""
    uncounted: int = 0
    """Answers without a count of their tokens."""

    def with_reply(self, reply: Reply) -> Usage:
        """This and one answer more."""
        counted = reply.prompt_tokens is not None and reply.completion_tokens is not None
        return replace(
            self,
            requests=self.requests + 1,
            prompt_tokens=self.prompt_tokens + (reply.prompt_tokens or 0),
            completion_tokens=self.completion_tokens + (reply.completion_tokens or 0),
            uncounted=self.uncounted + (not counted),
        )

    def cost(self, prices: tuple[float, float]) -> float:
        """What the counted tokens cost at a price a million read and a million written.

        >>> Usage(prompt_tokens=2_000_000, completion_tokens=500_000).cost((0.15, 0.60))
        0.6
        """
        return (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / 1e6

    def sentence(self, prices: tuple[float, float] | None = None) -> str:
        """The figures in words."""
        text = (
            f"{self.requests:,} answers asked for, {self.kept:,} kept from before, "
            f"{self.retries:,} tries repeated; {self.prompt_tokens:,} tokens read and "
            f"{self.completion_tokens:,} written"
        )
        if self.uncounted:
            text += f" ({self.uncounted:,} answers came without a count)"
        if prices is not None:
            text += (
                f"; cost {self.cost(prices):.4f} at {prices[0]:g} and {prices[1]:g} a million "
                "tokens read and written"
            )
        return text + "."


def read_reply(body: str) -> Reply:
    """The reply of a whole body. Raises Unreadable where it is no chat completion."""
    try:
        data = json.loads(body)
    except ValueError:
        raise Unreadable(f"no JSON, but {_start(body)}") from None
    if not isinstance(data, dict):
        raise Unreadable(f"JSON, but {_start(body)}")
    if data.get("error"):
        inner = data["error"]
        said = inner.get("message") if isinstance(inner, dict) else inner
        raise Unreadable(f"an error: {said}")
    try:
        choice = data["choices"][0]
        text = choice["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise Unreadable(f"no message in it: {_start(body)}") from None
    if text is not None and not isinstance(text, str):
        raise Unreadable(f"a message that is no text: {_start(body)}")
    prompt, completion = token_counts(data.get("usage"))
    return Reply(
        text=text or "",
        finish=choice.get("finish_reason"),
        prompt_tokens=prompt,
        completion_tokens=completion,
        served=data.get("model"),
    )


def token_counts(usage: Any) -> tuple[int | None, int | None]:
    """Tokens read and written of a "usage" object; None where it does not say."""
    given = usage if isinstance(usage, Mapping) else {}
    read, written = (given.get(name) for name in ("prompt_tokens", "completion_tokens"))
    return (
        read if isinstance(read, int) else None,
        written if isinstance(written, int) else None,
    )


def _start(body: str) -> str:
    text = " ".join(body.split())
    return repr(text if len(text) <= 60 else text[:60] + "...")
