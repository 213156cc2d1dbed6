"""Token sequences of different lengths as one batch: ids, mask, positions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

Side = Literal["left", "right"]
"""Where shorter sequences are filled up. Left is for generating, right for reading."""


def pad(
    sequences: Sequence[Sequence[int]], pad_id: int, *, side: Side
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both (rows, longest) int64; the mask is 1 at real tokens.

    >>> pad([[5], [6, 7]], 0, side="left")[0].tolist()
    [[0, 5], [6, 7]]
    """
    longest = max(map(len, sequences), default=0)
    ids = torch.full((len(sequences), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        start = 0 if side == "right" else longest - len(sequence)
        ids[row, start : start + len(sequence)] = torch.as_tensor(sequence, dtype=torch.long)
        mask[row, start : start + len(sequence)] = 1
    return ids, mask


def model_inputs(
    decoder: Decoder, sequences: Sequence[Sequence[int]], *, side: Side = "right"
) -> dict[str, torch.Tensor]:
    """Keyword arguments of a forward pass over `sequences`, on the decoder's device.

    input_ids and attention_mask, and, where the family takes them, position_ids that count real
    tokens only (0 at the first), so that padding on either side gives the same result.
    """
    ids, mask = pad(sequences, decoder.pad_id, side=side)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "position_ids" in inspect.signature(decoder.body.forward).parameters:
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return {name: tensor.to(decoder.device) for name, tensor in inputs.items()}
