"""An adapter merged: the decoder's weights under their own names, the adapter's change added."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from personalign.errors import ExportError

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

_WRAPPED = re.compile(r"\.(base_layer|modules_to_save\.[^.]+)(?=\.|$)")
"""What PEFT puts into the names of what it wraps or replaces."""


def plain_name(name: str) -> str:
    """A module's or tensor's name in the model without PEFT's wrappers.

    >>> plain_name("layers.0.self_attn.o_proj.base_layer.weight")
    'layers.0.self_attn.o_proj.weight'
    """
    return _WRAPPED.sub("", name)


def merged_weights(decoder: Decoder, persona: Persona) -> dict[str, torch.Tensor]:
    """The state of the decoder's model, by name; with its adapter on, the state of the merged one.

    The decoder runs with the persona's adapter already (`apply_adapter`). Weights the adapter does
    not touch are the decoder's own tensors; the others are new ones, of the same dtype.
    Raises ExportError for an adapter's layer that is no change of a weight.
    """
    changes: dict[str, torch.Tensor] = {}
    inside: list[str] = []  # where PEFT's own tensors lie, beside the base layer's
    for name, module in decoder.model.named_modules():
        if not hasattr(module, "base_layer"):
            continue
        inside.append(name + ".")
        change = getattr(module, "get_delta_weight", None)
        if change is None:
            raise ExportError(
                f"The adapter {persona.adapter} changes {name} in a way that is no change of its "
                f"weight ({type(module).__name__}), so it cannot be baked. LoRA can."
            )
        changes[f"{plain_name(name)}.weight"] = sum(change(name) for name in module.active_adapters)
    state: dict[str, torch.Tensor] = {}
    for name, tensor in decoder.model.state_dict().items():
        replaced = ".original_module." in name
        beside = ".base_layer." not in name and name.startswith(tuple(inside))
        if replaced or beside:
            continue
        change = changes.get(plain_name(name))
        state[plain_name(name)] = (
            tensor if change is None else (tensor.float() + change.float()).to(tensor.dtype)
        )
    return state
