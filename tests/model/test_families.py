"""The laws of reading and steering heads, for every architecture family, on two random layers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from personalign.model.capture import capture_heads, head_outputs
from personalign.model.decoder import Decoder
from personalign.model.fake import FAMILIES, fake_decoder
from personalign.model.heads import projection_bias
from personalign.model.persona import PLAIN, Persona
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift

LISTED = """llama mistral qwen2 qwen3 qwen2_moe qwen3_moe gemma gemma2 gemma3 phi3 olmo olmo2
mixtral gpt_oss smollm3 granite cohere glm4 stablelm starcoder2 llama4_text deepseek_v3 gpt2
gpt_neox falcon bloom phi opt gptj""".split()
"""Families that were measured: a hook equals a bias in each."""

PATHS = {
    "gpt2": "transformer.h.1.attn.c_proj",
    "gpt_neox": "gpt_neox.layers.1.attention.dense",
    "falcon": "transformer.h.1.self_attention.dense",
    "bloom": "transformer.h.1.self_attention.dense",
    "phi": "model.layers.1.self_attn.dense",
    "opt": "model.decoder.layers.1.self_attn.out_proj",
    "gptj": "transformer.h.1.attn.out_proj",
    "gemma3": "model.language_model.layers.1.self_attn.o_proj",
}
"""Where the second layer's projection is, in families that do not call it self_attn.o_proj."""

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@cache
def decoder_of(family: str) -> Decoder:
    return fake_decoder(family)


@pytest.fixture(params=FAMILIES)
def decoder(request: pytest.FixtureRequest) -> Decoder:
    return decoder_of(request.param)


def steered(decoder: Decoder, personas: list[Persona], sequences: Any, side: Any = "right") -> Any:
    with steer_heads(decoder, row_displacements(decoder, personas)):
        return last_logits(decoder, sequences, side)


def three(decoder: Decoder) -> list[Persona]:
    """Two different people and the plain model, for the three rows of a batch."""
    shift, other = some_shift(decoder, seed=1), some_shift(decoder, k=2, seed=2)
    return [Persona(shift=shift, alpha=2.0), PLAIN, Persona(shift=other, alpha=-1.0)]


def test_every_listed_family_is_here() -> None:
    assert set(LISTED) <= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_heads_are_found(family: str) -> None:
    decoder = decoder_of(family)
    heads = decoder.heads
    assert heads.paths[1] == PATHS.get(family, "model.layers.1.self_attn.o_proj")
    assert decoder.model.get_submodule(heads.paths[1]) is heads.projections[1]
    expected = 12 if family == "deepseek_v3" else 8  # v_head_dim there, whatever head_dim says
    assert (heads.layers, heads.heads, heads.head_dim) == (2, 4, expected)


def test_alpha_0_is_bit_identical_and_alpha_changes_the_logits(decoder: Decoder) -> None:
    sequences = sequences_of(decoder)
    plain = last_logits(decoder, sequences)
    persona = Persona(shift=some_shift(decoder), alpha=2.0)
    still = steered(decoder, [persona.with_alpha(0.0)] * 3, sequences)
    assert torch.equal(still, plain)
    assert (steered(decoder, [persona] * 3, sequences) - plain).abs().amax(1).min() > 1e-3
    assert torch.equal(last_logits(decoder, sequences), plain), "a hook was left behind"


def test_one_row_s_steering_leaves_the_others_unchanged(decoder: Decoder) -> None:
    sequences, personas = sequences_of(decoder), three(decoder)
    together = steered(decoder, personas, sequences)
    plain = last_logits(decoder, sequences)[1]
    if any("expert" in name for name, _ in decoder.model.named_modules()):
        # experts multiply the tokens of all rows at once, and how many come decides the rounding
        torch.testing.assert_close(together[1], plain, **CLOSE)
    else:
        assert torch.equal(together[1], plain)
    for row in (0, 2):
        others = [persona if index == row else PLAIN for index, persona in enumerate(personas)]
        torch.testing.assert_close(steered(decoder, others, sequences)[row], together[row], **CLOSE)


