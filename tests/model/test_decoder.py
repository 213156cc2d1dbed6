"""Loading decoders, and every way not to: missing, no decoder, corrupt, incomplete, misplaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    CLIPConfig,
    T5Config,
)

from personalign.errors import ModelError, PersonalignError
from personalign.model import loading
from personalign.model.decoder import Decoder
from personalign.model.fake import FAMILIES, fake_decoder, fake_tokenizer
from tests.model.conftest import last_logits, sequences_of

WEIGHTS = "model.safetensors"


def saved(decoder: Decoder, folder: Path) -> Path:
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(llama: Decoder, tmp_path: Path) -> Path:
    return saved(llama, tmp_path / "model")


def test_a_saved_decoder_loads_with_the_same_logits(llama: Decoder, folder: Path) -> None:
    loaded = Decoder.load(folder, device="cpu")
    assert loaded.name == str(folder)
    assert not loaded.model.training
    assert loaded.dtype == torch.float32 and loaded.device == torch.device("cpu")
    sequences = sequences_of(llama)
    assert sequences_of(loaded) == sequences
    assert torch.equal(last_logits(loaded, sequences), last_logits(llama, sequences))
    assert (loaded.pad_id, loaded.end_ids) == (llama.pad_id, llama.end_ids) == (0, {2})


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_with_the_same_fingerprint_anywhere(family: str, tmp_path: Path) -> None:
    decoder = fake_decoder(family)
    loaded = Decoder.load(saved(decoder, tmp_path / "here"), device="cpu")
    assert loaded.fingerprint == decoder.fingerprint
    assert loaded.heads.paths == decoder.heads.paths


def test_the_fingerprint_sees_every_difference(llama: Decoder, folder: Path) -> None:
    def changed(name: str) -> Decoder:
        weights = load_file(folder / WEIGHTS)
        weights[name].view(-1)[-1] += 1e-3
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        return Decoder.load(folder, device="cpu")

    other_chat = Decoder(llama.model, fake_tokenizer(chat="none"), "x")
    prints = [
        llama.fingerprint,
        changed("model.norm.weight").fingerprint,
        changed("model.layers.1.self_attn.q_proj.weight").fingerprint,
        Decoder.load(folder, dtype="bfloat16", device="cpu").fingerprint,
        other_chat.fingerprint,
        fake_decoder("llama", seed=1).fingerprint,
        fake_decoder("llama", rms_norm_eps=1e-3).fingerprint,
        fake_decoder("mistral").fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert fake_decoder("llama").fingerprint == llama.fingerprint, "not the same in a new object"
    assert all(len(one) == 64 for one in prints)


def test_a_persona_s_provenance_loads_its_model_again(folder: Path) -> None:
    """Aligned in another dtype than the checkpoint's, a persona still finds its model."""
    made_with = Decoder.load(folder, dtype="bfloat16", device="cpu").provenance
    assert made_with["model"] == str(folder) and made_with["quantize"] is None
    again = Decoder.load(folder, dtype=made_with["dtype"], device="cpu")
    assert again.fingerprint == made_with["fingerprint"]
    assert Decoder.load(folder, device="cpu").fingerprint != made_with["fingerprint"]


def test_a_large_model_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    from personalign.model import fingerprint as module

    whole = fake_decoder("llama").fingerprint
    monkeypatch.setattr(module, "WHOLE_PARAMETERS", 1000)
    monkeypatch.setattr(module, "SAMPLE", 64)
    decoder, again = fake_decoder("llama"), fake_decoder("llama")
    assert decoder.fingerprint == again.fingerprint != whole
    with torch.no_grad():
        again.model.lm_head.weight[0, 0] += 1e-3
    assert Decoder(again.model, again.tokenizer, "x").fingerprint != decoder.fingerprint


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16, "float64"])
def test_the_dtype_is_the_one_asked_for(folder: Path, dtype: Any) -> None:
    loaded = Decoder.load(folder, dtype=dtype, device="cpu")
    assert loaded.dtype == (getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    assert torch.isfinite(last_logits(loaded, sequences_of(loaded))).all()


def test_the_checkpoint_s_dtype_is_kept(tmp_path: Path) -> None:
    folder = saved(fake_decoder("llama", dtype=torch.bfloat16), tmp_path / "model")
    assert Decoder.load(folder, device="cpu").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dtype": "int8"}, "dtype 'int8' is not known"),
        ({"dtype": "float31"}, "dtype 'float31' is not known"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"quantize": "3bit"}, "quantisation '3bit' is not known"),
    ],
)
def test_unknown_settings_are_refused(folder: Path, settings: Any, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        Decoder.load(folder, **({"device": "cpu"} | settings))


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "./here", "~/nowhere/at/all", "a/b/c", "", "/"]
)
def test_a_path_with_nothing_there_is_not_sought_on_the_hub(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "load_config", lambda *_: pytest.fail("the hub was asked"))
    with pytest.raises(ModelError, match=r"no model folder|no model's folder"):
        Decoder.load(name)


