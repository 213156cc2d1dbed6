"""Finding heads: what is refused, nested configs, biases, and where a bias can be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM, BertConfig, PreTrainedConfig

from personalign.errors import ModelError
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.heads import bias_slot, find_heads, input_width, projection_bias
from personalign.model.persona import Persona
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift


def test_a_vision_tower_as_deep_as_the_text_decoder_is_not_taken_for_it() -> None:
    decoder = fake_decoder("gemma3", layers=2)
    assert len(decoder.model.model.vision_tower.encoder.layers) == decoder.heads.layers
    assert all("language_model" in path for path in decoder.heads.paths)


def test_head_dim_is_measured_not_read_from_the_config() -> None:
    decoder = fake_decoder("deepseek_v3", v_head_dim=20)
    assert decoder.model.config.head_dim != 20
    assert decoder.heads.head_dim == 20
    assert input_width(decoder.heads.projections[0]) == decoder.heads.width == 80


@pytest.mark.parametrize("tied", [True, False])
def test_tied_weights_make_no_difference(tied: bool) -> None:
    decoder = fake_decoder("llama", tie_word_embeddings=tied)
    assert (decoder.model.lm_head.weight is decoder.model.model.embed_tokens.weight) is tied
    assert decoder.heads.total == 8


class _OddAttention(nn.Module):
    def __init__(self, width: int, name: str = "o_proj") -> None:
        super().__init__()
        setattr(self, name, nn.Linear(width, 16))


class _Odd(nn.Module):
    """A hand-made model: one attention module a layer, of the given widths."""

    def __init__(self, attention: list[nn.Module], heads: Any = 4) -> None:
        super().__init__()
        self.config = PreTrainedConfig()
        self.config.num_hidden_layers, self.config.num_attention_heads = len(attention), heads
        self.layers = nn.ModuleList(attention)


def test_an_attention_nested_in_an_attention_is_found() -> None:
    class OuterAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = _OddAttention(16, "out_proj")
            self.dense = nn.Linear(8, 8)

    assert find_heads(_Odd([OuterAttention()])).paths == ("layers.0.inner.out_proj",)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (_Odd([_OddAttention(16), nn.Linear(16, 16)]), "layer 1 .* no attention output projection"),
        (_Odd([_OddAttention(16), _OddAttention(32)]), "different widths"),
        (_Odd([_OddAttention(18)]), "18 wide cannot be split over 4 heads"),
        (_Odd([_OddAttention(16, "projection")]), "o_proj, out_proj, c_proj, dense"),
        (_Odd([_OddAttention(16)], heads=None), "num_attention_heads"),
        (nn.Linear(2, 2), "num_hidden_layers"),
    ],
)
def test_heads_that_cannot_be_found_are_a_sentence(model: nn.Module, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        find_heads(model)


def test_a_model_without_such_a_list_of_layers_is_refused() -> None:
    model = _Odd([_OddAttention(16)])
    model.config.num_hidden_layers = 7
    with pytest.raises(ModelError, match="no list of 7 layers"):
        find_heads(model)


def test_an_encoder_wrapped_by_hand_has_heads_but_the_finder_says_where() -> None:
    """Refusing encoders is the loader's work; the finder only reports structure."""
    config = BertConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
    )
    with pytest.raises(ModelError, match="attention output projection"):
        find_heads(AutoModelForMaskedLM.from_config(config))


@pytest.mark.parametrize("family", ["llama", "gpt2", "falcon", "gptj"])
def test_a_projection_s_bias_ignores_hooks_and_its_own_bias(family: str) -> None:
    projection = fake_decoder(family).heads.projections[0]
    shift = torch.randn(5, 3, 32, generator=torch.Generator().manual_seed(0))
    expected = projection(shift) - projection(torch.zeros_like(shift))
    hook = projection.register_forward_pre_hook(lambda _, args: (args[0] + 100,))
    try:
        torch.testing.assert_close(
            projection_bias(projection, shift), expected, rtol=1e-4, atol=1e-5
        )
    finally:
        hook.remove()


def test_a_wrapped_projection_is_asked_for_a_difference() -> None:
    class Wrapped(nn.Module):
        def __init__(self, base: nn.Linear) -> None:
            super().__init__()
            self.base = base

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.base(inputs)

    base = nn.Linear(4, 3)
    shift = torch.arange(4.0)
    torch.testing.assert_close(projection_bias(Wrapped(base), shift), base.weight @ shift)


SLOTS = {
    "attention_bias": """llama llama4_text qwen3 qwen3_moe gemma gemma2 gemma3 gemma3_text olmo
        olmo2 smollm3 granite cohere cohere2 deepseek_v3""",
    "as llama": "qwen2",
    "own bias": "gpt2 gpt_neox gpt_oss opt phi bloom starcoder2",
    "none": "phi3 mixtral glm4 mistral gptj",
}


@pytest.mark.parametrize(
    ("slot", "family"), [(slot, f) for slot, names in SLOTS.items() for f in names.split()]
)
def test_where_a_bias_can_be_kept(slot: str, family: str, tmp_path: Path) -> None:
    """A slot that is named keeps a baked shift: set, saved and loaded, it equals the hook."""
    decoder = fake_decoder(family)
    assert bias_slot(decoder.model) == slot
    if slot == "none":
        return
    settings = {} if slot == "own bias" else {"attention_bias": True}
    baked = fake_decoder("llama" if slot == "as llama" else family, **settings)
    absent, extra = baked.model.load_state_dict(decoder.model.state_dict(), strict=False)
    displacements = row_displacements(decoder, [Persona(shift=some_shift(decoder), alpha=2.0)])
    with torch.no_grad():
        for name in absent:
            baked.model.get_parameter(name).zero_()
        for layer, rows in displacements.items():
            projection = baked.heads.projections[layer]
            projection.bias += projection_bias(projection, rows[0])  # type: ignore[operator]
    baked.model.save_pretrained(tmp_path)
    loaded = Decoder.load(tmp_path, tokenizer=decoder.tokenizer, device="cpu")
    sequences = sequences_of(decoder)
    with steer_heads(decoder, displacements):
        hooked = last_logits(decoder, sequences)
    assert not extra
    torch.testing.assert_close(last_logits(loaded, sequences), hooked, rtol=1e-4, atol=1e-5)


def test_a_sliding_window_keeps_mistral_from_passing_as_llama() -> None:
    assert bias_slot(fake_decoder("mistral", sliding_window=None).model) == "as llama"
    assert bias_slot(fake_decoder("mistral", sliding_window=64).model) == "none"
