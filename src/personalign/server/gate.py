"""One at a time at the decoder: the engine's passes, and whoever else needs it for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Gate:
    """A lock whose visitors go first: the engine comes back for it right after every pass."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._depth = 0
        self._visitors = 0

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Nobody else passes until the block ends; the same thread may enter again."""
        with self._changed:
            self._visitors += 1
            self._enter(lambda: True)
            self._visitors -= 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def pass_through(self) -> Iterator[None]:
        """The same for the engine, which lets waiting visitors go first."""
        with self._changed:
            self._enter(lambda: self._visitors == 0)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, may: Callable[[], bool]) -> None:
        me = threading.get_ident()
        self._changed.wait_for(lambda: self._owner == me or (self._owner is None and may()))
        self._owner = me
        self._depth += 1

    def _leave(self) -> None:
        with self._changed:
            self._depth -= 1
            if self._depth == 0:
                self._owner = None
                self._changed.notify_all()
