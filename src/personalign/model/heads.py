"""Where a decoder's attention heads are: the input of each layer's output projection.

Beside them the layers themselves, whose input is the residual stream.

The heads of one layer, side by side, are the input of the projection that mixes them back into
the residual stream. That input, [batch, time, heads * head_dim], is where Personalign reads and
shifts heads, in every family alike. `find_heads` finds the projections from structure alone: the
ModuleList as long as the text config says, the innermost attention module of each layer, and its
projection, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from personalign.errors import ModelError

PROJECTION_NAMES = ("o_proj", "out_proj", "c_proj", "dense")
"""What families call the attention output projection, in the order they are looked for."""

Slot = Literal["own bias", "attention_bias", "as llama", "none"]
"""How a constant shift can be baked in: see `bias_slot`."""

_ATTENTION_BIAS_FAMILIES = frozenset(
    """llama llama4_text qwen3 qwen3_moe gemma gemma2 gemma3_text olmo olmo2 gpt_oss smollm3
    granite cohere cohere2 deepseek_v3""".split()
)
_OWN_BIAS_FAMILIES = frozenset("gpt2 gpt_neox opt phi bloom starcoder2".split())
"""For messages only: whether a bias is there is seen in the model."""
_LLAMA_SHAPED_FAMILIES = frozenset({"qwen2", "mistral"})


@dataclass(frozen=True, eq=False)
class HeadMap:
    """The attention output projections of a decoder, one a layer, and the shape of their input."""

    paths: tuple[str, ...]
    """Module path of each layer's projection, e.g. 'model.layers.0.self_attn.o_proj'."""
    projections: tuple[nn.Module, ...]
    """The projections themselves; each takes an input of width heads * head_dim."""
    heads: int
    """Attention (query) heads a layer."""
    head_dim: int
    """Width of one head's output; not always the config's `head_dim`."""
    blocks: tuple[nn.Module, ...]
    """The decoder's layers; each takes the residual stream, [batch, time, hidden]."""
    hidden: int
    """Width of the residual stream."""

    @property
    def layers(self) -> int:
        """How many layers the decoder has."""
        return len(self.paths)

    @property
    def width(self) -> int:
        """heads * head_dim, the width of a projection's input."""
        return self.heads * self.head_dim

    @property
    def total(self) -> int:
        """All heads of the decoder: layers * heads."""
        return self.layers * self.heads


def find_heads(model: nn.Module) -> HeadMap:
    """Find the attention output projection of every layer of a causal decoder.

    model: a transformers causal decoder; a multimodal one is read through its text config.
    Raises ModelError when there is no such projection in some layer, or the layers differ in shape.

    >>> from personalign.model.fake import fake_decoder
    >>> find_heads(fake_decoder("gpt2").model).paths[0]
    'transformer.h.0.attn.c_proj'
    """
    config = text_config(model)
    layers, heads = _count(config, "num_hidden_layers"), _count(config, "num_attention_heads")
    if layers is None or heads is None:
        raise ModelError(
            f"The config of {type(model).__name__} does not say how many layers and attention "
            "heads it has (num_hidden_layers, num_attention_heads); Personalign needs a causal "
            "decoder with attention heads."
        )
    reasons: list[str] = []
    for path, stack in _layer_stacks(model, layers):
        found = _projections(path, stack, reasons)
        if found is None:
            continue
        widths = {input_width(projection) for _, projection in found}
        if len(widths) > 1:
            reasons.append(f"its layers' heads have different widths ({sorted(widths)})")
            continue
        width = widths.pop()
        if width % heads:
            reasons.append(f"a projection {width} wide cannot be split over {heads} heads")
            continue
        paths, projections = zip(*found, strict=True)
        return HeadMap(
            tuple(paths),
            tuple(projections),
            heads,
            width // heads,
            blocks=tuple(stack),
            hidden=_count(config, "hidden_size") or 0,
        )
    detail = reasons[0] if reasons else f"no list of {layers} layers was found in it"
    raise ModelError(
        f"The attention heads of {type(model).__name__} cannot be found: {detail}. Personalign "
        f"looks in each layer's attention module for one of {', '.join(PROJECTION_NAMES)}."
    )


