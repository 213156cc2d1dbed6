"""Keys and values of rows that have different lengths, and forward passes over them.

Row i of the pool holds its keys and values at [0, length): nothing is padded on the left, so a
token's place is its position, rows of any length run together, and a row joins or leaves without
the others moving in time. One pass reads n rows by R tokens; row i's token j goes to place
starts[i] + j and sees the places up to its own (within the layer's window). Tokens beyond a row's
count are padding and are written to a trash column behind the capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from personalign.model.heads import text_config
from personalign.model.readout import logits_and_cache

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

GRAIN = 64
"""Capacities are multiples of so many tokens."""

Segment = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of some tokens of one row, (heads, tokens, head_dim) a layer."""


class _Layer(CacheLayerMixin):
    """One layer's pool, (rows, heads, capacity + 1, head_dim) each for keys and values."""

    def __init__(self, pool: RaggedPool) -> None:
        super().__init__()
        self.pool = pool

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = (
            self.pool.room(states.shape[1], states.shape[3], states)
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self.pool.place
        return place.put(self.keys, key_states), place.put(self.values, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.pool.place.longest, 0

    def get_seq_length(self) -> int:
        return self.pool.place.longest - self.pool.place.width

    def get_max_length(self) -> int:
        return self.pool.capacity


class _Place:
    """Where one pass writes and what it reads: rows, columns, and how far."""

    def __init__(self, places: Sequence[int], columns: torch.Tensor, longest: int) -> None:
        first, last = places[0], places[-1]
        beside = list(places) == list(range(first, last + 1))
        self.rows = torch.tensor(places, device=columns.device)  # (n,)
        self.slice = slice(first, last + 1) if beside else None
        self.columns = columns  # (n, R)
        self.longest = longest  # columns read
        self.width = columns.shape[1]

    def put(self, store: torch.Tensor | None, states: torch.Tensor) -> torch.Tensor:
        """Write (n, heads, R, dim) and give the rows' (n, heads, longest, dim)."""
        assert store is not None
        rows, columns = self.rows.to(store.device), self.columns.to(store.device)
        store[rows[:, None], :, columns] = states.transpose(1, 2)
        return store[rows if self.slice is None else self.slice, :, : self.longest]


class RaggedPool(Cache):
    """Room for the keys and values of some rows, grown and shrunk between passes."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.rows = 0
        """Rows there is room for."""
        self.capacity = 0
        """Tokens a row there is room for."""
        self.place: _Place
        self.windows = windows(decoder)
        self.kept = [_Layer(self) for _ in range(decoder.heads.layers)]
        super().__init__(layers=list(self.kept))

    @property
    def nbytes(self) -> int:
        """Bytes it takes now."""
        return sum(store.nbytes for layer in self.kept for store in _stores(layer))

    def room(self, heads: int, dim: int, like: torch.Tensor) -> torch.Tensor:
        """An empty store; zeros, because what a mask hides must still be finite."""
        return like.new_zeros(self.rows, heads, self.capacity + 1, dim)

    def resize(self, rows: int, capacity: int) -> None:
        """Room for another number of rows or tokens; what both have room for stays."""
        old_rows, old_capacity = self.rows, self.capacity
        self.rows, self.capacity = rows, capacity
        kept, width = min(rows, old_rows), min(capacity, old_capacity)
        for layer in self.kept:
            for name in ("keys", "values"):
                old = getattr(layer, name)
                if old is not None:
                    new = self.room(old.shape[1], old.shape[3], old)
                    new[:kept, :, :width] = old[:kept, :, :width]
                    setattr(layer, name, new)

    def move(self, source: int, target: int, length: int) -> None:
        """Row `source`'s first `length` tokens become row `target`'s."""
        for layer in self.kept:
            for store in _stores(layer):
                store[target, :, :length] = store[source, :, :length]

    def clear(self, row: int, start: int = 0) -> None:
        """Zeros in a row from a place on: after logits that were not finite, so may its keys be."""
        for layer in self.kept:
            for store in _stores(layer):
                store[row, :, start:] = 0

    def copy_out(self, row: int, start: int, end: int) -> Segment:
        """A row's keys and values of the tokens [start, end)."""
        return [
            (layer.keys[row, :, start:end].clone(), layer.values[row, :, start:end].clone())
            for layer in self.kept
            if layer.keys is not None and layer.values is not None
        ]

    def copy_in(self, row: int, start: int, segment: Segment) -> None:
        """The reverse."""
        for layer, (keys, values) in zip(self.kept, segment, strict=True):
            if layer.keys is None:
                layer.lazy_initialization(keys[None], values[None])
            assert layer.keys is not None and layer.values is not None
            end = start + keys.shape[1]
            layer.keys[row, :, start:end] = keys
            layer.values[row, :, start:end] = values

    def read(
        self,
        places: Sequence[int],
        tokens: torch.Tensor,
        starts: Sequence[int],
        counts: Sequence[int],
    ) -> torch.Tensor:
        """One pass over n rows of the pool; logits (n, vocabulary) after each row's last token.

        places: which rows; those that lie side by side are read without a copy. tokens: (n, R)
        int64 on the decoder's device. starts: how many tokens each row has already. counts: how
        many of its R tokens are real, at least 1.
        """
        device = self.decoder.device
        count, width = tokens.shape
        begin = torch.tensor(starts)
        many = torch.tensor(counts)
        steps = torch.arange(width)
        real = steps[None] < many[:, None]
        positions = begin[:, None] + torch.minimum(steps[None], many[:, None] - 1)
        columns = torch.where(real, positions, self.capacity)
        longest = int((begin + many).max())
        self.place = _Place(places, columns.to(device), longest)
        positions = positions.to(device)
        logits, _ = logits_and_cache(
            self.decoder,
            torch.arange(count, device=device),
            (many - 1).to(device),
            input_ids=tokens,
            position_ids=positions,
            attention_mask=self._masks(positions, longest),
            past_key_values=self,
            use_cache=True,
        )
        return logits

    def _masks(self, positions: torch.Tensor, longest: int) -> Any:
        """Additive masks (n, 1, R, longest); one a kind of layer where there are several kinds."""
        distance = positions[..., None] - torch.arange(longest, device=positions.device)
        dtype = self.decoder.dtype
        masks = {}
        for kind, window in self.windows.items():
            seen = distance >= 0
            if window is not None:
                seen &= distance < window
            mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            masks[kind] = mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
        return masks if len(masks) > 1 else next(iter(masks.values()))


def windows(decoder: Decoder) -> dict[str, int | None]:
    """Kind of layer -> how many tokens back it sees, its own included; None is all.

    Raises ValueError for kinds that are no attention over tokens (recurrent, chunked).
    """
    config = text_config(decoder.model)
    size = getattr(config, "sliding_window", None)
    if getattr(config, "use_sliding_window", True) is False:
        size = None
    kinds = getattr(config, "layer_types", None) or (
        ["full_attention"] if size is None else ["sliding_attention"]
    )
    unknown = set(kinds) - {"full_attention", "sliding_attention"}
    if unknown:
        raise ValueError(f"layers of the kind {unknown.pop()}")
    return {kind: None if kind == "full_attention" else size for kind in sorted(set(kinds))}


def _stores(layer: _Layer) -> list[torch.Tensor]:
    return [store for store in (layer.keys, layer.values) if store is not None]
