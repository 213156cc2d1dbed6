"""4-bit weights on a CPU: what bitsandbytes gets wrong there, put right.

bitsandbytes quantises a matrix as one long row, `blocksize` (64) values to a scale. On a CPU that
can, it packs weights anew in their first pass without gradients, for kernels that are several times
as fast and have no backward pass, and unpacks them whenever a state dict is made. In 0.50:

- Rows that are not whole blocks long make packing fail, and unpacked weights are silently read with
  the scales of other blocks. (The pocket model's rows are 160 long.) Outputs that are no multiple
  of 32 make packing fail. Such layers are left unpacked here, and read as the one row they are.
- Unpacking leaves the scales as they lie for the packed kernels, block after block and not row
  after row, so that a layer of more than one block a row is another one after any state dict, and
  so is whatever is packed from it again. Here they are put in order first.

Neither concerns a GPU.
"""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any

import torch
from torch import nn

PACKS = "support_avx512bf16_for_cpu"
"""Attribute of 4-bit layers: whether they pack themselves on a CPU."""

OUTPUTS = 32
"""Outputs that packed weights hold side by side."""


def mend_layers(model: nn.Module) -> int:
    """Put every 4-bit layer right; the number of those that get a forward of their own.

    A model without 4-bit layers is left as it is. Twins of the model are right as well.
    """
    odd = 0
    for layer in model.modules():
        if not hasattr(layer, PACKS):
            continue
        layer.register_state_dict_pre_hook(_order_scales)
        if not _fits(layer):
            setattr(layer, PACKS, False)
            layer.forward = MethodType(_read_as_one_row, layer)  # a copy's is bound to the copy
            odd += 1
    return odd


def _fits(layer: Any) -> bool:
    state = layer.weight.quant_state
    return layer.in_features % state.blocksize == 0 and layer.out_features % OUTPUTS == 0


def _read_as_one_row(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The layer's forward, for widths its kernels cannot do."""
    from bitsandbytes.functional import dequantize_4bit

    if inputs.device.type != "cpu":
        return type(layer).forward(layer, inputs)  # type: ignore[no-any-return]
    state = layer.weight.quant_state
    row = copy.copy(state)
    row.shape = torch.Size((1, state.shape.numel()))
    weight = dequantize_4bit(layer.weight.data, row).reshape(state.shape)
    kind = layer.compute_dtype or inputs.dtype
    bias = None if layer.bias is None else layer.bias.to(kind)
    return nn.functional.linear(inputs.to(kind), weight.to(kind), bias).to(inputs.dtype)


def _order_scales(layer: Any, *_: object) -> None:
    """Before packed weights are unpacked: (blocks, outputs) scales to one row of them.

    Scales that are quantised themselves are put in order by bitsandbytes.
    """
    state: Any = getattr(layer.weight, "quant_state", None)
    if getattr(state, "packing_format_for_cpu", False) and not state.original_nested:
        state.absmax = state.absmax.T.reshape(-1).float()
