"""The rows of one running batch: who is in it, what each has read, and one pass over all.

`RaggedRows` serves most decoders: one pass for all rows. `SoloRows` serves what cannot be masked
and placed freely (recurrent layers, position biases, chunked attention): each row has a cache of
the model's own kind and a pass of its own. Both give the logits that a plain forward pass gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

from personalign.model.batch import model_inputs
from personalign.model.readout import logits_and_cache
from personalign.server.ragged import GRAIN, RaggedPool, Segment
from personalign.server.slots import NOBODY, SlotTable

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.server.reply_text import ReplyText
    from personalign.server.requests import Ticket


@dataclass(eq=False)
class Row:
    """One reply that is being written."""

    ticket: Ticket
    prompt: list[int]
    """Token ids, an adapter's virtual tokens in front."""
    pushed_from: int
    """The first position that is pushed."""
    most: int
    """Tokens the reply may have."""
    generator: torch.Generator
    text: ReplyText
    first_key: bytes
    """What the keys of its blocks grow from, see `prefixes.py`."""
    continues: bool
    """Whether the reply is read as the prompt is, so that a longer prompt may share it too."""
    keys: list[bytes]
    """Keys of the blocks its prompt may share, see `prefixes.py`."""
    slot: int = NOBODY
    place: int = -1
    """Its number in the batch, -1 outside."""
    read: int = 0
    """Tokens whose keys and values are there."""
    reply: list[int] = field(default_factory=list)
    """Tokens drawn; the last of them is not read yet."""
    cache: Any = None
    """SoloRows: its own keys and values."""

    @property
    def longest(self) -> int:
        """Tokens it may come to."""
        return len(self.prompt) + self.most

    @property
    def unread(self) -> int:
        """Tokens of the prompt that are still to be read."""
        return max(len(self.prompt) - self.read, 0)


class Rows(Protocol):
    """A batch that rows join and leave."""

    members: list[Row]

    def bytes_with(self, rows: Sequence[Row]) -> int:
        """Bytes the batch would take with these rows too."""

    def join(self, row: Row, known: Sequence[Segment]) -> None:
        """Take a row in; `known` are the keys and values of its first tokens."""

    def leave(self, row: Row, *, damaged: bool = False) -> None:
        """Let a row go."""

    def read_prompts(self, rows: Sequence[Row], width: int) -> torch.Tensor:
        """Read up to `width` more tokens of these rows' prompts; logits (rows, vocabulary)."""

    def read_next(self) -> torch.Tensor:
        """Read the last token of every row whose prompt is read; logits (rows, vocabulary)."""

    def copy_out(self, row: Row, start: int, end: int) -> Segment | None:
        """A row's keys and values of the tokens [start, end), or None where there are none."""

    def clear_unused(self) -> None:
        """Overwrite what rows that left have read."""


