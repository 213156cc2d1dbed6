"""What a form made and a page shows for some minutes: a phrase, a key, links. In memory only.

The form leads on to a page at a fresh address, which shows the same however often it is loaded,
until its owner says that they have it, or the time is up. From then on it shows what to do now.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from personalign.web.database.base import new_id

SECONDS = 15 * 60.0
"""How long it is shown."""

OF_ONE, OF_ALL = 20, 5_000
"""How many are remembered of one account, and of all; the oldest are forgotten first."""


@dataclass(frozen=True)
class Shown:
    """What one form made."""

    account_id: str
    kind: str
    """phrase, new_phrase, key, share or links."""
    then: str
    """The path where its owner goes on."""
    until: float
    values: Mapping[str, Any] | None
    """What the page shows; None once that is over."""


class Once:
    """What is being shown to whom; used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: OrderedDict[str, Shown] = OrderedDict()  # the oldest first

    def put(self, account_id: str, kind: str, then: str, **values: object) -> str:
        """Have something shown to an account; gives the id of its page."""
        number = new_id()
        with self._lock:
            self._end_old()
            self._shown[number] = Shown(account_id, kind, then, self._clock() + SECONDS, values)
            own = [n for n, one in self._shown.items() if one.account_id == account_id]
            for old in {*own[:-OF_ONE], *list(self._shown)[:-OF_ALL]}:
                del self._shown[old]
        return number

    def find(self, account_id: str, number: str) -> Shown | None:
        """What a page shows; None where there is none, or it is another account's."""
        with self._lock:
            self._end_old()
            found = self._shown.get(number)
        return found if found is not None and found.account_id == account_id else None

    def minutes(self, shown: Shown) -> int:
        """For how many minutes it is still shown, the last one counted whole."""
        return max(0, ceil((shown.until - self._clock()) / 60))

    def done(self, account_id: str, number: str) -> str | None:
        """Show it no more; gives where its owner goes on, None where there is no such page."""
        found = self.find(account_id, number)
        if found is None:
            return None
        with self._lock:
            if number in self._shown:
                self._shown[number] = replace(found, values=None)
        return found.then

    def forget(self, account_id: str) -> None:
        """Drop all of an account."""
        with self._lock:
            for number in [n for n, one in self._shown.items() if one.account_id == account_id]:
                del self._shown[number]

    def _end_old(self) -> None:
        for number, one in list(self._shown.items()):
            if one.values is not None and self._clock() >= one.until:
                self._shown[number] = replace(one, values=None)
