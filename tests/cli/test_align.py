"""`personalign align`: answers in, a persona's folder out, all or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.align import align
from personalign.errors import MethodError, PersonaError
from personalign.inventory.items import ipip_neo_120
from personalign.methods.pas import Pas
from personalign.model.decoder import Decoder
from personalign.model.persona import Persona

APP = typer.Typer()
APP.command()(align)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def answers(tmp_path) -> Path:
    return write(tmp_path, np.random.default_rng(0).integers(1, 6, len(ipip_neo_120())).tolist())


def write(folder: Path, given: list[int]) -> Path:
    path = folder / "me.json"
    path.write_text(json.dumps(given))
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_a_persona_is_made_and_what_was_found_is_said(answers, model, tmp_path) -> None:
    out, facts = tmp_path / "me", tmp_path / "facts.json"
    result = run(answers, "--model", model, "-o", out, "--heads", 3, "--json", facts)
    assert result.exit_code == 0, result.output
    persona = Persona.load(out, Decoder.load(model))
    assert persona.shift is not None and len(persona.shift) == 3
    found = json.loads(facts.read_text())
    assert found["alpha"] == persona.alpha
    assert found["error_after"] <= found["error_before"]
    assert [[head["layer"], head["head"]] for head in found["heads"]] == persona.provenance["heads"]
    said = " ".join(result.stdout.split())
    assert f"alpha {persona.alpha:g}" in said
    assert f"{found['error_before']:.2f} before, {found['error_after']:.2f} after" in said
    assert "personalign chat" in said


def test_the_command_makes_what_the_library_makes(answers, model, tmp_path) -> None:
    from personalign.dataset.answers import read_answers

    assert run(answers, "--model", model, "-o", tmp_path / "me", "--seed", 4).exit_code == 0
    person = read_answers(answers)
    (expected,) = Pas(Decoder.load(model), seed=4).personas(person)
    assert Persona.load(tmp_path / "me").key == expected.key


def test_other_methods_are_taken_by_name(answers, model, tmp_path) -> None:
    result = run(answers, "--model", model, "-o", tmp_path / "me", "--method", "few-shot")
    assert result.exit_code == 0, result.output
    assert "no head is pushed" in result.stdout
    persona = Persona.load(tmp_path / "me")
    assert persona.shift is None and persona.system_prompt is not None


def test_somebody_without_opinions_is_told_so(model, tmp_path) -> None:
    result = run(write(tmp_path, [3] * 120), "--model", model, "-o", tmp_path / "me")
    assert result.exit_code == 0, result.output
    assert "neither agree nor disagree" in result.stdout
    assert not Persona.load(tmp_path / "me").steers


def test_a_persona_is_replaced_only_when_told(answers, model, tmp_path) -> None:
    out = tmp_path / "me"
    assert run(answers, "--model", model, "-o", out, "--method", "none").exit_code == 0
    before = (out / "persona.json").read_bytes()
    refused = run(answers, "--model", model, "-o", out)
    assert isinstance(refused.exception, PersonaError) and "--force" in str(refused.exception)
    assert (out / "persona.json").read_bytes() == before
    forced = run(answers, "--model", model, "-o", out, "--method", "few-shot", "--force")
    assert forced.exit_code == 0
    assert (out / "persona.json").read_bytes() != before


def test_a_folder_with_other_things_in_it_is_never_touched(answers, model, tmp_path) -> None:
    out = tmp_path / "me"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    refused = run(answers, "--model", model, "-o", out, "--force")
    assert isinstance(refused.exception, PersonaError)
    assert [path.name for path in out.iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("stage", ["prepare", "personas"])
def test_an_interrupted_run_leaves_nothing(answers, model, tmp_path, monkeypatch, stage) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pas, stage, interrupt)
    before = sorted(tmp_path.iterdir())
    assert run(answers, "--model", model, "-o", tmp_path / "me").exit_code != 0
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--heads", 99], "asked for 99 heads"),
        (["--method", "magic"], "no method 'magic'"),
        (["--method", "none", "--heads", 2], "cannot take these settings"),
    ],
)
def test_settings_that_do_not_fit_are_a_sentence(
    answers, model, tmp_path, arguments, error
) -> None:
    result = run(answers, "--model", model, "-o", tmp_path / "me", *arguments)
    assert isinstance(result.exception, MethodError) and error in str(result.exception)
    assert not (tmp_path / "me").exists()


def test_a_trained_persona_brings_its_adapter_and_its_curve(
    answers, model, tmp_path, monkeypatch
) -> None:
    from personalign.methods.registry import METHODS
    from tests.methods.test_trained import Toy

    monkeypatch.setitem(METHODS, "toy", Toy)
    out = tmp_path / "me"
    result = run(answers, "--model", model, "-o", out, "--method", "toy@small")
    assert result.exit_code == 0, result.output
    assert "toy@small: an adapter was trained in 2 steps; loss 1 at first, 0.5 at last." in (
        " ".join(result.output.split())
    )
    persona = Persona.load(out, Decoder.load(model))
    assert persona.adapter == str(out / "adapter")


def test_what_a_persona_costs_the_rest_is_told_and_kept(answers, model, tmp_path) -> None:
    result = run(answers, "--model", model, "-o", tmp_path / "me", "--heads", 3)
    assert result.exit_code == 0, result.output
    kept = Persona.load(tmp_path / "me").provenance["side_effects"]
    assert kept["kl"] > 0 and kept["perplexity"] != kept["plain_perplexity"]
    assert f"KL {kept['kl']:.3f} nats a token" in " ".join(result.stdout.split())


def test_a_budget_holds_alpha_and_says_so(answers, model, tmp_path) -> None:
    arguments = (answers, "--model", model, "--heads", 3)
    run(*arguments, "-o", tmp_path / "free")
    free = Persona.load(tmp_path / "free")
    budget = free.provenance["side_effects"]["kl"] / 4
    result = run(*arguments, "-o", tmp_path / "held", "--max-kl", budget)
    assert result.exit_code == 0, result.output
    held = Persona.load(tmp_path / "held")
    assert held.provenance["side_effects"]["kl"] <= budget + 1e-6
    assert 0 <= held.alpha < free.alpha == held.provenance["alpha_unbounded"]
    assert f"alpha was held at {held.alpha:.3g}" in " ".join(result.stdout.split())
    assert run(*arguments, "-o", tmp_path / "no", "--max-kl", -1).exit_code == 2
