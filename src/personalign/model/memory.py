"""How much one forward pass may hold: the stated budget from which batch sizes follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personalign.model.heads import text_config

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

PASS_BYTES = 2 * 2**30
"""Memory of one pass's keys, values and activations. The same on every machine, so that batches,
and with them the last bits of results, are too."""


def tokens_per_pass(decoder: Decoder) -> int:
    """How many tokens, rows times time, one forward pass may hold."""
    return max(1, PASS_BYTES // token_bytes(decoder))


def token_bytes(decoder: Decoder) -> int:
    """What one token holds during a pass: keys and values of all layers, one layer's activations.

    Where a config does not say how wide something is, the usual: as many key heads as heads, an
    inner width of four times the hidden one.
    """
    heads, config = decoder.heads, text_config(decoder.model)
    key_heads = getattr(config, "num_key_value_heads", None) or heads.heads
    inner = getattr(config, "intermediate_size", None) or 4 * heads.hidden
    numbers = 2 * heads.layers * key_heads * heads.head_dim + 4 * heads.hidden + 3 * inner
    return int(numbers * decoder.dtype.itemsize)
