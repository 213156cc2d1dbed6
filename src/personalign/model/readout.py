"""Logits where they are needed, and label log-probabilities from them.

A vocabulary of 128,000 makes the logits of a whole batch larger than the model. `logits_at` lets
the output layer see only the positions that are read, in every family alike, by narrowing its
input in a hook. `Reads` says which token's log-probability at which position counts towards which
label of which item; a label of several tokens has several reads, and their sum is its score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import ModelError

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder


@dataclass(frozen=True, eq=False)
class Reads:
    """Which tokens are read at which of the positions whose logits are computed."""

    place: torch.Tensor
    """(reads,) int64, which of the positions."""
    token: torch.Tensor
    """(reads,) int64, the token whose log-probability is wanted there."""
    slot: torch.Tensor
    """(reads,) int64, the (item, label) it counts towards: item * labels + label."""
    slots: int
    """How many (item, label) pairs there are."""

    def to(self, device: torch.device) -> Reads:
        """The same reads on a device."""
        return Reads(self.place.to(device), self.token.to(device), self.slot.to(device), self.slots)

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-probability of every (item, label), float32 (rows, slots); NaN if logits overflow.

        logits: (rows, positions, vocabulary).
        """
        logits = logits.float()
        total = logits.logsumexp(-1)  # (rows, positions); not finite if any logit is inf or NaN
        total = torch.where(total.isfinite(), total, torch.nan)
        found = logits[:, self.place, self.token] - total[:, self.place]
        return found.new_zeros(len(logits), self.slots).index_add_(1, self.slot, found)


def logits_at(
    decoder: Decoder, rows: torch.Tensor, positions: torch.Tensor, **inputs: Any
) -> torch.Tensor:
    """One forward pass, with logits at the pairs (rows[i], positions[i]) only.

    rows, positions: (n,) int64 on the decoder's device. inputs: what the model's forward takes.
    Returns (n, vocabulary) in the model's dtype. Raises ModelError where the model has no output
    layer of its own.
    """
    return logits_and_cache(decoder, rows, positions, **inputs)[0]


def logits_and_cache(
    decoder: Decoder, rows: torch.Tensor, positions: torch.Tensor, **inputs: Any
) -> tuple[torch.Tensor, Any]:
    """As `logits_at`, with the keys and values the pass kept."""
    head = decoder.model.get_output_embeddings()
    if head is None:
        raise ModelError(f"{decoder.name} has no output layer over the vocabulary to read from.")

    def narrow(_module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]  # (rows, time, hidden)
        return (hidden[rows.to(hidden.device), positions.to(hidden.device)][None], *args[1:])

    handle = head.register_forward_pre_hook(narrow)
    try:
        outputs = decoder.model(**inputs, return_dict=True)
    finally:
        handle.remove()
    logits = outputs.logits
    assert logits.shape[:2] == (1, len(rows)), "the output layer was not called once, as a module"
    return logits[0], outputs.past_key_values
