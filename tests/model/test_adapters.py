"""Adapters: equal to PEFT's forward pass, gone without a trace, kept apart, whole in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.errors import PersonaError
from personalign.inventory.items import ipip_neo_120
from personalign.model.adapter_files import CONFIG_FILE, WEIGHTS_FILE, adapter_digest
from personalign.model.adapters import apply_adapter, restored, save_adapter
from personalign.model.answer import answer_items, answer_items_by_text
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate, stream
from personalign.model.persona import PLAIN, Persona
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import CHATS, last_logits, sequences_of, some_shift

peft = pytest.importorskip("peft", reason="the extra 'train' is not installed")

ITEMS = ipip_neo_120().items[:3]
KINDS = ("lora", "prompt", "full")


def make_adapter(decoder: Decoder, kind: str, folder: Path, seed: int = 0) -> Path:
    """An adapter with random weights, so that its effect is large."""
    from personalign.methods.sft import holders

    configs: dict[str, Any] = {
        "lora": lambda: peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"),
        "prompt": lambda: peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5),
        "full": lambda: peft.LoraConfig(
            task_type="CAUSAL_LM",
            target_modules="dummy-target-modules",
            modules_to_save=holders(decoder.model),
        ),
    }
    with restored(decoder):
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # PEFT draws where an adapter begins
            model = peft.get_peft_model(decoder.model, configs[kind]())
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.add_(noise * 0.2)
        save_adapter(model, folder, decoder)
    return folder


def peft_logits(decoder: Decoder, folder: Path, ids: list[int]) -> torch.Tensor:
    """What plain PEFT computes at the last token."""
    with restored(decoder), torch.no_grad():
        model = peft.PeftModel.from_pretrained(decoder.model, folder).eval()
        return model(input_ids=torch.tensor([ids])).logits[0, -1]


def state(decoder: Decoder) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}


def same(decoder: Decoder, before: dict[str, torch.Tensor]) -> bool:
    now = decoder.model.state_dict()
    return list(now) == list(before) and all(torch.equal(now[n], before[n]) for n in before)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def folders(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return {kind: make_adapter(decoder, kind, root / kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3_text", "opt"])
def test_the_logits_are_those_of_peft(family: str, kind: str, tmp_path: Path) -> None:
    decoder = fake_decoder(family)
    folder = make_adapter(decoder, kind, tmp_path / kind)
    ids = decoder.render(CHATS[0])
    with apply_adapter(decoder, folder):
        [ours] = last_logits(decoder, [decoder.render(CHATS[0])])
    [plain] = last_logits(decoder, [ids])
    assert torch.allclose(ours, peft_logits(decoder, folder, ids), atol=1e-4)
    assert (ours - plain).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_it_is_left(decoder: Decoder, folders: dict[str, Path], kind: str) -> None:
    before, modules = state(decoder), list(decoder.model.modules())
    fields = {name: dict(vars(m)) for name, m in decoder.model.named_modules()}
    config, plain = decoder.model.config.to_dict(), last_logits(decoder, sequences_of(decoder))
    with apply_adapter(decoder, folders[kind]):
        assert not torch.equal(last_logits(decoder, sequences_of(decoder)), plain)
    with pytest.raises(ZeroDivisionError), apply_adapter(decoder, folders[kind]):
        1 / 0  # noqa: B018
    assert same(decoder, before)
    assert list(decoder.model.modules()) == modules
    assert {name: dict(vars(m)) for name, m in decoder.model.named_modules()} == fields
    assert decoder.model.config.to_dict() == config
    assert torch.equal(last_logits(decoder, sequences_of(decoder)), plain)
    assert (decoder.adapter, decoder.virtual) == (None, ())


def test_personas_of_different_adapters_answer_as_each_alone(
    decoder: Decoder, folders: dict[str, Path]
) -> None:
    shift = some_shift(decoder)
    personas = [
        Persona(adapter=str(folders["lora"])),
        PLAIN,
        Persona(adapter=str(folders["prompt"]), shift=shift, alpha=2.0),
        Persona("Be short.", adapter=str(folders["lora"]), shift=shift, alpha=2.0),
        Persona(adapter=str(folders["prompt"])),
    ]
    together = answer_items(decoder, personas, ITEMS)
    alone = [answer_items(decoder, [persona], ITEMS).log_probs[0] for persona in personas]
    np.testing.assert_allclose(together.log_probs, alone, atol=1e-5)
    assert together.shared_prefix
    distinct = together.log_probs.reshape(len(personas), -1)
    for row in range(len(personas)):
        for other in range(row):
            assert np.abs(distinct[row] - distinct[other]).max() > 1e-3

    texts = generate(decoder, personas, "Do you trust others?", max_new_tokens=4)
    assert texts == [
        generate(decoder, p, "Do you trust others?", max_new_tokens=4)[0] for p in personas
    ]
    by_text = answer_items_by_text(decoder, personas[:3], ITEMS[:1], max_new_tokens=4)
    assert by_text.texts is not None and len(by_text.texts) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_acts_on_the_adapted_projection(
    decoder: Decoder, folders: dict[str, Path], kind: str
) -> None:
    persona = Persona(adapter=str(folders[kind]), shift=some_shift(decoder), alpha=2.0)
    ids = decoder.render(CHATS[0])
    with apply_adapter(decoder, folders[kind]):
        pushed = row_displacements(decoder, [persona])
        with steer_heads(decoder, pushed):
            [ours] = last_logits(decoder, [decoder.render(CHATS[0])])
    with restored(decoder), torch.no_grad():
        model = peft.PeftModel.from_pretrained(decoder.model, folders[kind]).eval()
        hooks = []
        for layer, rows in pushed.items():
            attention = decoder.model.model.layers[layer].self_attn
            hooks.append(
                attention.o_proj.register_forward_pre_hook(
                    lambda _module, args, rows=rows: (args[0] + rows[:, None], *args[1:])
                )
            )
        theirs = model(input_ids=torch.tensor([ids])).logits[0, -1]
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_stream_leaves_the_decoder_free_between_pieces(
    decoder: Decoder, folders: dict[str, Path]
) -> None:
    plain = generate(decoder, PLAIN, "Why?", max_new_tokens=8)
    for kind in ("lora", "prompt"):
        persona = Persona(adapter=str(folders[kind]))
        whole = generate(decoder, persona, "Why?", max_new_tokens=8)[0]
        pieces = []
        for piece in stream(decoder, persona, "Why?", max_new_tokens=8):
            pieces.append(piece)
            assert decoder.adapter is None
            assert generate(decoder, PLAIN, "Why?", max_new_tokens=8) == plain
        assert "".join(pieces) == whole


def test_one_adapter_at_a_time(decoder: Decoder, folders: dict[str, Path]) -> None:
    with apply_adapter(decoder, folders["lora"]):
        within = answer_items(decoder, [Persona(adapter=str(folders["lora"]))], ITEMS)
        with (
            pytest.raises(PersonaError, match="leave that one's block first"),
            apply_adapter(decoder, folders["prompt"]),
        ):
            pass
    outside = answer_items(decoder, [Persona(adapter=str(folders["lora"]))], ITEMS)
    np.testing.assert_allclose(within.log_probs, outside.log_probs, atol=1e-6)


def test_the_key_follows_the_content(folders: dict[str, Path], tmp_path: Path) -> None:
    moved = shutil.copytree(folders["lora"], tmp_path / "moved")
    one, other = Persona(adapter=str(folders["lora"])), Persona(adapter=str(moved))
    assert one.key == other.key and one.steering_key == other.steering_key != ""
    assert one.key != PLAIN.key != Persona(adapter=str(folders["prompt"])).key
    (moved / CONFIG_FILE).write_text((moved / CONFIG_FILE).read_text() + "\n")
    assert Persona(adapter=str(moved)).key != one.key


def test_a_persona_s_folder_is_whole_by_itself(
    decoder: Decoder, folders: dict[str, Path], tmp_path: Path
) -> None:
    original = shutil.copytree(folders["prompt"], tmp_path / "work" / "adapter-7")
    persona = Persona(adapter=str(original), provenance=decoder.provenance)
    key, folder = persona.key, persona.save(tmp_path / "zoe")
    shutil.rmtree(tmp_path / "work")
    folder = folder.rename(tmp_path / "moved")
    loaded = Persona.load(folder, decoder)
    assert loaded.adapter == str(folder / "adapter") and loaded.key == key
    answers = answer_items(decoder, [loaded], ITEMS).log_probs
    expected = answer_items(decoder, [Persona(adapter=str(folders["prompt"]))], ITEMS).log_probs
    np.testing.assert_array_equal(answers, expected)

    loaded.with_alpha(2.0).save(folder)  # onto itself
    assert Persona.load(folder).key == key
    Persona("Be short.").save(folder)
    assert not (folder / "adapter").exists()


def test_a_changed_or_missing_adapter_is_an_error(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Persona(adapter=str(folders["prompt"])).save(tmp_path / "zoe")
    shutil.copy(folders["lora"] / WEIGHTS_FILE, folder / "adapter" / WEIGHTS_FILE)
    with pytest.raises(PersonaError, match=r"is not the adapter that persona\.json names"):
        Persona.load(folder)
    (folder / "adapter" / WEIGHTS_FILE).unlink()
    with pytest.raises(PersonaError, match=f"it has no {WEIGHTS_FILE}"):
        Persona.load(folder)
    shutil.rmtree(folder / "adapter")
    with pytest.raises(PersonaError, match="does not exist"):
        Persona.load(folder)
    for broken in (lambda p: p.key, lambda p: p.save(tmp_path / "new")):
        with pytest.raises(PersonaError, match="The adapter nowhere does not exist"):
            broken(Persona(adapter="nowhere"))
    assert not (tmp_path / "new").exists()


def test_a_foreign_adapter_is_refused(
    decoder: Decoder, folders: dict[str, Path], tmp_path: Path
) -> None:
    before = state(decoder)
    other = fake_decoder("llama", seed=1)
    with (
        pytest.raises(PersonaError, match="was trained on the model fake llama"),
        apply_adapter(other, folders["lora"]),
    ):
        pass
    for kind in ("lora", "prompt"):  # one of another shape, that does not say what it was made on
        wide = fake_decoder("llama", hidden_size=64, head_dim=16)
        made = make_adapter(wide, kind, tmp_path / kind)
        nameless(made)
        with (
            pytest.raises(PersonaError, match="does not fit fake llama"),
            apply_adapter(decoder, made),
        ):
            pass
    deep = make_adapter(fake_decoder("llama", layers=3), "lora", tmp_path / "deep")
    nameless(deep)
    with pytest.raises(PersonaError, match="has no place for"), apply_adapter(decoder, deep):
        pass
    assert same(decoder, before) and decoder.adapter is None


def test_damaged_files_are_errors(
    decoder: Decoder, folders: dict[str, Path], tmp_path: Path
) -> None:
    for kind in ("lora", "prompt"):
        broken = shutil.copytree(folders[kind], tmp_path / kind)
        (broken / WEIGHTS_FILE).write_bytes((broken / WEIGHTS_FILE).read_bytes()[:200])
        with (
            pytest.raises(PersonaError, match="corrupt or truncated"),
            apply_adapter(decoder, broken),
        ):
            pass
    for text, sentence in (("{", "cannot be read as JSON"), ("{}", "peft_type")):
        (broken / CONFIG_FILE).write_text(text)
        with pytest.raises(PersonaError, match=sentence), apply_adapter(decoder, broken):
            pass


def test_biases_of_the_base_model_are_not_overwritten(
    decoder: Decoder, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["lora"], tmp_path / "biased")
    config = json.loads((folder / CONFIG_FILE).read_text()) | {"bias": "all"}
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(PersonaError, match="bias 'none'"), apply_adapter(decoder, folder):
        pass


def test_the_digest_is_of_both_files(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders["prompt"], tmp_path / "copy")
    (copy / "README.md").write_text("a card")
    assert adapter_digest(copy) == adapter_digest(folders["prompt"])
    content = bytearray((copy / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(content)
    assert adapter_digest(copy) != adapter_digest(folders["prompt"])


def nameless(folder: Path) -> None:
    """Take out of an adapter's file which model it was trained on."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(folder / WEIGHTS_FILE), folder / WEIGHTS_FILE, metadata={"format": "pt"})
