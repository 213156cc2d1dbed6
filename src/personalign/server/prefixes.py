"""What prompts begin with, read once: keys and values by content, within a budget of bytes.

Prompts are cut into blocks of `BLOCK` tokens. A block's key is a hash of everything its keys and
values depend on: all tokens up to its end, and what was pushed while they were read (the persona's
steering key: shift, alpha, scope, adapter by content). The decoder is the engine's own. So a
persona that is replaced finds nothing of the old one, and two personas that push only the reply
share what they read of the same system prompt.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile

from personalign.server.ragged import Segment

BLOCK = 32
"""Tokens kept under one key."""


def block_keys(tokens: Sequence[int], pushed: str, end: int) -> list[bytes]:
    """The key of every whole block of tokens[:end].

    pushed: what was pushed while they were read, "" for nothing.
    """
    keys = []
    key = hashlib.sha256(pushed.encode()).digest()
    for start in range(0, end - BLOCK + 1, BLOCK):
        words = ",".join(map(str, tokens[start : start + BLOCK]))
        key = hashlib.sha256(key + words.encode()).digest()
        keys.append(key)
    return keys


class PrefixCache:
    """Blocks of keys and values, the least recently used let go beyond the budget."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        """Bytes it may take."""
        self.held = 0
        """Bytes it takes."""
        self.hits = 0
        """Tokens that were not read again."""
        self.misses = 0
        """Tokens that were read because no block held them."""
        self._kept: OrderedDict[bytes, Segment] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: bytes) -> bool:
        return key in self._kept

    def find(self, keys: Sequence[bytes]) -> list[Segment]:
        """The blocks at the beginning of `keys` that are kept."""
        found = list(takewhile(self._kept.__contains__, keys))
        for key in reversed(found):  # the last block is let go first: without it the others serve
            self._kept.move_to_end(key)
        return [self._kept[key] for key in found]

    def keep(self, key: bytes, segment: Segment) -> None:
        """Keep a block, if it fits at all."""
        size = _bytes(segment)
        if key in self._kept or size > self.budget:
            return
        self._kept[key] = segment
        self.held += size
        while self.held > self.budget:
            _, oldest = self._kept.popitem(last=False)
            self.held -= _bytes(oldest)

    def clear(self) -> None:
        """Let everything go; what it said is overwritten."""
        for segment in self._kept.values():
            for keys, values in segment:
                keys.zero_(), values.zero_()
        self._kept.clear()
        self.held = 0


def _bytes(segment: Segment) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in segment)
