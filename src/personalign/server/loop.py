"""The step loop's one turn: rows leave, rows join and are read, every running row gets a token.

A turn first lets go of rows nobody wants, then reads prompts in one pass (those that fit together
by length, at most `READ_TOKENS`), then runs one pass for the next token of all running rows of
each batch. First come, first served: later requests may join beside the first one, never instead.
A row takes its whole room when it joins, so that nothing that runs has ever to be stopped.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from personalign.errors import MethodError
from personalign.model.adapters import Adapter
from personalign.model.residual import Site
from personalign.model.steer import not_finite
from personalign.server.prefixes import BLOCK, PrefixCache, block_keys
from personalign.server.requests import Finish, Piece, Request
from personalign.server.rows import RaggedRows, Row, Rows, SoloRows
from personalign.server.sampling import choose, logprobs_of
from personalign.server.slots import SlotTable

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

READ_TOKENS = 2048
"""Tokens of prompts read in one pass, padding included, before running replies go on."""

UNLIKE = 2
"""Prompts are read side by side if none has more than so many times the tokens of the first."""


@dataclass(frozen=True, eq=False)
class Waiting:
    """A request whose turn has not come."""

    row: Row
    adapter: Adapter | None
    key: str
    """The persona's steering key, '' if it pushes nothing."""
    steps: Mapping[Site, torch.Tensor]
    """What it adds, site -> (1, width)."""


class _Batch:
    """The rows that run with one adapter, or with none."""

    def __init__(self, rows: Rows, adapter: Adapter | None) -> None:
        self.rows = rows
        self.adapter = adapter

    @contextmanager
    def on(self) -> Iterator[None]:
        with nullcontext() if self.adapter is None else self.adapter.on():
            yield


