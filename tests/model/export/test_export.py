"""A baked checkpoint is the persona: for every family, in stock classes, or nothing is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from personalign.errors import ExportError
from personalign.model.decoder import Decoder
from personalign.model.export.bake import bake
from personalign.model.export.check import (
    CHATS,
    REPLY_TOKENS,
    TOLERANCE,
    check_reply,
    compare,
    model_logits,
    reference,
)
from personalign.model.export.export import RECORD, export_persona
from personalign.model.export.hf import chat_ids
from personalign.model.fake import FAMILIES, fake_decoder
from personalign.model.generate import generate, persona_chat
from personalign.model.heads import bias_slot, families_with_slot
from personalign.model.persona import PLAIN, Persona
from personalign.model.residual import ResidualShift
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import some_shift

WITHOUT_SLOT = {"phi3", "mixtral", "glm", "glm4", "qwen2_moe", "stablelm", "falcon", "gptj"}
STREAMED = """llama mistral qwen2 smollm3 granite cohere cohere2 starcoder2 gpt2 gpt_neox bloom phi
opt gptj""".split()
SETTINGS: dict[str, dict[str, Any]] = {"mistral": {"sliding_window": None}}


def loud(family: str, **settings: Any) -> Decoder:
    """A decoder whose every weight matters, biases included."""
    decoder = fake_decoder(family, **(SETTINGS.get(family, {}) | settings))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, parameter in decoder.model.named_parameters():
            if parameter.ndim > 1 or name.endswith("bias"):
                parameter.normal_(0, 0.3)
    return decoder


def pushed(decoder: Decoder, **fields: Any) -> Persona:
    return Persona("You are bold.", some_shift(decoder), alpha=2.0, **fields)


def stock_logits(folder: Path, ids: list[int], **settings: Any) -> torch.Tensor:
    """What transformers alone computes, (time, vocabulary)."""
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, **settings
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    with torch.inference_mode():
        return model.eval()(input_ids=torch.tensor([ids])).logits[0].float()


def steered_logits(decoder: Decoder, persona: Persona, ids: list[int]) -> torch.Tensor:
    with steer_heads(decoder, row_displacements(decoder, [persona])), torch.inference_mode():
        return decoder.model(input_ids=torch.tensor([ids])).logits[0].float()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - WITHOUT_SLOT))
def test_stock_transformers_loads_the_persona(family: str, tmp_path: Path) -> None:
    decoder = loud(family)
    persona = pushed(decoder)
    done = export_persona(decoder, persona, tmp_path / "out")
    chat = [{"role": "user", "content": "Do you trust others?"}]
    ids = decoder.render(persona_chat(persona, chat))
    found = stock_logits(tmp_path / "out", ids)
    torch.testing.assert_close(found, steered_logits(decoder, persona, ids), rtol=1e-4, atol=1e-4)
    plain = (found - steered_logits(decoder, PLAIN, ids)).abs().max()
    assert plain > 100 * done.difference.largest, "the push does nothing"
    assert left_in(tmp_path) == ["out"]


@pytest.mark.parametrize("family", sorted(WITHOUT_SLOT))
def test_an_architecture_without_a_slot_is_refused_with_those_that_have(
    family: str, tmp_path: Path
) -> None:
    decoder = loud(family)
    with pytest.raises(ExportError, match=rf"\({family}\).*llama.*qwen2"):
        export_persona(decoder, pushed(decoder), tmp_path / "out")
    assert left_in(tmp_path) == []


def test_the_list_of_families_with_a_slot_is_true() -> None:
    named = {name.split()[0] for name in families_with_slot().split(", ")}
    found = {
        family
        for family in set(FAMILIES) - {"gemma3"}  # named as gemma3_text, its decoder
        if bias_slot(fake_decoder(family, **SETTINGS.get(family, {})).model) != "none"
    }
    assert named == found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_push_of_the_residual_stream_is_baked_where_something_can_hold_it(
    family: str, tmp_path: Path
) -> None:
    decoder = loud(family)
    push = np.random.default_rng(0).normal(size=(1, 32))
    persona = Persona(residual=ResidualShift([1], push), alpha=1.5)
    if family not in STREAMED:
        with pytest.raises(ExportError, match=r"llama.*`personalign serve`"):
            export_persona(decoder, persona, tmp_path / "out")
        return
    export_persona(decoder, persona, tmp_path / "out")
    ids = decoder.render(persona_chat(persona, "Hello."))
    torch.testing.assert_close(
        stock_logits(tmp_path / "out", ids),
        steered_logits(decoder, persona, ids),
        rtol=1e-4,
        atol=1e-4,
    )


def test_heads_and_stream_together_and_two_layers_apart(tmp_path: Path) -> None:
    decoder = loud("qwen2", layers=3)
    push = np.random.default_rng(0).normal(size=(2, 32))
    persona = pushed(decoder, residual=ResidualShift([1, 2], push))
    export_persona(decoder, persona, tmp_path / "out")
    ids = decoder.render(persona_chat(persona, "Hello."))
    torch.testing.assert_close(
        stock_logits(tmp_path / "out", ids),
        steered_logits(decoder, persona, ids),
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_stream_at_the_first_layer_has_no_place(tmp_path: Path) -> None:
    decoder = loud("llama")
    persona = Persona(residual=ResidualShift([0], np.ones((1, 32))), alpha=1.0)
    with pytest.raises(ExportError, match=r"layer 0.*embeddings"):
        export_persona(decoder, persona, tmp_path / "out")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2", "qwen3_moe"])
def test_half_precision_stays_what_it_is(family: str, dtype: torch.dtype, tmp_path: Path) -> None:
    decoder = loud(family, dtype=dtype)
    done = export_persona(decoder, pushed(decoder), tmp_path / "out")
    assert done.difference.mean < done.difference.effect / 10
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert stock.dtype == dtype
    assert {p.dtype for n, p in stock.named_parameters() if "o_proj" in n} == {dtype}


@pytest.mark.parametrize("tied", [True, False])
def test_tied_weights_stay_tied(tied: bool, tmp_path: Path) -> None:
    decoder = loud("llama", tie_word_embeddings=tied)
    export_persona(decoder, pushed(decoder), tmp_path / "out")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert (stock.lm_head.weight is stock.model.embed_tokens.weight) is tied


def test_large_checkpoints_come_in_shards(tmp_path: Path) -> None:
    decoder = loud("llama")
    persona = pushed(decoder)
    export_persona(decoder, persona, tmp_path / "out", shard_size="40KB")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    ids = decoder.render(persona_chat(persona, "Hello."))
    torch.testing.assert_close(
        stock_logits(tmp_path / "out", ids),
        steered_logits(decoder, persona, ids),
        rtol=1e-4,
        atol=1e-4,
    )


def test_baking_shares_the_weights_and_leaves_the_decoder_as_it_was() -> None:
    decoder = loud("qwen2")
    before = {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}
    baked = bake(decoder, pushed(decoder)).model
    shared = baked.model.layers[0].mlp.up_proj.weight
    assert shared.data_ptr() == decoder.model.model.layers[0].mlp.up_proj.weight.data_ptr()
    after = decoder.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not hasattr(decoder.model.config, "attention_bias")


@pytest.mark.parametrize("chat", ["system", "no-system", "drops-system", "none"])
@pytest.mark.parametrize("prompt", [None, "", 'Be "bold"\nand {{ brave }}, ü 中 \\n.'])
def test_the_exported_tokenizer_writes_our_chats(
    chat: Any, prompt: str | None, tmp_path: Path
) -> None:
    decoder = fake_decoder("llama", chat=chat)
    persona = Persona(system_prompt=prompt)
    export_persona(decoder, persona, tmp_path / "out")
    stock = AutoTokenizer.from_pretrained(tmp_path / "out")
    for turns in CHATS:
        assert chat_ids(stock, turns) == decoder.render(persona_chat(persona, list(turns)))


def test_a_real_checkpoint_with_a_tokenizer_of_another_kind(
    real_llama: Decoder, tmp_path: Path
) -> None:
    """Byte-fallback pieces, no chat template of its own, grouped heads, tied weights."""
    persona = Persona("You are bold.", some_shift(real_llama, k=4), alpha=1.0)
    export_persona(real_llama, persona, tmp_path / "out")
    stock = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = chat_ids(stock, [{"role": "user", "content": "Tell me of a little dog."}])
    assert ids == real_llama.render(persona_chat(persona, "Tell me of a little dog."))
    torch.testing.assert_close(
        stock_logits(tmp_path / "out", ids),
        steered_logits(real_llama, persona, ids),
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_exported_model_replies_as_the_persona_through_stock_classes(tmp_path: Path) -> None:
    decoder = loud("llama")
    persona = pushed(decoder)
    export_persona(decoder, persona, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    stock = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = chat_ids(stock, [{"role": "user", "content": "Who are you?"}])
    reply = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12)[0, len(ids) :]
    text = stock.decode(reply, skip_special_tokens=True)
    assert [text] == generate(decoder, persona, "Who are you?", max_new_tokens=12)
    assert [text] != generate(decoder, PLAIN, "Who are you?", max_new_tokens=12)


def test_every_token_that_ends_a_turn_ends_it_elsewhere_too(tmp_path: Path) -> None:
    decoder = loud("llama")
    decoder.model.generation_config.eos_token_id = 5
    assert decoder.end_ids == {2, 5}
    export_persona(decoder, PLAIN, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert config["eos_token_id"] == [2, 5]


def test_a_persona_that_is_a_prompt_needs_no_slot(tmp_path: Path) -> None:
    decoder = loud("phi3")
    persona = Persona(system_prompt="You are bold.")
    done = export_persona(decoder, persona, tmp_path / "out")
    assert (done.difference.largest, done.difference.effect) == (0.0, 0.0)
    assert type(bake(decoder, persona).model) is type(decoder.model)


def test_generated_positions_only_cannot_be_baked_unless_as_another_persona(
    tmp_path: Path,
) -> None:
    decoder = loud("llama")
    persona = pushed(decoder, scope="generated")
    with pytest.raises(ExportError, match="--everywhere"):
        export_persona(decoder, persona, tmp_path / "out")
    assert left_in(tmp_path) == []
    export_persona(decoder, persona, tmp_path / "out", everywhere=True)
    ids = decoder.render(persona_chat(persona, "Hello."))
    torch.testing.assert_close(
        stock_logits(tmp_path / "out", ids),
        steered_logits(decoder, replace(persona, scope="all"), ids),
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_record_says_what_it_is_and_nothing_of_the_person(tmp_path: Path) -> None:
    decoder = loud("llama")
    persona = pushed(decoder, provenance={"method": "pas", "answers": {"1": 5}})
    done = export_persona(decoder, persona, tmp_path / "out")
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["persona"]["system_prompt"] == "You are bold."
    assert record["persona"]["key"] == persona.key
    assert record["model"]["fingerprint"] == decoder.fingerprint
    assert record["check"]["largest"] == done.difference.largest
    assert "answers" not in json.dumps(record)
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ExportError, match="not empty"):
        export_persona(fake_decoder(), PLAIN, tmp_path)
    assert left_in(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"format": "onnx"}, "onnx.*hf, ctranslate2"),
        ({"shard_size": "1GB"}, "only the format 'hf'"),
        ({"format": "hf", "shard_size": "much"}, "'much'.*'2GB'"),
    ],
)
def test_what_cannot_be_asked_for(settings: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=reason):
        export_persona(
            fake_decoder(), PLAIN, tmp_path / "out", **({"format": "lm-eval"} | settings)
        )


def test_a_quantised_model_is_refused_with_the_way_round(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    whole = loud("llama")
    whole.model.save_pretrained(tmp_path / "model")
    whole.tokenizer.save_pretrained(tmp_path / "model")
    decoder = Decoder.load(tmp_path / "model", quantize="4bit", device="cpu")
    with pytest.raises(ExportError, match="quantised from, export"):
        export_persona(decoder, pushed(decoder), tmp_path / "out")


def test_an_export_that_lost_its_push_is_seen_however_small_it_was() -> None:
    """In bfloat16 a small push is within the tolerance, and still may not be lost."""
    for dtype, alpha in ((torch.float32, 2.0), (torch.bfloat16, 0.1)):
        decoder = loud("llama", dtype=dtype)
        persona = pushed(decoder).with_alpha(alpha)
        wanted = reference(decoder, persona)
        assert wanted.effect > 0
        with pytest.raises(ExportError, match="Nothing was written"):
            compare(wanted, lambda ids, d=decoder: model_logits(d.model, ids), "The plain model")


def test_a_reply_that_differs_or_ends_early_is_not_the_personas() -> None:
    decoder = loud("llama")
    persona = pushed(decoder)
    wanted = reference(decoder, persona)
    with steer_heads(decoder, row_displacements(decoder, [persona])):
        whole = decoder.model.generate(
            torch.tensor([wanted.chats[0]]), do_sample=False, max_new_tokens=REPLY_TOKENS
        )[0, len(wanted.chats[0]) :].tolist()
    said = [token for token in whole if token not in decoder.end_ids]
    assert len(said) > 3
    other = next(token for token in range(3, 99) if token not in {said[2], *decoder.end_ids})
    check_reply(decoder, persona, wanted, lambda *_: said, "An engine")
    for wrong, reason in ((said[:3], "ends after 3"), ([*said[:2], other], "differs after 2")):
        with pytest.raises(ExportError, match=reason):
            check_reply(decoder, persona, wanted, lambda *_, it=wrong: it, "An engine")


def test_logits_that_are_not_numbers_are_not_the_persona() -> None:
    decoder = loud("llama")
    wanted = reference(decoder, pushed(decoder))
    with pytest.raises(ExportError, match="not the persona"):
        compare(wanted, lambda ids: torch.full((len(ids), 512), torch.nan), "A broken engine")


def test_the_tolerance_is_one_of_rounding() -> None:
    """Each dtype may differ by some steps of its own precision, and no more."""
    assert all(10 < TOLERANCE[d] / torch.finfo(d).eps < 1000 for d in TOLERANCE)
