"""A decoder to train on, made of another one's weights: what is done to it, the other never sees.

Training libraries wrap layers, replace `forward`, set flags in configs and leave hooks behind.
`twin` copies the module tree and shares every parameter and buffer, so that costs a few objects
and no weights, and there is nothing to undo: the twin is thrown away. Only `requires_grad` sits on
the shared parameters themselves, and is put back. Base weights must stay frozen in between.

4-bit weights on a CPU need care: bitsandbytes repacks them in the first pass without gradients, for
kernels that have no backward, and gradients through them are then silently zero. A twin's weights
are unpacked and stay so; the other decoder packs them again, to the same bits, when it next runs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import torch

from personalign.model.decoder import Decoder
from personalign.model.four_bit_cpu import PACKS

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def twin(decoder: Decoder) -> Iterator[Decoder]:
    """Another decoder over the same weights, all of them frozen inside the block.

    >>> from personalign.model.fake import fake_decoder
    >>> decoder = fake_decoder()
    >>> with twin(decoder) as other:
    ...     weights = zip(decoder.model.parameters(), other.model.parameters(), strict=True)
    ...     other.model is decoder.model, all(ours is theirs for ours, theirs in weights)
    (False, True)
    """
    _unpack(decoder)
    shared: list[object] = list(chain(decoder.model.parameters(), decoder.model.buffers()))
    shared += _quantisation_states(decoder.model)
    trained = [(tensor, tensor.requires_grad) for tensor in decoder.model.parameters()]
    model = copy.deepcopy(decoder.model, {id(one): one for one in shared})
    for module in model.modules():
        if hasattr(module, PACKS):
            setattr(module, PACKS, False)
    try:
        for tensor, _ in trained:
            tensor.requires_grad_(False)
        yield Decoder(model, copy.deepcopy(decoder.tokenizer), decoder.name)
    finally:
        for tensor, was in trained:
            tensor.requires_grad_(was)


def _unpack(decoder: Decoder) -> None:
    """Bring 4-bit weights into the form that has gradients.

    Packing rounds their scales once, so they are packed first: a decoder that has answered before
    and one that has not then train the same adapter.
    """
    if any(getattr(module, PACKS, False) for module in decoder.model.modules()):
        with torch.no_grad():
            decoder.model(input_ids=torch.tensor([[decoder.pad_id]], device=decoder.device))
        decoder.model.state_dict()


def _quantisation_states(model: nn.Module) -> list[object]:
    """What bitsandbytes keeps beside quantised weights: shared too, for it may be rewritten."""
    states = []
    for tensor in model.parameters():
        states += [getattr(tensor, name, None) for name in ("quant_state", "CB", "SCB")]
    states += [getattr(module, "quant_state", None) for module in model.modules()]
    return [state for state in states if state is not None]
