"""Baking: a persona's constant push as biases of the model's own class.

A push v of the heads' outputs, the same at every position, equals a bias W_o v on the attention
output projection. A push u of the residual stream at layer l equals a bias u on whatever layer
l - 1 writes last. `bake` builds a model of a stock class that has these biases and shares every
other weight with the decoder's, so it costs no memory to speak of.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import ExportError
from personalign.model.adapter_files import adapter_config
from personalign.model.adapters import VIRTUAL, apply_adapter
from personalign.model.export.merge import merged_weights, plain_name
from personalign.model.heads import Slot, bias_slot, families_with_slot, projection_bias
from personalign.model.residual import Stream
from personalign.model.steer import row_displacements

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

LAST_WRITERS = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out")
"""What families call the projection with which a layer's MLP writes into the residual stream."""

_MLP_BIAS_FAMILIES = frozenset({"llama", "granite", "smollm3"})
"""Families whose config flag `mlp_bias` gives that projection a bias."""

_LLAMA_FIELDS = """vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads
num_key_value_heads head_dim hidden_act max_position_embeddings initializer_range rms_norm_eps
use_cache pad_token_id bos_token_id eos_token_id tie_word_embeddings rope_parameters
attention_dropout""".split()
"""What a config of another family says in Llama's own words."""


@dataclass(frozen=True)
class Baked:
    """A model that is the persona without any hook."""

    model: Any
    """A transformers model of a stock class; its weights are the decoder's own, biases apart."""
    slot: Slot | None
    """Where the heads' push went (see `heads.bias_slot`), or None where no head is pushed."""
    biases: tuple[str, ...]
    """Names of the tensors the push was added to, in the order of a forward pass."""

    @property
    def holds(self) -> str:
        """Where the push is, in words."""
        if not self.biases:
            return "nothing is pushed"
        return f"{len(self.biases)} biases of {type(self.model).__name__}"


def bake(decoder: Decoder, persona: Persona) -> Baked:
    """The persona as a model of a stock class.

    persona: of scope 'all'; its system prompt is no part of the weights. A LoRA adapter is merged.
    Raises ExportError for a quantised model, an architecture or a push without a place, the scope
    'generated', and an adapter that is no change of weights.
    """
    check_bakeable(decoder, persona)
    with torch.inference_mode(False), torch.no_grad():
        with apply_adapter(decoder, persona.adapter):
            added = _biases(decoder, persona)
            weights = merged_weights(decoder, persona)
        return _built(decoder, added, weights)


def check_bakeable(decoder: Decoder, persona: Persona) -> None:
    """Raise ExportError for what no bias can express."""
    if decoder.quantize is not None or getattr(decoder.model.config, "quantization_config", None):
        raise ExportError(
            f"{decoder.name} is quantised, and a baked persona is written in the precision of the "
            "weights it is added to. Align the person on the model it was quantised from, export "
            "that persona, and let the engine quantise the export."
        )
    if persona.steers and persona.scope == "generated":
        raise ExportError(
            "The persona pushes generated positions only, and a bias acts at every position, so it "
            "cannot be baked exactly. --everywhere (everywhere=True) bakes the same push at all "
            "positions: another persona, which reads its prompt differently; measure it before "
            "you use it."
        )
    if persona.adapter is not None and adapter_config(persona.adapter)["peft_type"] in VIRTUAL:
        raise ExportError(
            f"The adapter {persona.adapter} puts virtual tokens before the chat; it changes no "
            "weight, so it cannot be baked. Serve it with `personalign serve` instead."
        )


def _biases(decoder: Decoder, persona: Persona) -> dict[str, torch.Tensor]:
    """Name of each bias -> what is added to it, (hidden,) float32."""
    heads = decoder.heads
    added: dict[str, torch.Tensor] = {}
    for site, rows in row_displacements(decoder, [persona]).items():
        if isinstance(site, Stream):
            name, step = _stream_bias(decoder, site, rows[0])
        else:
            projection = heads.projections[site]
            name, step = plain_name(heads.paths[site]), projection_bias(projection, rows[0])
        name += ".bias"
        added[name] = added.get(name, 0) + step
    return added