def test_a_hub_name_that_cannot_be_reached_is_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"config of nobody/nothing .* check the name"):
        Decoder.load("nobody/nothing")


def test_a_folder_or_file_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        Decoder.load(tmp_path)
    (tmp_path / "config.json").write_text("{ this is no JSON")
    with pytest.raises(ModelError, match=r"The config of .* cannot be read"):
        Decoder.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "perpetuum"}')
    with pytest.raises(ModelError, match=r"The config of .* cannot be read"):
        Decoder.load(tmp_path)
    with pytest.raises(ModelError, match=r"has no config\.json"):
        Decoder.load(tmp_path / "config.json")


def test_a_missing_pocket_model_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "POCKET_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="make pocket"):
        Decoder.load()


def test_encoders_and_translators_are_refused(tmp_path: Path) -> None:
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16}
    bert = AutoModelForMaskedLM.from_config(BertConfig(**small, intermediate_size=16, vocab_size=9))
    bert.save_pretrained(tmp_path / "bert")
    with pytest.raises(ModelError, match=r"is an encoder \(bert\)"):
        Decoder.load(tmp_path / "bert")
    t5 = AutoModelForSeq2SeqLM.from_config(
        T5Config(num_layers=1, num_heads=2, d_model=16, d_kv=8, d_ff=16, vocab_size=9)
    )
    t5.save_pretrained(tmp_path / "t5")
    with pytest.raises(ModelError, match=r"is an encoder-decoder \(t5\)"):
        Decoder.load(tmp_path / "t5")
    CLIPConfig().save_pretrained(tmp_path / "clip")
    with pytest.raises(ModelError, match=r"is no causal decoder \(clip\)"):
        Decoder.load(tmp_path / "clip")


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights_are_refused(folder: Path, keep: float) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ModelError, match=r"weights of .* cannot be read: .* corrupt or truncated"):
        Decoder.load(folder, device="cpu")


def test_corrupt_or_absent_weights_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"\xff" * 4096)
    with pytest.raises(ModelError, match="cannot be read"):
        Decoder.load(folder, device="cpu")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        Decoder.load(folder, device="cpu")


def test_weights_with_tensors_missing_or_misshapen_are_refused(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    name = "model.layers.1.mlp.up_proj.weight"
    rest = {key: value for key, value in weights.items() if key != name}
    save_file(rest, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"1 tensors are missing, {name}"):
        Decoder.load(folder, device="cpu")
    save_file(rest | {name: torch.zeros(3, 3)}, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"another shape|cannot be read"):
        Decoder.load(folder, device="cpu")


def test_a_baked_bias_is_not_dropped_silently(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["model.layers.0.self_attn.o_proj.bias"] = torch.ones(32)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"no place for .*layers\.0\.self_attn\.o_proj\.bias"):
        Decoder.load(folder, device="cpu")


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, MambaConfig

    config = MambaConfig(vocab_size=512, hidden_size=16, num_hidden_layers=1, state_size=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    fake_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="attention heads"):
        Decoder.load(tmp_path, device="cpu")


def test_tokenizers_are_needed_and_must_fit(folder: Path, llama: Decoder) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="holds no tokenizer"):
        Decoder.load(folder, device="cpu")
    assert Decoder.load(folder, device="cpu", tokenizer=llama.tokenizer).heads.total == 8
    fake_tokenizer().save_pretrained(folder / "words")
    assert Decoder.load(folder, device="cpu", tokenizer=folder / "words").heads.total == 8
    big = fake_tokenizer()
    big.add_tokens([f"<extra {index}>" for index in range(100)])
    with pytest.raises(ModelError, match="do not belong together"):
        Decoder.load(folder, device="cpu", tokenizer=big)
    (folder / "tokenizer.json").write_text("{ no JSON")
    with pytest.raises(ModelError, match=r"tokenizer of .* cannot be read"):
        Decoder.load(folder, device="cpu")


def test_a_model_s_own_code_is_never_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(PersonalignError, match="cannot be read"):
        Decoder.load(folder, device="cpu")


def test_loading_leaves_no_gradient_and_no_random_state_behind(folder: Path) -> None:
    state = torch.get_rng_state()
    fake_decoder("llama", seed=3)
    assert torch.equal(torch.get_rng_state(), state)
