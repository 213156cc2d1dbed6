"""What a model has read of questions that nobody pushes, kept from one call to the next.

The search for alpha asks the same 120 questions in every round, of every person. Where only
replies are pushed, their keys and values are the same for all of them: inside a `kept_readings`
block they are read once. The model must not change inside the block; at its end they are let go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

READINGS_BYTES = 2**30
"""Memory that kept keys and values may take; beyond it the least recently used are let go."""

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, (rows, heads, time, head_dim); rows is 1 where rows are equal."""


class Readings:
    """Keys and values by what was read, within a budget."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.held = 0
        """Bytes kept now."""
        self._kept: OrderedDict[Hashable, Layers] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], Layers]) -> Layers:
        """What was kept under the key, or what `read` gives, which is then kept if it fits."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        layers = read()
        if _bytes(layers) <= self.budget:
            self._kept[key] = layers
            self.held += _bytes(layers)
        while self.held > self.budget:
            _, oldest = self._kept.popitem(last=False)
            self.held -= _bytes(oldest)
        return layers


@contextmanager
def kept_readings(decoder: Decoder, budget: int = READINGS_BYTES) -> Iterator[None]:
    """Keep what the decoder reads of unpushed questions until the block ends.

    budget: bytes. A block inside another one of the same decoder uses the outer one's.
    """
    if decoder in _OPEN:
        yield
        return
    _OPEN[decoder] = Readings(budget)
    try:
        yield
    finally:
        del _OPEN[decoder]


def read_once(decoder: Decoder, key: Hashable, read: Callable[[], Layers]) -> Layers:
    """What `read` gives; inside a `kept_readings` block, what it gave the first time."""
    kept = _OPEN.get(decoder)
    return read() if kept is None else kept.get((decoder.adapter, key), read)


_OPEN: WeakKeyDictionary[Decoder, Readings] = WeakKeyDictionary()


def _bytes(layers: Layers) -> int:
    return sum(tensor.nbytes for pair in layers for tensor in pair)
