"""4-bit layers on a CPU compute with the weights that were quantised, whatever was done before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from personalign.methods.twin import twin
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.four_bit import quantise_layers
from personalign.model.four_bit_cpu import mend_layers
from tests.model.conftest import last_logits, sequences_of

pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")

SHAPES: dict[str, dict[str, Any]] = {
    "odd": {"hidden_size": 96, "intermediate_size": 128, "head_dim": 24},
    "wide": {"hidden_size": 128, "intermediate_size": 192, "head_dim": 32},
}
"""odd: rows of one and a half blocks of 64, keys and values of 48 outputs, no multiple of 32.
wide: rows of two and three blocks, which can be packed."""

ODD_LAYERS = {"odd": 12, "wide": 0}
"""Layers out of 14 that cannot be packed: of "odd", two layers put out of the 128 into the 96."""


@pytest.fixture(scope="module", params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(shape: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    decoder = fake_decoder("llama", **SHAPES[shape])
    folder = tmp_path_factory.mktemp(shape)
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def full(folder: Path) -> Decoder:
    return Decoder.load(folder, device="cpu")


@pytest.fixture
def rounded(folder: Path) -> Decoder:
    """Of its own for each test, since packing changes it."""
    return Decoder.load(folder, device="cpu", quantize="4bit")


def layers(decoder: Decoder) -> dict[str, nn.Module]:
    """The layers that are quantised, by name."""
    found = dict(decoder.model.named_modules())
    return {name: one for name, one in found.items() if name.endswith("_proj")}


def weights(layer: Any) -> torch.Tensor:
    """The weights it computes with."""
    with torch.inference_mode():
        return layer(torch.eye(layer.in_features)).T  # type: ignore[no-any-return]


def check_weights(rounded: Decoder, full: Decoder) -> None:
    """Every weight is off by what four bits cost, and not by a wrong scale."""
    exact = layers(full)
    assert len(exact) == 14
    for name, layer in layers(rounded).items():
        assert type(layer).__name__ == "Linear4bit"
        true = exact[name].weight.detach()  # type: ignore[union-attr,operator]
        off = (weights(layer) - true).abs().mean() / true.std()
        assert 0.02 < off < 0.1, f"{name} is {off:.2f} standard deviations off"


def test_a_4_bit_load_computes_with_its_own_weights(full: Decoder, rounded: Decoder) -> None:
    check_weights(rounded, full)


def test_layers_quantised_in_place_do_too(full: Decoder) -> None:
    with twin(full) as other:
        assert quantise_layers(other) == 14
        check_weights(other, full)


def test_a_state_dict_changes_nothing(full: Decoder, rounded: Decoder) -> None:
    before = last_logits(rounded, sequences_of(rounded))
    saved = rounded.model.state_dict()
    fresh = Decoder.load(rounded.name, device="cpu", quantize="4bit").model.state_dict()
    for name, tensor in fresh.items():  # scales were rounded to 16 bits once
        torch.testing.assert_close(saved[name], tensor, rtol=0.01, atol=0)
    assert torch.equal(last_logits(rounded, sequences_of(rounded)), before)
    check_weights(rounded, full)


def test_a_twin_computes_the_same_passes_gradients_on_and_leaves_no_trace(
    full: Decoder, rounded: Decoder
) -> None:
    before = last_logits(rounded, sequences_of(rounded))
    with twin(rounded) as other:
        check_weights(other, full)
        for name, layer in layers(other).items():
            assert layer is not layers(rounded)[name]
            vector = torch.ones(1, layer.in_features, requires_grad=True)  # type: ignore[arg-type]
            layer(vector).sum().backward()
            torch.testing.assert_close(vector.grad, weights(layer).sum(0, keepdim=True))
    assert torch.equal(last_logits(rounded, sequences_of(rounded)), before)


def test_only_layers_that_cannot_be_packed_get_a_forward_of_their_own(
    shape: str, rounded: Decoder, full: Decoder
) -> None:
    assert mend_layers(rounded.model) == ODD_LAYERS[shape]
    assert mend_layers(full.model) == 0
    eight_bit = Decoder.load(rounded.name, device="cpu", quantize="8bit")
    assert mend_layers(eight_bit.model) == 0