class StepLoop:
    """What the engine's thread works on; `lock` guards `waiting`."""

    def __init__(
        self,
        decoder: Decoder,
        slots: SlotTable,
        prefixes: PrefixCache,
        *,
        max_batch: int,
        kv_budget: int,
        token_bytes: int,
        ragged: bool,
    ) -> None:
        self.decoder = decoder
        self.slots = slots
        self.prefixes = prefixes
        self.max_batch = max_batch
        self.kv_budget = kv_budget
        self.token_bytes = token_bytes
        self.ragged = ragged
        self.lock = threading.Lock()
        self.waiting: deque[Waiting] = deque()
        self.dropping = False
        """Whether all that waits and runs is to be cancelled."""
        self.generated = 0
        """Tokens of replies so far."""
        self.read = 0
        """Tokens of prompts read so far."""
        self.batch_size = 0
        """Rows of the latest pass."""
        self._batches: dict[str, _Batch] = {}
        self._reading: list[Row] = []  # rows of one batch whose prompts are too long for one pass

    @property
    def running(self) -> int:
        """Rows that have joined."""
        return sum(len(batch.rows.members) for batch in list(self._batches.values()))

    @property
    def busy(self) -> bool:
        """Whether a turn would do anything."""
        return bool(self.waiting or self.running)

    def kv_bytes(self) -> int:
        """Bytes of the running rows' keys and values."""
        return sum(batch.rows.bytes_with([]) for batch in list(self._batches.values()))

    def adapters(self) -> set[str]:
        """Digests of the adapters that waiting and running rows need."""
        with self.lock:
            waiting = {one.adapter.digest for one in self.waiting if one.adapter is not None}
        return waiting | {name for name, batch in list(self._batches.items()) if batch.adapter}

    def check_fits(self, row: Row) -> None:
        """Raise MethodError for a row that would not fit even alone."""
        needed = self._new_rows().bytes_with([row])
        if needed > self.kv_budget:
            raise MethodError(
                f"A prompt of {len(row.prompt)} tokens and a reply of up to {row.most} need "
                f"{needed:,} bytes of keys and values, but the engine has {self.kv_budget:,}; ask "
                "for fewer tokens, or start the engine with a larger kv_budget."
            )

    def turn(self) -> None:
        """One turn of the loop."""
        self._let_go()
        if not self._reading:
            self._admit()
        if self._reading:
            self._guarded(self._batch_of(self._reading[0]), self._read_prompts)
        for batch in list(self._batches.values()):
            if any(row.reply for row in batch.rows.members):
                self._guarded(batch, self._write)

    # rows leave

    def _let_go(self) -> None:
        """Cancel what nobody wants any more."""
        with self.lock:
            gone = [one for one in self.waiting if self.dropping or one.row.ticket.cancelled]
            for one in gone:
                self.waiting.remove(one)
        for one in gone:
            one.row.ticket.put(Piece(-1, "", finish="cancelled"))
        for batch in list(self._batches.values()):
            for row in list(batch.rows.members):
                if self.dropping or row.ticket.cancelled:
                    self._end(batch, row, Piece(-1, "", finish="cancelled"))

    def cancel(self, those: Callable[[Request], bool]) -> int:
        """End those of what waits and runs, between two turns; how many rows."""
        with self.lock:
            rows = [one.row for one in self.waiting]
        rows += [row for batch in self._batches.values() for row in batch.rows.members]
        found = [row for row in rows if those(row.ticket.request)]
        for row in found:
            row.ticket.cancel()
        self._let_go()
        return len(found)

    def forget(self) -> None:
        """Overwrite what is kept of personas and chats that no row is about any more."""
        self.slots.clear()
        self.prefixes.clear()
        for batch in self._batches.values():
            batch.rows.clear_unused()

    def _end(self, batch: _Batch, row: Row, last: Piece | Exception) -> None:
        """The row leaves; what it has read is kept for the next turn of its chat."""
        if row in self._reading:
            self._reading.remove(row)
        failed = isinstance(last, Exception)
        if not failed and row.continues:
            self._keep(batch, row, block_keys([*row.prompt, *row.reply], row.first_key, row.read))
        batch.rows.leave(row, damaged=failed)
        self.slots.release(row.slot)
        if not batch.rows.members and batch.adapter is not None:
            del self._batches[batch.adapter.digest]
        row.ticket.put(last)

    def _guarded(self, batch: _Batch, work: Callable[[_Batch], None]) -> None:
        """Do a batch's work; what nobody foresaw ends its rows, not the engine."""
        try:
            with batch.on():
                work(batch)
        except Exception as error:
            log.exception("A pass over %d rows failed.", len(batch.rows.members))
            self._give_up(batch, error)

    def _give_up(self, batch: _Batch, error: Exception) -> None:
        """End a batch's rows with the error, and let go of its keys and values."""
        self._batches = {name: one for name, one in self._batches.items() if one is not batch}
        for row in batch.rows.members:
            if row in self._reading:
                self._reading.remove(row)
            self.slots.release(row.slot)
            row.ticket.put(error)

    def fail(self, error: Exception) -> None:
        """End everything with the error: where a turn failed outside of a pass."""
        for batch in list(self._batches.values()):
            self._give_up(batch, error)
        with self.lock:
            waiting, self.waiting = list(self.waiting), deque()
        for one in waiting:
            if one.row.place < 0:  # else it was in a batch, and knows
                one.row.ticket.put(error)

    # rows join

    def _admit(self) -> None:
        """Let the first that waits join, and those that can be read beside it."""
        with self.lock:
            waiting = list(self.waiting)
        if not waiting or self.running >= self.max_batch:
            return
        key = "" if waiting[0].adapter is None else waiting[0].adapter.digest
        rows = self._batches[key].rows if key in self._batches else self._new_rows()
        others = sum(b.rows.bytes_with([]) for name, b in self._batches.items() if name != key)
        chosen: list[Waiting] = []
        coming: set[bytes] = set()  # blocks that this pass will read
        for one in waiting:
            if (one.adapter.digest if one.adapter else "") != key:
                continue
            if not self._goes_along(one, chosen, coming):
                continue
            if others + rows.bytes_with([w.row for w in [*chosen, one]]) > self.kv_budget:
                if not chosen:
                    self._free_unused(key)
                    return
                continue
            chosen.append(one)
            coming.update(one.row.keys)
            if self.running + len(chosen) >= self.max_batch:
                break
        batch = self._batches.setdefault(key, _Batch(rows, waiting[0].adapter))
        for one in chosen:
            self._join(batch, one)
            with self.lock:
                self.waiting.remove(one)
        self._reading = [one.row for one in chosen]

    def _goes_along(self, one: Waiting, chosen: Sequence[Waiting], coming: set[bytes]) -> bool:
        """Whether a prompt can be read in the same pass as those chosen before it."""
        if not chosen:
            return True
        first, unread = self._unread(chosen[0].row), self._unread(one.row)
        if not first <= UNLIKE * unread <= UNLIKE**2 * first:
            return False
        if max(first, unread) * (len(chosen) + 1) > READ_TOKENS:
            return False
        # what another prompt of this pass is reading will be there in the next one
        missing = next((key for key in one.row.keys if key not in self.prefixes), None)
        return missing not in coming

    def _unread(self, row: Row) -> int:
        known = len(self.prefixes.find(row.keys))
        return len(row.prompt) - known * BLOCK

    def _join(self, batch: _Batch, one: Waiting) -> None:
        row = one.row
        known = self.prefixes.find(row.keys)
        batch.rows.join(row, known)
        if one.key:
            row.slot = self.slots.hold(one.key, one.steps)
        self.prefixes.hits += row.read
        self.prefixes.misses += len(row.keys) * BLOCK - row.read
        row.ticket.usage = row.ticket.usage.after(cached_tokens=row.read)

    def _free_unused(self, key: str) -> None:
        """Give up pools that nobody is in, for somebody who waits for their room."""
        for name, batch in list(self._batches.items()):
            if name != key and not batch.rows.members:
                del self._batches[name]

    # passes

    def _read_prompts(self, batch: _Batch) -> None:
        rows = self._reading
        width = max(READ_TOKENS // len(rows), 1)
        before = sum(row.unread for row in rows)
        logits = batch.rows.read_prompts(rows, width)
        self.read += before - sum(row.unread for row in rows)
        self.batch_size = len(rows)
        done = [place for place, row in enumerate(rows) if not row.unread]
        finished = [rows[place] for place in done]
        self._reading = [row for row in rows if row.unread]
        if finished:
            self._hand_out(batch, finished, logits[done] if self._reading else logits)

    def _write(self, batch: _Batch) -> None:
        rows = [row for row in batch.rows.members if row.reply]
        logits = batch.rows.read_next()
        self.batch_size = len(rows)
        self._hand_out(batch, rows, logits)

    def _hand_out(self, batch: _Batch, rows: Sequence[Row], logits: torch.Tensor) -> None:
        """The next token of each row, to whoever waits for it."""
        tokens, finite = choose(
            logits, [row.ticket.request for row in rows], [row.generator for row in rows]
        )
        for place, row in enumerate(rows):
            asked = row.ticket.request
            if not finite[place]:
                self._end(batch, row, not_finite(asked.persona))
            elif tokens[place] < 0:
                self._end(batch, row, _not_drawn(asked))
            else:
                self._give(
                    batch, row, tokens[place], None if asked.logprobs is None else logits[place]
                )

    def _give(self, batch: _Batch, row: Row, token: int, logits: torch.Tensor | None) -> None:
        """One token becomes a piece of its reply, perhaps the last; what fails ends this row."""
        if not row.reply:
            self._keep(batch, row, row.keys)
        try:
            piece = self._piece(row, token, logits)
        except Exception as error:
            log.exception("A token could not be made a piece of its reply.")
            self._end(batch, row, error)
            return
        if piece.finish is None:
            row.ticket.put(piece)
        else:
            self._end(batch, row, piece)

    def _piece(self, row: Row, token: int, logits: torch.Tensor | None) -> Piece:
        """The piece of one more token, which the row then has.

        logits: (vocabulary,), where log-probabilities are wanted.
        """
        wanted = row.ticket.request.logprobs
        scored: tuple[float | None, tuple[tuple[int, float], ...]] = (None, ())
        if wanted is not None and logits is not None:
            scored = logprobs_of(logits, token, wanted)
        finish: Finish | None = None
        if token in self.decoder.end_ids:
            finish, text = "stop", row.text.close()
        else:
            row.reply.append(token)
            self.generated += 1
            text = row.text.push(token)
            if row.text.stopped:
                finish = "stop"
            elif len(row.reply) == row.most:
                text += row.text.close()
                finish = "stop" if row.text.stopped else "length"
        row.ticket.usage = row.ticket.usage.after(completion_tokens=len(row.reply))
        return Piece(token, text, *scored, finish)

    def _keep(self, batch: _Batch, row: Row, keys: Sequence[bytes]) -> None:
        """Keep the whole blocks of what a row has read."""
        if not self.prefixes.budget:
            return
        for number, key in enumerate(keys):
            if key not in self.prefixes:
                segment = batch.rows.copy_out(row, number * BLOCK, (number + 1) * BLOCK)
                if segment is None:
                    return
                self.prefixes.keep(key, segment)

    def _new_rows(self) -> Rows:
        if self.ragged:
            return RaggedRows(self.decoder, self.slots, self.token_bytes, self.max_batch)
        return SoloRows(self.decoder, self.slots, self.token_bytes)

    def _batch_of(self, row: Row) -> _Batch:
        return next(batch for batch in self._batches.values() if row in batch.rows.members)


def _not_drawn(asked: Request) -> MethodError:
    return MethodError(
        f"No token could be drawn with temperature {asked.temperature}, top_p {asked.top_p} and "
        f"top_k {asked.top_k}; choose values nearer to 1, 1 and 0."
    )
