"""What prompts begin with, read once: keys and values by content, within a budget of bytes.

Prompts are cut into blocks of `BLOCK` tokens. A block's key is a hash of everything its keys and
values depend on (all tokens up to its end, and what was pushed while they were read: the persona's
steering key, which holds shift, alpha, scope and adapter by content) and of whose it is: who asked,
and the persona's system prompt. The decoder is the engine's own. So a persona that is replaced
finds nothing of the old one, and nobody who guesses the words of another's prompt learns from
`cached_tokens`, or from the time a reply takes to begin, that they were right.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile

from personalign.server.ragged import Segment

BLOCK = 32
"""Tokens kept under one key."""


def first_key(asker: str, system_prompt: str | None, pushed: str) -> bytes:
    """What the keys of a prompt's blocks grow from: only who has the same one shares them.

    asker: who asks, see `requests.Request`. system_prompt: the persona's own, not what a client
    wrote. pushed: what is pushed while the prompt is read, "" for nothing.
    """
    return hashlib.sha256(json.dumps([asker, system_prompt, pushed]).encode()).digest()


def block_keys(tokens: Sequence[int], first: bytes, end: int) -> list[bytes]:
    """The key of every whole block of tokens[:end], grown from a `first_key`."""
    keys = []
    key = first
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
