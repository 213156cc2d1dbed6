"""pas, dials, dpo and qlora on 4-bit weights on a CPU: every layer learns, the model is moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.registry import get_method
from personalign.methods.twin import twin
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.four_bit import quantise_layers
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import last_logits, sequences_of

for package in ("bitsandbytes", "trl"):
    pytest.importorskip(package, reason="the extras 'quantise' and 'train' are not installed")

WIDE = {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16}
"""Blocks of 64 values share a scale in 4-bit weights."""

SETTINGS: dict[str, dict[str, Any]] = {
    "pas": {"heads": 4},
    "dials": {"steps": 3, "dials": 2},
    "dpo": {"steps": 4, "batch": 4, "warmup": 0, "learning_rate": 5e-3},
    "qlora": {"epochs": 1, "rank": 4, "learning_rate": 1e-2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    decoder = fake_decoder("llama", **WIDE)
    folder = tmp_path_factory.mktemp("wide")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def four_bit(folder: Path) -> Decoder:
    return Decoder.load(folder, device="cpu", quantize="4bit")


@pytest.fixture(scope="module")
def people() -> Respondents:
    everybody = simulate(1, seed=5)
    return everybody.only(everybody.inventory.tuning[:24])


@pytest.mark.parametrize("name", SETTINGS)
def test_a_persona_from_the_4_bit_model_steers_it(
    four_bit: Decoder, people: Respondents, name: str, tmp_path: Path
) -> None:
    items = people.inventory.held_out[:4]
    before = answer_items(four_bit, [PLAIN], items).log_probs
    plain = last_logits(four_bit, sequences_of(four_bit))
    where = {"cache": tmp_path} if name in ("pas", "dials") else {"work": tmp_path}
    method = get_method(name, decoder=four_bit, **where, **SETTINGS[name])
    [persona] = method.personas(people)  # type: ignore[attr-defined]
    if name == "dials":
        learnt = method.calibrated(people.inventory).learnt  # type: ignore[attr-defined]
        assert (np.abs(learnt.offset).max(axis=1) > 0).all(), "some head got no gradient"
    if name == "pas" and persona.alpha == 0:
        persona = persona.with_alpha(2.0)
    else:
        check_every_layer_learnt(persona)
    moved = answer_items(four_bit, [persona], items).log_probs
    assert np.abs(moved - before).max() > 1e-3
    kept = Persona.load(persona.save(tmp_path / "kept"), four_bit)
    np.testing.assert_array_equal(answer_items(four_bit, [kept], items).log_probs, moved)
    np.testing.assert_array_equal(answer_items(four_bit, [PLAIN], items).log_probs, before)
    assert torch.equal(last_logits(four_bit, sequences_of(four_bit)), plain)
    assert persona.provenance["quantize"] == "4bit"


def check_every_layer_learnt(persona: Persona) -> None:
    """Packed 4-bit weights pass no gradient on, silently: then early layers stay at 0."""
    from safetensors.torch import load_file

    if persona.adapter is None:
        return
    saved = load_file(Path(persona.adapter) / "adapter_model.safetensors")
    seconds = {name: tensor for name, tensor in saved.items() if "lora_B" in name}
    assert len(seconds) == 14, "seven projections in each of two layers"
    assert all(bool(tensor.any()) for tensor in seconds.values())


def test_layers_quantised_in_place_are_those_of_a_4_bit_load(
    folder: Path, four_bit: Decoder
) -> None:
    full = Decoder.load(folder, device="cpu")
    sequences = sequences_of(full)
    exact = last_logits(full, sequences)
    with twin(full) as other:
        assert quantise_layers(other) == 14
        rounded = last_logits(other, sequences)
    with twin(four_bit) as other:
        expected = last_logits(other, sequences)
    # the twin of a 4-bit load has had its scales rounded to 16 bits once
    assert (rounded - expected).abs().mean() < 0.1 * (rounded - exact).abs().mean()
    assert torch.equal(last_logits(full, sequences), exact)


def test_qlora_on_a_plain_decoder_trains_over_a_4_bit_copy(
    folder: Path, people: Respondents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from personalign.model import four_bit as module

    full = Decoder.load(folder, device="cpu")
    replaced = []
    real = module.quantise_layers
    monkeypatch.setattr(module, "quantise_layers", lambda other: replaced.append(real(other)))
    method = get_method("qlora", decoder=full, work=tmp_path, **SETTINGS["qlora"])
    [persona] = method.personas(people)  # type: ignore[attr-defined]
    assert replaced == [14]
    assert persona.provenance["settings"]["base"] == "4-bit copy"
    assert persona.provenance["quantize"] is None
    check_every_layer_learnt(persona)
    items = people.inventory.held_out[:4]
    plain, moved = answer_items(full, [PLAIN, persona], items).log_probs
    assert np.abs(moved - plain).max() > 1e-3


def test_what_quantised_weights_cannot_do(folder: Path, four_bit: Decoder) -> None:
    with pytest.raises(MethodError, match=r"are quantised.*use qlora"):
        get_method("sft-full", decoder=four_bit)
    eight_bit = Decoder.load(folder, device="cpu", quantize="8bit")
    with pytest.raises(MethodError, match="loaded in 8 bits"):
        get_method("qlora", decoder=eight_bit)
