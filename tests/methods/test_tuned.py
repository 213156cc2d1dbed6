"""sft-full, lora, qlora, prompt-tuning, dpo on a small model: they learn, and leave no trace."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods import dpo, sft
from personalign.methods.registry import get_method
from personalign.methods.tuning import WHOLE, Schedule, arguments, newest_checkpoint
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import PAPI

pytest.importorskip("trl", reason="the extra 'train' is not installed")

SETTINGS: dict[str, dict[str, Any]] = {
    "sft-full": {"epochs": 3, "learning_rate": 3e-3},
    "lora": {"epochs": 3, "learning_rate": 1e-2},
    "qlora": {"epochs": 3, "learning_rate": 1e-2, "rank": 8},
    "prompt-tuning": {"epochs": 3, "tokens": 8, "learning_rate": 0.3},
    "dpo": {"steps": 9, "batch": 4, "warmup": 0, "learning_rate": 5e-3},
}
"""Few steps that a model of two layers feels."""


@pytest.fixture(autouse=True)
def _nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from trl.trainer import base_trainer

    def report(*args: Any, **keywords: Any) -> None:
        raise AssertionError("the hub was told of a training")

    monkeypatch.setattr(base_trainer, "send_telemetry", report)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder()


@pytest.fixture(scope="module")
def people() -> Respondents:
    """One who says Very Accurate to a few tuning items, and one who says Very Inaccurate."""
    everybody = simulate(2, seed=5)
    responses = np.zeros_like(everybody.responses)
    responses[:, everybody.inventory.columns(everybody.inventory.tuning[:24])] = [[5], [1]]
    return replace(everybody, responses=responses)


def make(decoder: Decoder, name: str, work: Path, **settings: Any) -> Any:
    if name == "qlora":
        pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    return get_method(name, decoder=decoder, work=work, **{**SETTINGS[name], **settings})


def adapter_bytes(persona: Persona) -> dict[str, bytes]:
    assert persona.adapter is not None
    files = ("adapter_config.json", "adapter_model.safetensors")
    return {name: (Path(persona.adapter) / name).read_bytes() for name in files}


def likelihood(decoder: Decoder, persona: Persona, people: Respondents, person: int) -> float:
    """Mean log-probability of a person's own answers to the items they were asked."""
    items = people.inventory.tuning[:24]
    own = people.responses[person, people.inventory.columns(items)].astype(int)
    found = answer_items(decoder, [persona], items).log_probs[0]
    return float(found[np.arange(len(items)), own - 1].mean())


