"""What is done to a decoder's twin, the decoder never sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from personalign.methods.twin import twin
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder

IDS = torch.tensor([[1, 5, 6, 7, 8]])
LORA = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


def logits(decoder: Decoder) -> torch.Tensor:
    with torch.no_grad():
        return decoder.model(input_ids=IDS).logits


def modules(decoder: Decoder) -> list[tuple[str, type, int]]:
    return [(name, type(one), id(one)) for name, one in decoder.model.named_modules()]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_a_wrapped_and_spoilt_twin_leaves_no_trace(family: str) -> None:
    peft = pytest.importorskip("peft")
    decoder = fake_decoder(family)
    decoder.model.get_input_embeddings().weight.requires_grad_(False)
    flags = [tensor.requires_grad for tensor in decoder.model.parameters()]
    before, tree, config = logits(decoder), modules(decoder), decoder.model.config.to_dict()
    with twin(decoder) as other:
        assert torch.equal(logits(other), before)
        wrapped = peft.get_peft_model(other.model, peft.LoraConfig(**LORA))
        wrapped(input_ids=IDS).logits.sum().backward()
        other.model.forward = None
        other.model.config.pad_token_id = 77
        other.model.train()
        other.tokenizer.pad_token = "</s>"
    assert torch.equal(logits(decoder), before)
    assert modules(decoder) == tree
    assert decoder.model.config.to_dict() == config
    assert [tensor.requires_grad for tensor in decoder.model.parameters()] == flags
    assert all(tensor.grad is None for tensor in decoder.model.parameters())
    assert decoder.tokenizer.pad_token == "<pad>"
    assert not decoder.model.training


def test_flags_are_put_back_after_an_error() -> None:
    decoder = fake_decoder()
    with pytest.raises(KeyError), twin(decoder):
        raise KeyError
    assert all(tensor.requires_grad for tensor in decoder.model.parameters())


def gradients(decoder: Decoder) -> list[torch.Tensor]:
    """Of every LoRA B matrix, from the same adapter."""
    import peft

    torch.manual_seed(0)
    with twin(decoder) as other:
        wrapped: Any = peft.get_peft_model(other.model, peft.LoraConfig(**LORA))
        (wrapped(input_ids=IDS).logits.float() ** 2).sum().backward()
        return [one.grad for name, one in wrapped.named_parameters() if "lora_B" in name]


def test_4_bit_weights_have_gradients_after_they_have_answered(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    pytest.importorskip("peft")
    made = fake_decoder("llama", hidden_size=64, intermediate_size=64, head_dim=16)
    made.model.save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    asked, fresh = (Decoder.load(tmp_path, device="cpu", quantize="4bit") for _ in range(2))
    before = logits(asked)
    found = gradients(asked)
    assert all(gradient.abs().sum() > 0 for gradient in found)
    assert all(map(torch.equal, found, gradients(fresh)))
    assert torch.equal(logits(asked), before)
    assert torch.equal(logits(fresh), before)
