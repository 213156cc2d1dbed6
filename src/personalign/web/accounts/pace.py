"""How often somebody may try to sign in, or make an account: per address, and all together."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_ADDRESSES = 10_000
"""Addresses remembered; the ones longest unseen go first."""


@dataclass
class _Bucket:
    left: float
    filled: float


class SignInPace:
    """Buckets of tries that fill evenly; used from any thread."""

    def __init__(
        self,
        *,
        per_minute: int = 10,
        all_per_minute: int = 300,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """per_minute: tries of one address. all_per_minute: tries of everybody, since Argon2 is
        dear on purpose."""
        self._one, self._all = float(per_minute), float(all_per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._everybody = _Bucket(self._all, clock())
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count one try; seconds to wait where it is one too many, else 0."""
        with self._lock:
            now = self._clock()
            own = self._addresses.pop(address, None) or _Bucket(self._one, now)
            self._addresses[address] = own
            while len(self._addresses) > MOST_ADDRESSES:
                self._addresses.popitem(last=False)
            waits = [_missing(own, self._one, now), _missing(self._everybody, self._all, now)]
            if max(waits) > 0:
                return max(waits)
            own.left -= 1
            self._everybody.left -= 1
            return 0.0


def _missing(bucket: _Bucket, per_minute: float, now: float) -> float:
    """Seconds until a bucket has a try; it is filled up to now."""
    bucket.left = min(per_minute, bucket.left + (now - bucket.filled) * per_minute / 60)
    bucket.filled = now
    return 0.0 if bucket.left >= 1 else (1 - bucket.left) * 60 / per_minute