def _stream_bias(decoder: Decoder, site: Stream, step: torch.Tensor) -> tuple[str, torch.Tensor]:
    """Which projection writes into the stream last before the site, and the bias that moves it."""
    if site.layer == 0:
        raise ExportError(
            f"The persona pushes {site}, which receives the embeddings; no projection writes there "
            "that could carry a bias. Push another layer, or serve it with `personalign serve`."
        )
    model, heads = decoder.model, decoder.heads
    names = {id(module): name for name, module in model.named_modules()}
    before = heads.blocks[site.layer - 1]
    family = model.config.get_text_config(decoder=True).model_type
    for name, module in before.named_modules():
        last = name.rsplit(".", 1)[-1]
        if last not in LAST_WRITERS or module is heads.projections[site.layer - 1]:
            continue
        if getattr(module, "bias", None) is None and not _mlp_flag(decoder):
            continue
        scale = float(getattr(model.config, "residual_multiplier", 1.0))  # granite's
        return plain_name(f"{names[id(before)]}.{name}"), step / scale
    if family in ("cohere", "cohere2"):  # attention and MLP write side by side
        return plain_name(heads.paths[site.layer - 1]), step
    raise ExportError(
        f"The persona pushes {site}, and the layers of {family} have no bias where they write into "
        "the stream. Families that do, or whose config adds one: bloom, cohere, cohere2, "
        "gpt2, gpt_neox, gptj, granite, llama, mistral without a sliding window, opt, phi, qwen2, "
        "smollm3, starcoder2. Serve it with `personalign serve` instead."
    )


def _mlp_flag(decoder: Decoder) -> bool:
    family = decoder.model.config.get_text_config(decoder=True).model_type
    return family in _MLP_BIAS_FAMILIES or bias_slot(decoder.model) == "as llama"


def _built(
    decoder: Decoder, added: dict[str, torch.Tensor], weights: dict[str, torch.Tensor]
) -> Baked:
    """A model of the class that has all those biases, filled."""
    model = decoder.model
    attention = {f"{path}.bias" for path in decoder.heads.paths}
    in_attention, in_mlp = bool(attention & set(added)), bool(set(added) - attention)
    slot = bias_slot(model) if in_attention else None
    if slot == "none":
        family = model.config.get_text_config(decoder=True).model_type
        raise ExportError(
            f"{type(model).__name__} ({family}) has no bias on its attention output projection and "
            "no setting that adds one, so the persona cannot be baked into it. Architectures that "
            f"can hold one: {families_with_slot()}. Serve it with `personalign serve` instead."
        )
    as_llama = slot == "as llama" or (in_mlp and bias_slot(model) == "as llama")
    config = _as_llama(model.config) if as_llama else copy.deepcopy(model.config)
    text = config.get_text_config(decoder=True)
    if slot == "attention_bias" or as_llama:
        text.attention_bias = True
    if in_mlp and text.model_type in _MLP_BIAS_FAMILIES:
        text.mlp_bias = True
    if not _tied(model, weights):
        config.tie_word_embeddings = text.tie_word_embeddings = False
    kind = _llama() if as_llama else type(model)
    with torch.device("meta"):
        baked = kind(config)
    state = dict(weights)
    for name, wanted in baked.state_dict().items():
        if name not in state:
            assert name.endswith(".bias"), f"{name} of {kind.__name__} is not in {type(model)}"
            state[name] = torch.zeros(wanted.shape, dtype=decoder.dtype, device=decoder.device)
    for name, step in added.items():
        old = state[name]
        state[name] = (old.float() + step.to(old.device)).to(old.dtype)
    baked.load_state_dict(state, strict=True, assign=True)
    baked.tie_weights()
    return Baked(baked.eval(), slot, tuple(added))


def _tied(model: Any, weights: dict[str, torch.Tensor]) -> bool:
    """Whether the two embeddings are one tensor; an adapter may have trained them apart."""
    names = {id(module): name for name, module in model.named_modules()}
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    read, written = (weights[f"{names[id(end)]}.weight"] for end in ends)
    return read.data_ptr() == written.data_ptr()


def _llama() -> Any:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM


def _as_llama(config: Any) -> Any:
    """The Llama config of a model whose mathematics is Llama's."""
    from transformers import LlamaConfig

    fields = {name: getattr(config, name) for name in _LLAMA_FIELDS if hasattr(config, name)}
    return LlamaConfig(**copy.deepcopy(fields))
