"""An adapter merged: the decoder's weights under their own names, the adapter's change added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from personalign.errors import ExportError

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona


def merged_weights(decoder: Decoder, persona: Persona) -> dict[str, torch.Tensor]:
    """The state of the decoder's model, by name; with its adapter on, the state of the merged one.

    The decoder runs with the persona's adapter already (`apply_adapter`). Weights the adapter does
    not touch are the decoder's own tensors; the others are new ones, of the same dtype.
    Raises ExportError for an adapter that adds no change to any weight, such as prompt tuning.
    """
    if decoder.virtual:
        raise ExportError(
            f"The adapter {persona.adapter} puts virtual tokens before the chat; it changes no "
            "weight, so it cannot be baked. Serve it with `personalign serve` instead."
        )
    changes: dict[str, torch.Tensor] = {}
    inside: list[str] = []  # where PEFT's own tensors lie
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
        changes[f"{name}.weight"] = sum(change(active) for active in module.active_adapters)
    state: dict[str, torch.Tensor] = {}
    for name, tensor in decoder.model.state_dict().items():
        if any(name.startswith(path) for path in inside):
            if ".base_layer." not in name:
                continue
            name = name.replace(".base_layer", "")
        change = changes.get(name)
        state[name] = tensor if change is None else (tensor.float() + change).to(tensor.dtype)
    return state
