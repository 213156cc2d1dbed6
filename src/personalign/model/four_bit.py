"""Quantising a decoder's layers to 4 bits where they stand: the base QLoRA trains on.

`Decoder.load(..., quantize="4bit")` reads a checkpoint in 4 bits. Here a model that is in memory
already, from wherever it came, gets 4-bit layers in place of its linear ones: the same format (NF4,
blocks of 64) and the same layers (all but the one over the vocabulary).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from personalign.errors import MissingPackageError
from personalign.model.four_bit_cpu import PACKS, mend_layers

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder


def quantise_layers(decoder: Decoder) -> int:
    """Put a 4-bit layer in place of every linear layer but the one over the vocabulary.

    The old layers' weights are read, not changed. Returns how many layers were replaced.
    Raises MissingPackageError without bitsandbytes.
    """
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit
    except ImportError as error:
        raise MissingPackageError("bitsandbytes", "quantise", "Quantising to 4 bits") from error
    model: Any = decoder.model
    head = model.get_output_embeddings()
    replaced = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is not nn.Linear or child is head:
                continue
            layer = Linear4bit(
                child.in_features,
                child.out_features,
                bias=child.bias is not None,
                compute_dtype=child.weight.dtype,
                compress_statistics=False,
                quant_type="nf4",
                device="meta",
            )
            weight = child.weight.detach().to("cpu", copy=True)
            layer.weight = Params4bit(
                weight,
                requires_grad=False,
                compress_statistics=False,
                quant_type="nf4",
                module=layer,
            )
            if child.bias is not None:
                layer.bias = nn.Parameter(child.bias.detach().clone(), requires_grad=False)
            layer = layer.to(child.weight.device)
            setattr(layer, PACKS, False)
            setattr(module, name, layer)
            replaced += 1
    mend_layers(model)
    model.is_loaded_in_4bit = True  # what PEFT and TRL go by
    return replaced
