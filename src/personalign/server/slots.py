"""Where personas wait on the device: a table of displacements a site, one row a persona.

A forward pass gathers row i's displacement by an index and adds it: no weight is touched, and
nothing is done row by row. Slot 0 is nobody's and zero. A slot that no running row holds keeps its
persona until another needs the place; the one unused for longest goes first.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from personalign.model.residual import Site, Stream, depth
from personalign.model.steer import before

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

NOBODY = 0
"""The slot of rows that are not pushed."""


class SlotTable:
    """Displacements of up to `slots` personas, on the decoder's device."""

    def __init__(self, decoder: Decoder, slots: int) -> None:
        self.decoder = decoder
        self.slots = slots
        """Personas there is room for."""
        self.tables: dict[Site, torch.Tensor] = {}
        """Site -> (slots + 1, width) in the model's dtype; made when first a persona pushes it."""
        self.laid = 0
        """Times a persona was laid into a slot."""
        self._slot_of: OrderedDict[str, int] = OrderedDict()  # the least recently used first
        self._sites: dict[int, tuple[Site, ...]] = {}
        self._holders: Counter[int] = Counter()
        self._pushed: Counter[Site] = Counter()  # how many holders push a site
        self._free = list(range(slots, 0, -1))

    @property
    def used(self) -> int:
        """Slots with a persona in them."""
        return len(self._slot_of)

    @property
    def held(self) -> int:
        """Slots that running rows hold."""
        return len(self._holders)

    def __contains__(self, key: str) -> bool:
        return key in self._slot_of

    def hold(self, key: str, steps: Mapping[Site, torch.Tensor]) -> int:
        """A persona's slot, filled if need be, and kept until it is released as often as held.

        key: the persona's steering key. steps: site -> (1, width), what it adds.
        There is always room where no more rows run than there are slots.
        """
        slot = self.place(key, steps)
        self._holders[slot] += 1
        for site in self._sites[slot]:
            self._pushed[site] += 1
        return slot

    def place(self, key: str, steps: Mapping[Site, torch.Tensor]) -> int:
        """As `hold`, but free to be taken by another persona."""
        if key not in self._slot_of:
            slot = self._free.pop() if self._free else self._evict()
            for site, step in steps.items():
                self._table(site, step.shape[-1])[slot] = step[0].to(self.decoder.dtype)
            self._slot_of[key], self._sites[slot] = slot, tuple(steps)
            self.laid += 1
        self._slot_of.move_to_end(key)
        return self._slot_of[key]

    def release(self, slot: int) -> None:
        """One holder less."""
        if slot == NOBODY:
            return
        assert self._holders[slot] > 0, f"slot {slot} was released more often than held"
        self._holders -= Counter({slot: 1})
        self._pushed -= Counter(dict.fromkeys(self._sites[slot], 1))

    def clear(self) -> None:
        """Nothing is left of a persona that no running row holds: its slot is zero and free."""
        for key, slot in list(self._slot_of.items()):
            if not self._holders[slot]:
                self._free.append(self._empty(key))

    @contextmanager
    def laid_on(self, index: torch.Tensor, where: torch.Tensor | None = None) -> Iterator[None]:
        """Forward passes inside the block push row i by slot index[i].

        index: (rows,) int64. where: (rows, time) bool, at which positions; None is at all.
        """
        hooks = []
        try:
            for site in sorted(self._pushed, key=depth):
                hooks.append(
                    before(self.decoder, site, _gather_add(self.tables[site], index, where))
                )
            yield
        finally:
            for handle in hooks:
                handle.remove()

    def _evict(self) -> int:
        """Empty the slot that has been free for longest."""
        return self._empty(
            next(key for key, slot in self._slot_of.items() if not self._holders[slot])
        )

    def _empty(self, key: str) -> int:
        slot = self._slot_of.pop(key)
        for site in self._sites.pop(slot):
            self.tables[site][slot] = 0
        return slot

    def _table(self, site: Site, width: int) -> torch.Tensor:
        if site not in self.tables:
            heads = self.decoder.heads
            layer = site.layer if isinstance(site, Stream) else site
            device = next(heads.blocks[layer].parameters()).device
            self.tables[site] = torch.zeros(
                self.slots + 1, width, dtype=self.decoder.dtype, device=device
            )
        return self.tables[site]


def _gather_add(
    table: torch.Tensor, index: torch.Tensor, where: torch.Tensor | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    index = index.to(table.device)
    where = None if where is None else where.to(table.device)[..., None]

    def add(received: torch.Tensor) -> torch.Tensor:
        pushed = received + table[index][:, None].to(received.dtype)
        return pushed if where is None else torch.where(where, pushed, received)

    return add