@pytest.mark.parametrize("name", SETTINGS)
def test_the_person_is_learnt_and_the_decoder_is_as_it_was(
    decoder: Decoder,
    people: Respondents,
    name: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = {key: tensor.clone() for key, tensor in decoder.model.state_dict().items()}
    flags = [p.requires_grad for p in decoder.model.parameters()]
    config = decoder.model.config.to_dict()
    torch.manual_seed(7)
    expected = (torch.rand(3), random.Random(7).random(), np.random.RandomState(7).rand())
    torch.manual_seed(7), random.seed(7), np.random.seed(7)

    personas = make(decoder, name, tmp_path).personas(people)

    drawn = (torch.rand(3), random.random(), np.random.rand())
    assert torch.equal(drawn[0], expected[0]) and drawn[1:] == expected[1:]
    assert capfd.readouterr().out == ""
    assert not list(tmp_path.rglob("checkpoints")) and not list(tmp_path.rglob("README.md"))
    now = decoder.model.state_dict()
    assert list(now) == list(before) and all(torch.equal(now[key], before[key]) for key in before)
    assert [p.requires_grad for p in decoder.model.parameters()] == flags
    assert all(p.grad is None for p in decoder.model.parameters())
    assert decoder.model.config.to_dict() == config and not decoder.model.training
    for person, persona in enumerate(personas):
        curve = persona.provenance["training"]
        assert curve[-1]["loss"] < curve[0]["loss"]
        if name == "dpo":
            assert curve[-1]["margin"] > curve[0]["margin"]
        plain = likelihood(decoder, PLAIN, people, person)
        assert likelihood(decoder, persona, people, person) > plain
        assert likelihood(decoder, personas[1 - person], people, person) < likelihood(
            decoder, persona, people, person
        )


def test_dpo_with_sft_makes_the_answer_likelier_than_preference_alone(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    """Preference alone may win by pushing the opposite down; the likelihood pulls the answer up."""
    one = people.select(slice(0, 1))
    [alone] = make(decoder, "dpo", tmp_path).personas(one)
    [both] = make(decoder, "dpo", tmp_path, sft=1.0).personas(one)
    assert likelihood(decoder, both, one, 0) > likelihood(decoder, alone, one, 0)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupted_training_ends_in_the_same_bytes(
    decoder: Decoder, people: Respondents, name: str, tmp_path: Path
) -> None:
    one = people.select(slice(0, 1))
    [whole] = make(decoder, name, tmp_path / "whole").personas(one)
    method = make(decoder, name, tmp_path / "parts")

    def stop(person: int, line: Any, steps: int) -> None:
        if line.step == 7:
            raise KeyboardInterrupt

    method.watch = stop
    with pytest.raises(KeyboardInterrupt):
        method.personas(one)
    [left] = (tmp_path / "parts").iterdir()
    newest = newest_checkpoint(left)
    assert newest is not None and newest.name == "checkpoint-6"
    assert not (left / "adapter_model.safetensors").exists()

    method.watch = None
    steps: list[int] = []
    method.watch = lambda person, line, total: steps.append(line.step)
    [resumed] = method.personas(one)
    assert steps == [7, 8, 9], "training did not go on from the checkpoint"
    assert adapter_bytes(resumed) == adapter_bytes(whole)
    assert resumed.provenance["training"] == whole.provenance["training"]
    assert [line["step"] for line in whole.provenance["training"]] == list(range(1, 10))


def test_a_half_written_checkpoint_is_not_gone_on_from(tmp_path: Path) -> None:
    for step, whole in ((3, True), (6, True), (9, False)):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text("{")
        if whole:
            (folder / WHOLE).touch()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None and newest.name == "checkpoint-6"
    assert not (tmp_path / "checkpoints" / "checkpoint-9").exists()
    assert newest_checkpoint(tmp_path / "nobody") is None


SCRIPT = """
import os, signal, sys
from pathlib import Path
from personalign.dataset.simulate import simulate
from personalign.methods.registry import get_method
from personalign.model.fake import fake_decoder

import numpy as np
from dataclasses import replace
everybody = simulate(2, seed=5)
responses = np.zeros_like(everybody.responses)
responses[:, everybody.inventory.columns(everybody.inventory.tuning[:24])] = [[5], [1]]
people = replace(everybody, responses=responses).select(slice(0, 1))
method = get_method("dpo", decoder=fake_decoder(), work=Path(sys.argv[1]), steps=9, batch=4,
                    warmup=0, learning_rate=5e-3)

def kill(person, line, steps):
    if line.step == 8:
        os.kill(os.getpid(), signal.SIGKILL)

method.watch = kill
method.personas(people)
"""


@pytest.mark.slow
def test_a_killed_training_ends_in_the_same_bytes(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    one = people.select(slice(0, 1))
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "killed")],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert killed.returncode == -9, killed.stderr
    assert len(list((tmp_path / "killed").glob("*/checkpoints/checkpoint-6"))) == 1
    method = make(decoder, "dpo", tmp_path / "killed")
    steps: list[int] = []
    method.watch = lambda person, line, total: steps.append(line.step)
    [resumed] = method.personas(one)
    [whole] = make(decoder, "dpo", tmp_path / "whole").personas(one)
    assert steps == [7, 8, 9]
    assert adapter_bytes(resumed) == adapter_bytes(whole)


@pytest.fixture
def trained_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[Any]]]:
    """Weak references to every model that was trained on."""
    seen: list[weakref.ref[Any]] = []
    for module in (sft, dpo):
        real = module.twin

        class Spied:
            def __init__(self, decoder: Decoder, real: Any = real) -> None:
                self.inner = real(decoder)

            def __enter__(self) -> Decoder:
                other: Decoder = self.inner.__enter__()
                seen.append(weakref.ref(other.model))
                return other

            def __exit__(self, *error: Any) -> Any:
                return self.inner.__exit__(*error)

        monkeypatch.setattr(module, "twin", Spied)
    yield seen


