"""When the next request may go out: Retry-After, x-ratelimit-* and backoff.

One `Pace` stands before all threads that ask an endpoint, so that a "wait" said to one of them
holds for all. Endpoints say it in several ways: `retry-after` in seconds or as a date,
`retry-after-ms`, and `x-ratelimit-remaining-requests: 0` with `x-ratelimit-reset-requests: 1m2s`
(the same for tokens), as OpenAI documents them.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

LONGEST_BACKOFF = 60.0
"""Seconds; waits double up to here where the endpoint does not say how long."""

LONGEST_COURTESY = 60.0
"""Seconds waited at most because a limit is nearly used up; after that the endpoint may refuse."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Pace:
    """The earliest moment of the next request, for all threads together."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], object] | None = None) -> None:
        """Return when a request may go out, or at once when `sleep` returns true: a stop."""
        while (rest := self._until - self._clock()) > 0:
            if (sleep or self._sleep)(rest):
                return

    def pause(self, seconds: float) -> None:
        """Nobody asks for so many seconds from now on."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def heard(self, headers: Mapping[str, str], *, tokens: int = 0) -> None:
        """Take note of a reply's limits.

        tokens: what the request cost; fewer left than that, and the next one would be refused.
        """
        for what, needed in (("requests", 1), ("tokens", max(tokens, 1))):
            left = _number(headers.get(f"x-ratelimit-remaining-{what}"))
            reset = duration(headers.get(f"x-ratelimit-reset-{what}"))
            if left is not None and left < needed and reset:
                self.pause(min(reset, LONGEST_COURTESY))


def retry_after(
    headers: Mapping[str, str], *, now: Callable[[], float] = time.time
) -> float | None:
    """Seconds the endpoint asks to wait before another try, or None where it does not say.

    >>> retry_after({"retry-after": "2"}), retry_after({"retry-after-ms": "250"}), retry_after({})
    (2.0, 0.25, None)
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return max(seconds, 0.0)
    try:
        return max(parsedate_to_datetime(str(text)).timestamp() - now(), 0.0)
    except (TypeError, ValueError):
        return None


def duration(text: str | None) -> float | None:
    """Seconds of a duration such as "6m0s", "20ms" or a bare "1.5"; None for anything else.

    >>> [duration(text) for text in ("6m0s", "20ms", "1.5", "soon")]
    [360.0, 0.02, 1.5, None]
    """
    if text is None:
        return None
    bare = _number(text)
    if bare is not None:
        return bare
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def backoff(attempt: int, first: float) -> float:
    """Seconds before try number `attempt` + 1: doubling, with jitter so that threads spread out."""
    return float(min(first * 2**attempt, LONGEST_BACKOFF) * random.uniform(0.75, 1.25))


def _number(text: str | None) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