def projection_bias(projection: nn.Module, shift: torch.Tensor) -> torch.Tensor:
    """The bias W_o v that equals a constant shift v of a projection's input.

    shift: (..., heads * head_dim). Returns float32 (..., hidden) on the projection's device.
    Plain weights are multiplied in float32; anything else (quantised, wrapped by an adapter) is
    asked for o(v) - o(0).
    """
    weight = getattr(projection, "weight", None)
    device = next(projection.parameters()).device
    shift = shift.to(device)
    with torch.no_grad():
        if isinstance(weight, torch.Tensor) and weight.is_floating_point():
            if type(projection).__name__ == "Conv1D":  # GPT-2's, stored (in, out)
                return shift.float() @ weight.float()
            if isinstance(projection, nn.Linear):
                return shift.float() @ weight.float().T
        # forward() rather than a call: a steering hook on the projection must not fire here
        rows = shift.reshape(-1, shift.shape[-1]).to(_compute_dtype(projection))
        moved = projection.forward(rows) - projection.forward(torch.zeros_like(rows))
    return cast(torch.Tensor, moved).float().reshape(*shift.shape[:-1], -1)


def bias_slot(model: nn.Module) -> Slot:
    """How a persona's constant shift could be stored in this model's own file format.

    'own bias': the projection has a bias already. 'attention_bias': the family's config flag adds
    one (each is tested by saving and loading). 'as llama': the weights fit LlamaForCausalLM, which
    has the flag. 'none': no place is known, so the persona has to be hooked in.
    """
    heads = find_heads(model)
    if all(getattr(projection, "bias", None) is not None for projection in heads.projections):
        return "own bias"
    config = text_config(model)
    family = getattr(config, "model_type", "")
    if family in _ATTENTION_BIAS_FAMILIES:
        return "attention_bias"
    if family in _LLAMA_SHAPED_FAMILIES and not _slides(config):
        return "as llama"
    return "none"


def families_with_slot() -> str:
    """The model types a constant shift can be stored in, as a list to read out."""
    own = _OWN_BIAS_FAMILIES | _ATTENTION_BIAS_FAMILIES
    shaped = {"qwen2", "mistral without a sliding window"}
    return ", ".join(sorted(own | shaped))


def text_config(model: nn.Module) -> Any:
    """The config of the text decoder, also where a multimodal config nests it."""
    config = getattr(model, "config", None)
    getter = getattr(config, "get_text_config", None)
    return getter(decoder=True) if getter is not None else config


def input_width(projection: nn.Module) -> int:
    """Input width of a linear layer of any kind: nn.Linear, Conv1D or a quantised one."""
    width = getattr(projection, "in_features", None)
    if width is None:
        width = cast(torch.Tensor, projection.weight).shape[0]
    return int(width)


def _count(config: Any, name: str) -> int | None:
    value = getattr(config, name, None)
    return value if isinstance(value, int) and value > 0 else None


def _layer_stacks(model: nn.Module, layers: int) -> Iterator[tuple[str, nn.ModuleList]]:
    """Every list of `layers` modules; those inside the text decoder first.

    A vision tower may be as deep as the text decoder, so the decoder's own part is preferred.
    """
    stacks = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    ]
    getter = getattr(model, "get_decoder", None)
    inside = set(map(id, getter().modules())) if getter is not None else set()
    yield from sorted(stacks, key=lambda found: id(found[1]) not in inside)


def _projections(
    path: str, stack: nn.ModuleList, reasons: list[str]
) -> list[tuple[str, nn.Module]] | None:
    found = []
    for index, layer in enumerate(stack):
        inner = None
        for name, module in layer.named_modules():  # parents come first, so the last is innermost
            if "Attention" not in type(module).__name__:
                continue
            for attribute in PROJECTION_NAMES:
                projection = getattr(module, attribute, None)
                if isinstance(projection, nn.Module):
                    inner = (".".join(filter(None, (name, attribute))), projection)
                    break
        if inner is None:
            reasons.append(f"layer {index} ({path}) has no attention output projection")
            return None
        found.append((f"{path}.{index}.{inner[0]}", inner[1]))
    return found


def _compute_dtype(projection: nn.Module) -> torch.dtype:
    for tensor in (getattr(projection, "bias", None), getattr(projection, "compute_dtype", None)):
        if isinstance(tensor, torch.dtype):
            return tensor
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


def _slides(config: Any) -> bool:
    """Whether attention is limited to a sliding window, which LlamaForCausalLM does not have."""
    if getattr(config, "use_sliding_window", True) is False:  # qwen2 keeps an unused size
        return False
    return bool(getattr(config, "sliding_window", None))
