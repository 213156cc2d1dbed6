"""`personalign export`: what it prints, what it leaves, and what it refuses, in a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from personalign.cli.export import export
from personalign.errors import ExportError, PersonaError
from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from tests.model.conftest import some_shift

APP = typer.Typer()
APP.command()(export)


@pytest.fixture
def persona(model: Path, tmp_path: Path) -> Path:
    decoder = Decoder.load(model, device="cpu")
    made = Persona(
        system_prompt="You are bold.",
        shift=some_shift(decoder),
        alpha=2.0,
        provenance=decoder.provenance,
    )
    return made.save(tmp_path / "me")


def test_it_writes_and_says_how_far_apart_and_what_to_do_next(
    persona: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(APP, [str(persona), "-o", str(out)])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "personalign_export.json").read_text())
    assert f"largest difference {record['check']['largest']:.2g}" in result.output
    assert f"vllm serve {out} --model-impl transformers" in result.output
    assert (out / "model.safetensors").exists()


def test_another_alpha_is_another_model(persona: Path, tmp_path: Path) -> None:
    for alpha in ("1", "2"):
        arguments = [str(persona), "-o", str(tmp_path / alpha), "--alpha", alpha]
        assert CliRunner().invoke(APP, arguments).exit_code == 0
    one, two = ((tmp_path / alpha / "model.safetensors").read_bytes() for alpha in ("1", "2"))
    assert one != two


def test_generated_positions_only_are_baked_when_asked_and_said(
    persona: Path, tmp_path: Path
) -> None:
    replace(Persona.load(persona), scope="generated").save(persona)
    out = tmp_path / "out"
    refused = CliRunner().invoke(APP, [str(persona), "-o", str(out)])
    assert isinstance(refused.exception, ExportError)
    assert "--everywhere" in str(refused.exception)
    assert not out.exists()
    baked = CliRunner().invoke(APP, [str(persona), "-o", str(out), "--everywhere"])
    assert baked.exit_code == 0, baked.output
    assert "another persona" in baked.output
    record = json.loads((out / "personalign_export.json").read_text())["persona"]
    assert (record["scope"], record["baked_everywhere"]) == ("generated", True)


def test_a_persona_of_a_model_behind_an_api_has_no_weights_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    from personalign.cli.models import open_model

    api = open_model("api:some-model", base_url="http://127.0.0.1:9/v1")
    made = Persona(system_prompt="You are bold.", provenance=dict(api.provenance))
    folder = made.save(tmp_path / "me")
    result = CliRunner().invoke(APP, [str(folder), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, ExportError)
    assert "behind an API" in str(result.exception)


def test_alpha_for_a_persona_that_pushes_nothing_is_refused(model: Path, tmp_path: Path) -> None:
    decoder = Decoder.load(model, device="cpu")
    folder = Persona(system_prompt="Hi.", provenance=decoder.provenance).save(tmp_path / "me")
    result = CliRunner().invoke(APP, [str(folder), "-o", str(tmp_path / "out"), "--alpha", "2"])
    assert isinstance(result.exception, PersonaError)
