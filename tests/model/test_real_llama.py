"""The same code on weights nobody here trained: answers mean nothing, mechanics must hold."""

from __future__ import annotations

from pathlib import Path

import torch

from personalign.model.capture import head_outputs
from personalign.model.decoder import Decoder
from personalign.model.persona import PLAIN, Persona
from personalign.model.steer import check_finite, row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift


def test_it_is_the_model_it_should_be(real_llama: Decoder) -> None:
    heads = real_llama.heads
    assert (heads.layers, heads.heads, heads.head_dim) == (5, 8, 8)
    assert real_llama.model.config.num_key_value_heads == 4
    assert real_llama.chat.kind == "plain"
    assert (real_llama.end_ids, real_llama.pad_id) == ({2}, 2)
    assert real_llama.render([{"role": "user", "content": "Hi."}]).count(1) == 1


def test_it_tells_a_story(real_llama: Decoder) -> None:
    start = [1, *real_llama.chat.encode("Once upon a time, there was a little")]
    made = real_llama.model.generate(torch.tensor([start]), max_new_tokens=30, do_sample=False)
    assert "girl named Lily. She loved to play" in real_llama.text(made[0].tolist())


def test_it_is_captured_and_steered(real_llama: Decoder) -> None:
    sequences = sequences_of(real_llama)
    close = {"rtol": 1e-4, "atol": 1e-4}
    captured = head_outputs(real_llama, sequences)
    alone = torch.cat([head_outputs(real_llama, [one]) for one in sequences])
    assert captured.shape == (3, 5, 8, 8)
    torch.testing.assert_close(captured, alone, **close)

    plain = last_logits(real_llama, sequences)
    persona = Persona(shift=some_shift(real_llama, k=6), alpha=4.0)
    personas = [persona, PLAIN, persona.with_alpha(-4.0)]
    with steer_heads(real_llama, row_displacements(real_llama, personas)):
        right = last_logits(real_llama, sequences)
        left = last_logits(real_llama, sequences, "left")
    check_finite(right, personas)
    torch.testing.assert_close(right, left, **close)
    assert (right - plain)[[0, 2]].abs().amax(1).min() > 0.1
    torch.testing.assert_close(right[1], plain[1], **close)
    assert torch.equal(last_logits(real_llama, sequences), plain)


def test_its_personas_are_saved_and_loaded(real_llama: Decoder, tmp_path: Path) -> None:
    persona = Persona(
        shift=some_shift(real_llama), alpha=1.0, provenance=dict(real_llama.provenance)
    )
    assert Persona.load(persona.save(tmp_path / "p"), real_llama) == persona
    assert real_llama.fingerprint == real_llama.provenance["fingerprint"]
