"""4-bit and 8-bit weights: heads found, hook equals bias, personas keyed to the quantised model."""

from __future__ import annotations

import builtins
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from personalign.errors import MissingPackageError
from personalign.model.capture import head_outputs
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.heads import projection_bias
from personalign.model.loading import CASTING
from personalign.model.persona import Persona
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift

WIDE = {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16}
"""Blocks of 64 values share a scale in 4-bit weights."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    decoder = fake_decoder("llama", **WIDE)
    folder = tmp_path_factory.mktemp("wide")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_quantised_models_are_read_and_steered(folder: Path, quantize: Any) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    full = Decoder.load(folder, device="cpu")
    decoder = Decoder.load(folder, device="cpu", quantize=quantize)
    projection = decoder.heads.projections[1]
    assert decoder.heads.head_dim == 16
    assert not projection.weight.is_floating_point(), "the projection is not quantised"  # type: ignore[union-attr,operator]
    assert decoder.fingerprint != full.fingerprint
    made_with = decoder.provenance
    assert made_with["quantize"] == quantize
    again = Decoder.load(folder, device="cpu", quantize=quantize, dtype=made_with["dtype"])
    last_logits(again, sequences_of(again))  # a pass changes nothing of it
    assert decoder.fingerprint == again.fingerprint

    sequences = sequences_of(decoder)
    exact, rounded = head_outputs(full, sequences), head_outputs(decoder, sequences)
    assert torch.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0) > 0.8

    plain = last_logits(decoder, sequences)
    displacements = row_displacements(decoder, [Persona(shift=some_shift(decoder), alpha=2.0)])
    assert set(displacements) == {0, 1}
    with steer_heads(decoder, displacements):
        hooked = last_logits(decoder, sequences)
    assert (hooked - plain).abs().max() > 0.1
    hooks = [
        decoder.heads.projections[layer].register_forward_hook(
            lambda module, _args, out, v=rows[0]: out + projection_bias(module, v)
        )
        for layer, rows in displacements.items()
    ]
    biased = last_logits(decoder, sequences)
    for hook in hooks:
        hook.remove()
    # their CPU kernels round what goes into a projection to 16 or 8 bits, so these differ a little
    assert (hooked - biased).abs().mean() < 0.1 * (hooked - plain).abs().mean()
    assert torch.equal(last_logits(decoder, sequences), plain)


def test_8_bit_products_are_not_told_of_one_by_one(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    decoder = Decoder.load(folder, device="cpu", quantize="8bit")
    logger = logging.getLogger(CASTING)
    with caplog.at_level(logging.WARNING):
        last_logits(decoder, sequences_of(decoder))
        assert not caplog.records
        logger.filters.clear()
        last_logits(decoder, sequences_of(decoder))
    assert len(caplog.records) >= 14, "the logger has another name now"
    Decoder.load(folder, device="cpu", quantize="8bit")
    assert logger.filters


@pytest.mark.parametrize("package", ["bitsandbytes", "accelerate"])
def test_a_missing_package_says_how_to_install_it(
    folder: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == package:
            raise ImportError(name)
        if name == "bitsandbytes":
            return None
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=rf"{package}.*personalign\[quantise\]"):
        Decoder.load(folder, device="cpu", quantize="4bit")
