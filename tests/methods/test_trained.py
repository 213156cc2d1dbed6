"""Training people one by one: presets, work folders, the marker last, nothing trained twice.

With a method of the test's own, which trains nothing and needs no package: prompt tuning's files
written by hand.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from filelock import FileLock
from safetensors.torch import save_file

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError, MissingPackageError
from personalign.inventory.items import Item
from personalign.methods import trained
from personalign.methods.registry import METHODS, get_method, method_class
from personalign.methods.trained import LOCK, MARKER, StepProgress, TrainedMethod, TrainingStep
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder


@dataclass(frozen=True)
class ToySettings:
    steps: int = 4
    """Steps."""
    stop_at: int = 0
    """Fail there once; 0 never."""


class Toy(TrainedMethod):
    name = "toy"
    description = "Writes a virtual token."
    presets: ClassVar = {"paper": ToySettings(), "small": ToySettings(steps=2)}
    packages = ()
    trainings = 0

    def train(
        self,
        items: Sequence[Item],
        responses: Sequence[int],
        folder: Path,
        *,
        seed: int,
        progress: StepProgress,
    ) -> list[TrainingStep]:
        self.trainings += 1
        curve = []
        for step in range(1, self.values.steps + 1):
            curve.append(TrainingStep(step, {"loss": 1.0 / step}))
            progress(curve[-1], self.values.steps)
            (folder / "checkpoints").mkdir(exist_ok=True)
            if step == self.values.stop_at and self.trainings == 1:
                raise KeyboardInterrupt
        row = torch.full((1, 32), float(sum(responses)) / 100)
        save_file({"prompt_embeddings": row}, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING"}')
        return curve


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder()


@pytest.fixture(scope="module")
def people() -> Respondents:
    everybody = simulate(3, seed=5)
    return everybody.only(everybody.inventory.tuning)


def test_everybody_gets_an_adapter_and_the_curve(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    method = Toy(decoder, work=tmp_path)
    done: list[tuple[int, int]] = []
    watched: list[tuple[int, int, int]] = []
    method.watch = lambda person, line, steps: watched.append((person, line.step, steps))
    personas = method.personas(people, progress=lambda part, whole: done.append((part, whole)))
    assert len({persona.key for persona in personas}) == 3
    for persona in personas:
        told = persona.provenance
        assert told["method"] == "toy" and told["preset"] == "paper"
        assert told["training"][0] == {"step": 1, "loss": 1.0}
        assert told["training"][-1] == {"step": 4, "loss": 0.25}
        assert told["training_seconds"] >= 0
        assert told["fingerprint"] == decoder.fingerprint
    assert done == sorted(done) and done[-1] == (3000, 3000)
    assert watched == [(person, step, 4) for person in range(3) for step in range(1, 5)]
    answers = answer_items(decoder, personas, people.inventory.held_out[:2]).log_probs
    assert abs(answers[0] - answers[1]).max() > 0
    for folder in tmp_path.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == [
            "adapter_config.json",
            "adapter_model.safetensors",
            MARKER,
            LOCK,
        ]
        assert "adapter" not in json.loads((folder / MARKER).read_text())


def test_what_is_finished_is_not_trained_again(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    first = Toy(decoder, work=tmp_path).personas(people)
    again = Toy(decoder, work=tmp_path)
    assert [p.key for p in again.personas(people)] == [p.key for p in first]
    assert again.trainings == 0
    assert again.personas(people)[0].provenance == first[0].provenance
    assert first[0].adapter is not None
    (Path(first[0].adapter) / MARKER).unlink()
    again.personas(people)
    assert again.trainings == 1
    for other in (
        Toy(decoder, work=tmp_path, seed=1),
        Toy(decoder, work=tmp_path, steps=3),
        Toy(decoder, work=tmp_path, preset="small"),
        Toy(fake_decoder(seed=1), work=tmp_path),
    ):
        other.personas(people.select(slice(0, 1)))
        assert other.trainings == 1, "another setting or model took this one's adapter"


def test_somebody_whom_another_process_trains_is_waited_for(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    """While the lock is held nothing is trained; what is finished when it goes is taken."""
    one = people.select([0])
    [first] = Toy(decoder, work=tmp_path / "first").personas(one)
    [done] = (tmp_path / "first").iterdir()
    folder = tmp_path / "second" / done.name
    folder.mkdir(parents=True)
    method = Toy(decoder, work=tmp_path / "second")
    with ThreadPoolExecutor() as pool:
        with FileLock(folder / LOCK):
            waiting = pool.submit(method.personas, one)
            time.sleep(0.3)
            assert not waiting.done() and method.trainings == 0
            for path in done.iterdir():
                if path.name != LOCK:
                    shutil.copy(path, folder)
        [second] = waiting.result(timeout=30)
    assert method.trainings == 0
    assert second.provenance["training_seconds"] == first.provenance["training_seconds"]


def test_an_interrupted_person_has_no_marker_and_those_before_stay(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    method = Toy(decoder, work=tmp_path, stop_at=2)
    with pytest.raises(KeyboardInterrupt):
        method.personas(people)
    assert not list(tmp_path.glob(f"*/{MARKER}"))
    assert len(method.personas(people)) == 3 and method.trainings == 4


def test_who_said_nothing_gets_the_plain_model(decoder: Decoder, tmp_path: Path) -> None:
    everybody = simulate(1, seed=5)
    silent = everybody.only(())
    method = Toy(decoder, work=tmp_path)
    [persona] = method.personas(silent)
    assert persona.adapter is None and method.trainings == 0
    assert persona.provenance["training"] == []


def test_presets_and_changes(decoder: Decoder, tmp_path: Path) -> None:
    assert Toy(decoder).name == "toy" and Toy(decoder).values.steps == 4
    small = Toy(decoder, preset="small", steps=7)
    assert small.name == "toy@small"
    assert small.settings == {"preset": "small", "seed": 0, "steps": 7, "stop_at": 0}
    assert set(Toy.settings_taken()) == {"preset", "seed", "work", "wording", "steps", "stop_at"}
    with pytest.raises(MethodError, match="no preset 'large'; choose one of paper, small"):
        Toy(decoder, preset="large")
    with pytest.raises(MethodError, match="no setting 'stpes'; its settings are steps, stop_at"):
        Toy(decoder, stpes=3)
    with pytest.raises(MethodError, match="cannot be written to"):
        (tmp_path / "file").write_text("x")
        Toy(decoder, work=tmp_path / "file").personas(simulate(1))


def test_names_with_a_preset(
    decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "toy", Toy)
    made = get_method("toy@small", decoder=decoder, work=tmp_path, steps=1)
    assert made.name == "toy@small" and made.settings["steps"] == 1
    assert method_class("toy@small") is Toy
    with pytest.raises(MethodError, match="no preset 'big'"):
        get_method("toy@big", decoder=decoder)
    with pytest.raises(MethodError, match="none has no presets"):
        get_method("none@small", decoder=decoder)
    with pytest.raises(MethodError, match="no method 'toys'"):
        get_method("toys@small", decoder=decoder)


def test_a_missing_package_says_how_to_install_it(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"peft.*personalign\[train\]"):
        get_method("dpo", decoder=decoder)
