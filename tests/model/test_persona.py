"""Personas and their files: equality, keys, all-or-nothing writing, and every way to be corrupt."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.errors import PersonaError, SteeringError
from personalign.model import files
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PERSONA_FILE, PLAIN, SHIFT_FILE, Persona
from personalign.model.shift import Shift
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift


@pytest.fixture
def persona(llama: Decoder) -> Persona:
    return Persona(
        system_prompt='You are "Zoë".\n',
        shift=some_shift(llama, sigma=0.3),
        alpha=1.7,
        scope="generated",
        provenance={**llama.provenance, "method": "pas", "alpha_curve": [[0.5, 2.25]]},
    )


def test_saved_and_loaded_is_equal_and_steers_equally(
    llama: Decoder, persona: Persona, tmp_path: Path
) -> None:
    folder = persona.save(tmp_path / "new" / "zoe")
    loaded = Persona.load(folder, llama)
    assert loaded == persona and loaded.key == persona.key
    assert loaded.provenance == persona.provenance
    assert sorted(path.name for path in folder.iterdir()) == [PERSONA_FILE, SHIFT_FILE]
    assert os.listdir(tmp_path / "new") == ["zoe"], "a temporary folder was left behind"
    logits = []
    for one in (persona, loaded):
        with steer_heads(llama, row_displacements(llama, [one] * 3)):
            logits.append(last_logits(llama, sequences_of(llama)))
    assert torch.equal(*logits)


@pytest.mark.parametrize("plain", [PLAIN, Persona("Be short.")])
def test_a_persona_without_a_shift_is_one_file(plain: Persona, tmp_path: Path) -> None:
    folder = plain.save(tmp_path / "plain")
    assert os.listdir(folder) == [PERSONA_FILE]
    assert Persona.load(folder) == plain


def test_the_files_can_be_read_without_personalign(persona: Persona, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = persona.save(tmp_path / "zoe")
    arrays = load_file(folder / SHIFT_FILE)
    assert persona.shift is not None
    np.testing.assert_array_equal(arrays["directions"], persona.shift.directions)
    assert set(arrays) == {"layers", "heads", "directions", "sigmas"}
    assert json.loads((folder / PERSONA_FILE).read_text())["alpha"] == 1.7


def test_the_key_is_what_changes_behaviour(llama: Decoder) -> None:
    shift = some_shift(llama)
    assert Persona(alpha=3).key == PLAIN.key == Persona(shift=shift).key
    assert not Persona(shift=some_shift(llama, sigma=0.0), alpha=2.0).steers
    different = [
        PLAIN,
        Persona("Be short."),
        Persona(shift=shift, alpha=1.0),
        Persona(shift=shift, alpha=2.0),
        Persona(shift=shift, alpha=2.0, scope="generated"),
        Persona(shift=some_shift(llama, seed=5), alpha=2.0),
        Persona("Be short.", shift=shift, alpha=2.0),
    ]
    assert len({one.key for one in different}) == len(different)
    prompted = Persona("Be short.", shift=shift, alpha=2.0)
    assert prompted.steering_key == Persona(shift=shift, alpha=2.0).steering_key
    assert PLAIN.steering_key == ""
    assert Persona(provenance={"a": 1}) == Persona(provenance={"b": 2})


def test_strength_is_changed_on_a_copy(persona: Persona) -> None:
    stronger = persona.with_alpha(4)
    assert (stronger.alpha, persona.alpha) == (4.0, 1.7)
    assert stronger.shift is persona.shift and stronger.provenance == persona.provenance


def test_bad_values_are_refused() -> None:
    with pytest.raises(SteeringError, match="Alpha is nan"):
        Persona(alpha=float("nan"))
    with pytest.raises(SteeringError, match="Alpha is 'much'"):
        Persona(alpha="much")  # type: ignore[arg-type]
    with pytest.raises(PersonaError, match="'all' or 'generated'"):
        Persona(scope="prompt")  # type: ignore[arg-type]


def test_a_persona_of_another_model_is_refused_naming_both(
    persona: Persona, tmp_path: Path
) -> None:
    folder = persona.save(tmp_path / "zoe")
    other = fake_decoder("gpt2")
    with pytest.raises(PersonaError) as caught:
        Persona.load(folder, other)
    for name in ("fake llama", "fake gpt2", other.fingerprint[:12]):
        assert name in str(caught.value)
    assert Persona.load(folder) == persona


def test_a_shift_of_unknown_origin_must_at_least_fit(persona: Persona, tmp_path: Path) -> None:
    nameless = Persona(shift=persona.shift, alpha=1.0)
    folder = nameless.save(tmp_path / "nameless")
    with pytest.raises(PersonaError, match="does not fit fake llama"):
        Persona.load(folder, fake_decoder("llama", head_dim=16))


def test_answers_are_written_only_when_asked(tmp_path: Path) -> None:
    persona = Persona(provenance={"method": "pas", "answers": [1, 2, 3]})
    assert Persona.load(persona.save(tmp_path / "a")).provenance == {"method": "pas"}
    kept = Persona.load(persona.save(tmp_path / "b", keep_answers=True))
    assert kept.provenance["answers"] == [1, 2, 3]


def test_an_older_persona_is_replaced_and_other_files_stay(
    persona: Persona, tmp_path: Path
) -> None:
    folder = persona.save(tmp_path / "zoe")
    (folder / "notes.txt").write_text("mine")
    (folder / "drawer").mkdir()
    (folder / "drawer" / "letter").write_text("kept")
    Persona("Be short.").save(folder)
    assert Persona.load(folder) == Persona("Be short.")
    assert sorted(os.listdir(folder)) == ["drawer", "notes.txt", PERSONA_FILE]
    assert (folder / "drawer" / "letter").read_text() == "kept"
    assert os.listdir(tmp_path) == ["zoe"]


def test_a_folder_of_something_else_is_not_overwritten(persona: Persona, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    with pytest.raises(PersonaError, match="holds no persona, so it is not overwritten"):
        persona.save(tmp_path / "photos")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PersonaError, match="not overwritten"):
        persona.save(tmp_path / "file")
    with pytest.raises(PersonaError, match="cannot be written"):
        persona.save(tmp_path / "file" / "below")
    (tmp_path / "empty").mkdir()
    assert Persona.load(persona.save(tmp_path / "empty")) == persona


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_an_interrupted_save_leaves_nothing_half_written(
    persona: Persona, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool, step: str
) -> None:
    folder = tmp_path / "zoe"
    if exists:
        Persona("Be short.").save(folder)
    real, calls = getattr(os, step), [0]

    def broken(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == (2 if exists and step == "rename" else 1):  # the one into place
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(files.os, step, broken)
    with pytest.raises(PersonaError, match="No space left on device"):
        persona.save(folder)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["zoe"] if exists else [])
    if exists:
        assert Persona.load(folder) == Persona("Be short.")


def test_provenance_that_is_no_json_is_refused_before_writing(tmp_path: Path) -> None:
    for value in (float("nan"), {1, 2}, np.array([np.inf])):
        with pytest.raises(PersonaError, match="cannot be written as JSON"):
            Persona(provenance={"curve": value}).save(tmp_path / "bad")
    assert os.listdir(tmp_path) == []


def test_numbers_of_numpy_are_written_as_python_s(tmp_path: Path) -> None:
    curve = {"alphas": np.array([0.5, 1.0]), "best": np.int64(1), "loss": np.float32(0.25)}
    folder = Persona(provenance=curve).save(tmp_path / "a")
    assert Persona.load(folder).provenance == {"alphas": [0.5, 1.0], "best": 1, "loss": 0.25}


def test_no_file_at_all_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="does not exist"):
        Persona.load(tmp_path / "nobody")
    with pytest.raises(PersonaError, match=r"holds no persona\.json"):
        Persona.load(tmp_path)


def broken_json(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        record = json.loads((folder / PERSONA_FILE).read_text())
        for name, value in changes.items():
            if value is None:
                del record[name]
            else:
                record[name] = value
        (folder / PERSONA_FILE).write_text(json.dumps(record))

    return change


def truncated(name: str, keep: float) -> Any:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return change


def flipped(folder: Path) -> None:
    content = bytearray((folder / SHIFT_FILE).read_bytes())
    content[-1] ^= 1
    (folder / SHIFT_FILE).write_bytes(content)


def another(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"layers": np.zeros(1)}, folder / SHIFT_FILE)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated(PERSONA_FILE, 0.5), "cannot be read as JSON"),
        (truncated(PERSONA_FILE, 0), "cannot be read as JSON"),
        (truncated(SHIFT_FILE, 0.9), "corrupt or truncated"),
        (truncated(SHIFT_FILE, 0.1), "corrupt or truncated"),
        (truncated(SHIFT_FILE, 0), "corrupt or truncated"),
        (flipped, "digest"),
        (another, "has no heads"),
        (lambda folder: (folder / SHIFT_FILE).unlink(), "is missing"),
        (lambda folder: (folder / PERSONA_FILE).write_bytes(b"\xff\xfe{"), "cannot be read"),
        (lambda folder: (folder / PERSONA_FILE).write_text("[1]"), "has format 'list'"),
        (broken_json(format=99), "has format 99; .* reads format 1"),
        (broken_json(alpha=None), "'alpha' is missing"),
        (broken_json(alpha="much"), "is corrupt"),
        (broken_json(scope="prompt"), "'all' or 'generated'"),
        (broken_json(system_prompt=["a"]), "neither a text nor null"),
        (broken_json(shift={}), "'digest' is missing"),
        (broken_json(shift=3), "is corrupt"),
        (broken_json(provenance=3), "is corrupt"),
    ],
)
def test_damaged_files_are_a_sentence(
    persona: Persona, tmp_path: Path, damage: Any, reason: str
) -> None:
    folder = persona.save(tmp_path / "zoe")
    damage(folder)
    with pytest.raises(PersonaError, match=reason):
        Persona.load(folder)


def test_a_shift_file_with_bad_values_is_refused(persona: Persona, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = persona.save(tmp_path / "zoe")
    shift = persona.shift
    assert isinstance(shift, Shift)
    save_file(
        {
            "layers": shift.layers,
            "heads": shift.heads,
            "directions": shift.directions * np.nan,
            "sigmas": shift.sigmas,
        },
        folder / SHIFT_FILE,
    )
    with pytest.raises(PersonaError, match=r"is corrupt\. The directions .* not finite"):
        Persona.load(folder)


def test_packed_and_unpacked_it_is_the_same(llama: Decoder) -> None:
    persona = Persona(
        "You are Ann.", shift=some_shift(llama), alpha=2.0, provenance=llama.provenance
    )
    again = Persona.unpack(persona.pack(), llama)
    assert again == persona and again.key == persona.key
    with pytest.raises(PersonaError, match="no packed persona"):
        Persona.unpack(b"PK but no archive")
    with pytest.raises(PersonaError, match="adapter"):
        Persona(adapter="somewhere").pack()