def test_a_batch_equals_one_by_one_padded_on_either_side(decoder: Decoder) -> None:
    sequences, personas = sequences_of(decoder), three(decoder)
    alone = torch.cat(
        [steered(decoder, [p], [s]) for p, s in zip(personas, sequences, strict=True)]
    )
    torch.testing.assert_close(steered(decoder, personas, sequences), alone, **CLOSE)
    torch.testing.assert_close(steered(decoder, personas, sequences, "left"), alone, **CLOSE)


def test_a_hook_equals_a_bias(decoder: Decoder) -> None:
    """A constant push v of the heads equals a bias W_o v on the projection, on all layers."""
    sequences = sequences_of(decoder)
    displacements = row_displacements(decoder, [Persona(shift=some_shift(decoder, k=5), alpha=3.0)])
    with steer_heads(decoder, displacements):
        hooked = last_logits(decoder, sequences)
    hooks = []
    try:
        for layer, rows in displacements.items():
            projection = decoder.heads.projections[layer]
            bias = projection_bias(projection, rows[0])
            hooks.append(
                projection.register_forward_hook(lambda _module, _args, out, b=bias: out + b)
            )
        biased = last_logits(decoder, sequences)
    finally:
        for hook in hooks:
            hook.remove()
    torch.testing.assert_close(hooked, biased, **CLOSE)


def test_captured_heads_are_the_projections_input(decoder: Decoder) -> None:
    sequences = sequences_of(decoder)
    right = head_outputs(decoder, sequences, batch_rows=2)
    left = head_outputs(decoder, sequences, padding="left")
    alone = torch.cat([head_outputs(decoder, [sequence]) for sequence in sequences])
    heads = decoder.heads
    assert right.shape == (3, heads.layers, heads.heads, heads.head_dim)
    torch.testing.assert_close(right, alone, **CLOSE)
    torch.testing.assert_close(left, alone, **CLOSE)

    seen: list[torch.Tensor] = []
    hook = heads.projections[1].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        last_logits(decoder, sequences[:1])
    finally:
        hook.remove()
    torch.testing.assert_close(alone[0, 1].flatten(), seen[0][0, -1], **CLOSE)


def test_steering_is_seen_by_capture(decoder: Decoder) -> None:
    """What is added to the first layer's heads is what the capture inside the block reads."""
    sequences = sequences_of(decoder)[:1]
    push = torch.linspace(-1, 1, decoder.heads.width)[None]
    with steer_heads(decoder, {0: push}), capture_heads(decoder) as recorder:
        last_logits(decoder, sequences)
    plain = head_outputs(decoder, sequences)
    moved = recorder.last[0, 0] - plain[0, 0]
    torch.testing.assert_close(moved, push.view_as(moved), rtol=1e-4, atol=1e-5)


def test_generating_with_a_cache_equals_the_full_pass(decoder: Decoder) -> None:
    """Greedy tokens under steering: with keys and values cached, and read anew for each token."""
    sequence = sequences_of(decoder)[0]
    persona = Persona(shift=some_shift(decoder), alpha=2.0)
    with steer_heads(decoder, row_displacements(decoder, [persona])):
        made = decoder.model.generate(
            torch.tensor([sequence]),
            attention_mask=torch.ones(1, len(sequence), dtype=torch.long),
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=False,
        )[0].tolist()
        for end in range(len(sequence), len(made)):
            logits = last_logits(decoder, [made[:end]])[0]
            logits[sorted(decoder.end_ids)] = -torch.inf  # as min_new_tokens does
            assert logits.max() - logits[made[end]] < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16(family: str) -> None:
    decoder = fake_decoder(family, dtype=torch.bfloat16)
    sequences, personas = sequences_of(decoder), three(decoder)
    plain = last_logits(decoder, sequences)
    together = steered(decoder, personas, sequences)
    assert decoder.dtype == torch.bfloat16
    assert head_outputs(decoder, sequences).dtype == torch.float32
    assert torch.equal(together[1], plain[1])
    assert (together - plain)[[0, 2]].abs().amax(1).min() > 1e-2
    alone = steered(decoder, personas[:1], sequences[:1])[0]
    torch.testing.assert_close(together[0], alone, rtol=0.1, atol=0.1 * float(alone.std()))