class RaggedRows:
    """Rows in one pool of keys and values; one pass for all."""

    def __init__(
        self, decoder: Decoder, slots: SlotTable, token_bytes: int, max_batch: int
    ) -> None:
        self.decoder = decoder
        self.slots = slots
        self.token_bytes = token_bytes
        self.max_batch = max_batch
        self.pool = RaggedPool(decoder)
        self.members: list[Row] = []  # row.place is the place in this list

    def bytes_with(self, rows: Sequence[Row]) -> int:
        count, capacity = self._shape(rows)
        if count <= self.pool.rows and capacity <= self.pool.capacity:
            count, capacity = self.pool.rows, self.pool.capacity
        return count * (capacity + 1) * self.token_bytes

    def join(self, row: Row, known: Sequence[Segment]) -> None:
        count, capacity = self._shape([row])
        if count > self.pool.rows or capacity > self.pool.capacity:
            self.pool.resize(count, capacity)
        row.place = len(self.members)
        self.members.append(row)
        for segment in known:
            self.pool.copy_in(row.place, row.read, segment)
            row.read += segment[0][0].shape[1]

    def leave(self, row: Row, *, damaged: bool = False) -> None:
        if damaged:
            self.pool.clear(row.place)
        last = self.members.pop()
        if last is not row:
            self.pool.move(last.place, row.place, last.read)
            self.members[row.place] = last
            last.place = row.place
        row.place = -1

    def read_prompts(self, rows: Sequence[Row], width: int) -> torch.Tensor:
        parts = [row.prompt[row.read : row.read + width] for row in rows]
        tokens = torch.full((len(rows), max(map(len, parts))), self.decoder.pad_id)
        for number, part in enumerate(parts):
            tokens[number, : len(part)] = torch.tensor(part)
        starts = [row.read for row in rows]
        index = torch.tensor([row.slot for row in rows])
        begin = torch.tensor(starts)[:, None] + torch.arange(tokens.shape[1])[None]
        pushed = begin >= torch.tensor([row.pushed_from for row in rows])[:, None]
        where = None if all(row.pushed_from == 0 for row in rows if row.slot) else pushed
        with self.slots.laid_on(index, where):
            logits = self.pool.read(
                [row.place for row in rows],
                tokens.to(self.decoder.device),
                starts,
                [len(part) for part in parts],
            )
        for row, part in zip(rows, parts, strict=True):
            row.read += len(part)
        return logits

    def read_next(self) -> torch.Tensor:
        ready = [row for row in self.members if row.reply]
        last = max(row.place for row in ready) + 1
        among = self.members[:last]
        # a row whose prompt is still being read rests: its token goes where its next one will
        tokens = [row.reply[-1] if row.reply else self.decoder.pad_id for row in among]
        device = self.decoder.device
        index = torch.tensor([row.slot for row in among])
        with self.slots.laid_on(index):
            logits = self.pool.read(
                range(last),
                torch.tensor(tokens, device=device)[:, None],
                [row.read for row in among],
                [1] * len(among),
            )
        for row in ready:
            row.read += 1
        if len(ready) == len(among):
            return logits
        return logits[torch.tensor([row.place for row in ready], device=device)]

    def copy_out(self, row: Row, start: int, end: int) -> Segment | None:
        return self.pool.copy_out(row.place, start, end)

    def clear_unused(self) -> None:
        for place in range(self.pool.rows):
            self.pool.clear(place, self.members[place].read if place < len(self.members) else 0)

    def _shape(self, more: Sequence[Row]) -> tuple[int, int]:
        """Rows and tokens there must be room for with more rows."""
        live = [*self.members, *more]
        rows = min(1 << max(len(live) - 1, 0).bit_length(), self.max_batch)
        longest = max((row.longest for row in live), default=0)
        return rows, math.ceil(longest / GRAIN) * GRAIN


class SoloRows:
    """Rows with caches of the model's own kind, each read alone."""

    def __init__(self, decoder: Decoder, slots: SlotTable, token_bytes: int) -> None:
        self.decoder = decoder
        self.slots = slots
        self.token_bytes = token_bytes
        self.members: list[Row] = []

    def bytes_with(self, rows: Sequence[Row]) -> int:
        return sum(row.longest for row in [*self.members, *rows]) * self.token_bytes

    def join(self, row: Row, known: Sequence[Segment]) -> None:
        assert not known, "nothing is kept of prompts that are read alone"
        row.place = len(self.members)
        self.members.append(row)

    def leave(self, row: Row, *, damaged: bool = False) -> None:
        self.members.remove(row)
        for place, member in enumerate(self.members):
            member.place = place
        row.place, row.cache = -1, None

    def read_prompts(self, rows: Sequence[Row], width: int) -> torch.Tensor:
        return torch.cat([self._read(row, row.prompt) for row in rows])

    def read_next(self) -> torch.Tensor:
        return torch.cat([self._read(row, row.reply[-1:]) for row in self.members if row.reply])

    def copy_out(self, row: Row, start: int, end: int) -> Segment | None:
        return None

    def clear_unused(self) -> None:
        pass  # a row takes its cache along when it leaves

    def _read(self, row: Row, tokens: Sequence[int]) -> torch.Tensor:
        inputs: dict[str, Any] = model_inputs(self.decoder, [tokens])
        if row.read:
            inputs["attention_mask"] = inputs["attention_mask"].new_ones(1, row.read + len(tokens))
            if "position_ids" in inputs:
                inputs["position_ids"] = inputs["position_ids"] + row.read
        zero = torch.zeros(1, dtype=torch.long, device=self.decoder.device)
        positions = torch.arange(row.read, row.read + len(tokens))[None]
        with self.slots.laid_on(torch.tensor([row.slot]), positions >= row.pushed_from):
            logits, row.cache = logits_and_cache(
                self.decoder,
                zero,
                zero + len(tokens) - 1,
                past_key_values=row.cache,
                use_cache=True,
                **inputs,
            )
        row.read += len(tokens)
        return logits