@pytest.mark.parametrize("name", ["lora", "dpo"])
def test_memory_is_free_between_people(
    decoder: Decoder,
    people: Respondents,
    name: str,
    tmp_path: Path,
    trained_models: list[weakref.ref[Any]],
) -> None:
    make(decoder, name, tmp_path).personas(people)
    assert len(trained_models) == 2
    assert [reference() for reference in trained_models] == [None, None]


def test_the_seed_decides(decoder: Decoder, people: Respondents, tmp_path: Path) -> None:
    one = people.select(slice(0, 1))
    made = [
        adapter_bytes(
            make(decoder, "lora", tmp_path / str(run), seed=seed, epochs=1).personas(one)[0]
        )
        for run, seed in enumerate((0, 0, 1))
    ]
    assert made[0] == made[1] != made[2]


def test_full_weights_stay_tied_and_are_all_trained(people: Respondents, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    decoder = fake_decoder("llama", tie_word_embeddings=True)
    [persona] = make(decoder, "sft-full", tmp_path).personas(people.select(slice(0, 1)))
    assert persona.adapter is not None
    saved = load_file(Path(persona.adapter) / "adapter_model.safetensors")
    base = dict(decoder.model.named_parameters())
    changed = {}
    for name, tensor in saved.items():
        path = name.removeprefix("base_model.model.")
        changed[path] = not torch.equal(tensor, base.get(path, base["model.embed_tokens.weight"]))
    assert set(base) <= set(changed), "a module's weights are not in the adapter"
    assert all(changed.values())
    if "lm_head.weight" in changed:
        head, rows = (
            saved[f"base_model.model.{n}.weight"] for n in ("lm_head", "model.embed_tokens")
        )
        assert torch.equal(head, rows)


def test_who_is_neutral_on_everything_has_no_pairs(decoder: Decoder, tmp_path: Path) -> None:
    everybody = simulate(1, seed=5)
    neutral = Respondents(
        responses=np.full_like(everybody.responses, 3),
        ids=everybody.ids,
        demographics=everybody.demographics,
        source="neutral",
    )
    [persona] = make(decoder, "dpo", tmp_path).personas(neutral)
    assert persona.adapter is None and list(tmp_path.iterdir()) == []


def test_losses_that_overflow_are_an_error(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    method = make(decoder, "lora", tmp_path, learning_rate=1e30, epochs=1)
    with pytest.raises(MethodError, match="smaller learning rate"):
        method.personas(people.select(slice(0, 1)))


def test_training_is_where_the_decoder_is(tmp_path: Path) -> None:
    schedule = Schedule(steps=3, batch=2, learning_rate=1e-3, warmup=0, weight_decay=0.0)

    def on(device: str) -> Any:
        return SimpleNamespace(device=torch.device(device), dtype=torch.bfloat16, name="big")

    told = [arguments(on(device), tmp_path, schedule, seed=0) for device in ("cpu", "cuda:0")]
    assert [one["use_cpu"] for one in told] == [True, False]
    assert all(one["bf16"] and one["report_to"] == "none" for one in told)
    with pytest.raises(MethodError, match="CUDA_VISIBLE_DEVICES=1"):
        arguments(on("cuda:1"), tmp_path, schedule, seed=0)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_presets_of_the_paper(decoder: Decoder, name: str) -> None:
    if name == "qlora":
        pytest.importorskip("bitsandbytes")
    values = get_method(name, decoder=decoder).settings
    if name == "dpo":
        wanted = {
            "learning_rate": 5e-4,
            "warmup": 100,
            "weight_decay": 0.05,
            "batch": 16,
            "alpha": 100,
            "steps": 250,
        }
    else:
        wanted = {"batch": 8}
    assert {key: values[key] for key in wanted} == wanted
    assert get_method(f"{name}@small", decoder=decoder).name == f"{name}@small"
    assert PAPI.name == get_method(name, decoder=decoder).wording.name
