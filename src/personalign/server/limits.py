"""How much a key may ask for: requests a minute, and at once.

Requests a minute are a bucket that holds a minute's worth and fills evenly, so that a key may
send a burst after a pause, and over any long time no more than its rate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from personalign.server.keys import Key
from personalign.server.refusals import Refusal

RETRY_SECONDS = 1.0
"""When to come again where the end of what is under way cannot be foreseen."""


@dataclass
class _Account:
    """What one key has used."""

    left: float
    """Requests it may send at once, as of `filled`."""
    filled: float
    """When that was counted, in the clock's seconds."""
    running: int = 0


class Limits:
    """The accounts of all keys; used from the event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    @contextmanager
    def admit(self, key: Key) -> Iterator[dict[str, str]]:
        """Count one request of the key for as long as the block runs.

        Yields the headers that tell its client what is left, named as OpenAI names them.
        Raises Refusal (429, Retry-After) where it is one too many.
        """
        account = self._account(key)
        if key.concurrency is not None and account.running >= key.concurrency:
            raise Refusal(
                429,
                f"Your key may have {key.concurrency} requests under way at once, and has; wait "
                "for one to end.",
                code="concurrency_limit_exceeded",
                retry_after=RETRY_SECONDS,
                headers=_headers(key, account),
            )
        if key.requests_per_minute is not None:
            if account.left < 1:
                wait = (1 - account.left) * 60 / key.requests_per_minute
                raise Refusal(
                    429,
                    f"Your key may send {key.requests_per_minute} requests a minute, and has; try "
                    f"again in {math.ceil(wait)} seconds.",
                    code="rate_limit_exceeded",
                    retry_after=wait,
                    headers=_headers(key, account),
                )
            account.left -= 1
        account.running += 1
        try:
            yield _headers(key, account)
        finally:
            account.running -= 1

    def _account(self, key: Key) -> _Account:
        now = self._clock()
        most = float(key.requests_per_minute or 0)
        account = self._accounts.setdefault(key.id, _Account(most, now))
        account.left = min(most, account.left + (now - account.filled) * most / 60)
        account.filled = now
        return account


def _headers(key: Key, account: _Account) -> dict[str, str]:
    if key.requests_per_minute is None:
        return {}
    missing = key.requests_per_minute - account.left
    return {
        "x-ratelimit-limit-requests": str(key.requests_per_minute),
        "x-ratelimit-remaining-requests": str(int(account.left)),
        "x-ratelimit-reset-requests": f"{missing * 60 / key.requests_per_minute:.1f}s",
    }
