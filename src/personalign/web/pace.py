"""How often something may be: signing in per address and all together, entries about attacks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_ADDRESSES = 10_000
"""Addresses remembered; the ones longest unseen go first."""


class Bucket:
    """Tries that fill evenly; used under its owner's lock."""

    def __init__(self, per_minute: float, now: float) -> None:
        """per_minute: also how many there are at once. now: seconds, of any clock.

        >>> two = Bucket(per_minute=2, now=0.0)
        >>> [two.take(now=0.0), two.take(now=0.0), two.take(now=0.0), two.take(now=30.0)]
        [True, True, False, True]
        """
        self._per_minute, self._left, self._filled = per_minute, per_minute, now

    def wait(self, now: float) -> float:
        """Seconds until there is a try; 0 where there is one."""
        more = (now - self._filled) * self._per_minute / 60
        self._left, self._filled = min(self._per_minute, self._left + more), now
        return 0.0 if self._left >= 1 else (1 - self._left) * 60 / self._per_minute

    def take(self, now: float) -> bool:
        """Take a try; False where there is none."""
        there = self.wait(now) == 0
        self._left -= there
        return there

    def full(self, now: float) -> bool:
        """Whether it is as a new one would be: what was taken has come back."""
        self.wait(now)
        return self._left == self._per_minute


class SignInPace:
    """How often somebody may try to sign in, or make an account; used from any thread."""

    def __init__(
        self,
        *,
        per_minute: int = 10,
        all_per_minute: int = 300,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """per_minute: tries of one address. all_per_minute: tries of everybody, since Argon2 is
        dear on purpose."""
        self._per_minute, self._clock = per_minute, clock
        self._lock = threading.Lock()
        self._everybody = Bucket(all_per_minute, clock())
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count one try; seconds to wait where it is one too many, else 0."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            own = self._addresses.pop(address, None) or Bucket(self._per_minute, now)
            self._addresses[address] = own
            while len(self._addresses) > MOST_ADDRESSES:
                self._addresses.popitem(last=False)
            wait = max(own.wait(now), self._everybody.wait(now))
            if wait == 0:
                own.take(now)
                self._everybody.take(now)
            return wait

    def forget(self) -> None:
        """Forget addresses that did not try for a minute: no try of theirs counts any more."""
        with self._lock:
            self._forget(self._clock())

    def _forget(self, now: float) -> None:
        """The ones longest unseen come first, so it ends at the first that counts still."""
        while self._addresses and next(iter(self._addresses.values())).full(now):
            self._addresses.popitem(last=False)
