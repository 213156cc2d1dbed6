"""Reading heads while a decoder runs: each head's output at the last real position of every row.

`capture_heads` is the context manager; `head_outputs` runs many token sequences through it in
batches, padded to one length, and gives X of the paper's section 3.2, (sequences, layers, heads,
head_dim), in float32. `capture_stream` and `stream_outputs` do the same for the residual stream at
each layer's input, (sequences, layers, hidden).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import ModelError
from personalign.model.batch import Side, model_inputs

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

BATCH_ROWS = 64
"""Rows a batch of `head_outputs`: near the best on two cores, and small enough for a GPU."""


class Recorder:
    """What `capture_heads` or `capture_stream` reads; holds the last forward pass only."""

    def __init__(self, layers: int, *shape: int) -> None:
        self.positions: torch.Tensor | None = None
        """(rows,) index of the position to read in each row; None reads the last column."""
        self._shape = shape
        self._read: list[torch.Tensor | None] = [None] * layers

    @property
    def last(self) -> torch.Tensor:
        """The last pass: (layers, rows, heads, head_dim), or (layers, rows, hidden), float32."""
        assert all(layer is not None for layer in self._read), "no forward pass ran in the block"
        device = self._read[0].device  # type: ignore[union-attr]
        return torch.stack([layer.to(device) for layer in self._read if layer is not None])

    def _hook(self, layer: int) -> Any:
        def read(_module: torch.nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            given = args[0] if args else named["hidden_states"]
            outputs = given.detach()  # (rows, time, width)
            if self.positions is None:
                rows = outputs[:, -1]
            else:
                index = self.positions.to(outputs.device)
                rows = outputs[torch.arange(len(outputs), device=outputs.device), index]
            self._read[layer] = rows.float().reshape(len(rows), *self._shape)

        return read


@contextmanager
def capture_heads(decoder: Decoder, *, positions: torch.Tensor | None = None) -> Iterator[Recorder]:
    """Read the heads' outputs in every forward pass inside the block.

    positions: (rows,) index of the position to read in each row, e.g. the last real token of a
        batch padded on the right; None reads the last column. May be changed on the recorder.
    Inside `steer_heads` the reading includes what the outer block adds. The hooks go when the
    block ends, however it ends.
    """
    heads = decoder.heads
    recorder = Recorder(heads.layers, heads.heads, heads.head_dim)
    with _recording(recorder, heads.projections, positions):
        yield recorder


@contextmanager
def capture_stream(
    decoder: Decoder, *, positions: torch.Tensor | None = None
) -> Iterator[Recorder]:
    """Read the residual stream at every layer's input; else as `capture_heads`."""
    recorder = Recorder(decoder.heads.layers, decoder.heads.hidden)
    with _recording(recorder, decoder.heads.blocks, positions):
        yield recorder


@contextmanager
def _recording(
    recorder: Recorder, modules: Sequence[torch.nn.Module], positions: torch.Tensor | None
) -> Iterator[None]:
    recorder.positions = positions
    hooks = []
    try:
        for layer, module in enumerate(modules):
            hook = recorder._hook(layer)
            hooks.append(module.register_forward_pre_hook(hook, with_kwargs=True))
        yield
    finally:
        for handle in hooks:
            handle.remove()


def head_outputs(
    decoder: Decoder,
    sequences: Sequence[Sequence[int]],
    *,
    batch_rows: int = BATCH_ROWS,
    padding: Side = "right",
    progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Every head's output at the last token of every sequence.

    sequences: token ids, of any lengths. batch_rows: rows a forward pass, sequences of similar
    length together. padding: on which side the shorter ones are filled up; the result is the same.
    progress: called with (sequences done, sequences) after each batch.
    Returns (sequences, layers, heads, head_dim) float32 on the CPU, in the order given.
    Raises ModelError for an empty sequence.
    """
    heads = decoder.heads
    outputs = torch.empty(len(sequences), heads.layers, heads.heads, heads.head_dim)
    return _read_all(decoder, sequences, capture_heads, outputs, batch_rows, padding, progress)


def stream_outputs(
    decoder: Decoder,
    sequences: Sequence[Sequence[int]],
    *,
    batch_rows: int = BATCH_ROWS,
    padding: Side = "right",
    progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """The residual stream at every layer's input, at the last token of every sequence.

    Returns (sequences, layers, hidden) float32 on the CPU; else as `head_outputs`.
    """
    outputs = torch.empty(len(sequences), decoder.heads.layers, decoder.heads.hidden)
    return _read_all(decoder, sequences, capture_stream, outputs, batch_rows, padding, progress)


def _read_all(
    decoder: Decoder,
    sequences: Sequence[Sequence[int]],
    capture: Any,
    outputs: torch.Tensor,
    batch_rows: int,
    padding: Side,
    progress: Callable[[int, int], None] | None,
) -> torch.Tensor:
    """Fill `outputs` (sequences, layers, ...) with what `capture` reads, batch by batch."""
    empty = next((index for index, ids in enumerate(sequences) if not len(ids)), None)
    if empty is not None:
        raise ModelError(f"Sequence {empty} has no tokens; there is no position to read.")
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    for start in range(0, len(order), batch_rows):
        chosen = order[start : start + batch_rows]
        batch = [sequences[index] for index in chosen]
        last = None  # the last column
        if padding == "right":
            last = torch.tensor([len(row) - 1 for row in batch])
        with torch.inference_mode(), capture(decoder, positions=last) as recorder:
            decoder.body(**model_inputs(decoder, batch, side=padding), use_cache=False)
        outputs[chosen] = recorder.last.transpose(0, 1).cpu()
        if progress is not None:
            progress(start + len(chosen), len(sequences))
    return outputs
