"""A trained adapter is merged into what is exported; what is no change of weights is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from personalign.errors import ExportError
from personalign.model.adapters import apply_adapter
from personalign.model.export.export import export_persona
from personalign.model.fake import fake_decoder
from personalign.model.generate import persona_chat
from personalign.model.persona import Persona
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import some_shift
from tests.model.test_adapters import make_adapter

pytest.importorskip("peft", reason="the extra 'train' is not installed")


@pytest.mark.parametrize("steered", [True, False])
@pytest.mark.parametrize("kind", ["lora", "full"])
@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2", "gemma3_text"])
def test_the_export_is_the_model_with_its_adapter_and_its_push(
    family: str, kind: str, steered: bool, tmp_path: Path
) -> None:
    decoder = fake_decoder(family)
    adapter = str(make_adapter(decoder, kind, tmp_path / "adapter"))
    shift = some_shift(decoder) if steered else None
    persona = Persona(shift=shift, alpha=2.0, adapter=adapter)
    before = {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}
    export_persona(decoder, persona, tmp_path / "out")
    ids = torch.tensor([decoder.render(persona_chat(persona, "Do you trust others?"))])
    with (
        torch.inference_mode(),
        apply_adapter(decoder, adapter),
        steer_heads(decoder, row_displacements(decoder, [persona])),
    ):
        expected = decoder.model(input_ids=ids).logits
    with torch.inference_mode():
        found = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()(input_ids=ids).logits
        plain = decoder.model(input_ids=ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found - plain).abs().max() > 0.1
    assert decoder.adapter is None
    now = decoder.model.state_dict()
    assert all(torch.equal(now[name], tensor) for name, tensor in before.items())


def test_virtual_tokens_are_no_weights(tmp_path: Path) -> None:
    decoder = fake_decoder("llama")
    adapter = str(make_adapter(decoder, "prompt", tmp_path / "adapter"))
    with pytest.raises(ExportError, match=r"virtual tokens.*`personalign serve`"):
        export_persona(decoder, Persona(adapter=adapter), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_whose_merge_is_not_the_sum_is_caught_by_the_comparison(tmp_path: Path) -> None:
    """DoRA rescales the merged weight; adding its change alone gives another model."""
    import peft

    from personalign.model.adapters import restored, save_adapter

    decoder = fake_decoder("llama")
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", use_dora=True)
    with restored(decoder):
        model = peft.get_peft_model(decoder.model, config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.normal_(0, 0.3)
        save_adapter(model, tmp_path / "adapter", decoder)
    persona = Persona(adapter=str(tmp_path / "adapter"))
    with pytest.raises(ExportError, match="not the persona"):
        export_persona(decoder, persona, tmp_path / "out")
    assert not (tmp_path / "out").exists()
