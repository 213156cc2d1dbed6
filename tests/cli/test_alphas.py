"""`personalign alphas` as somebody meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.alphas import alphas
from personalign.errors import EvaluationError, PersonaError
from personalign.evaluation.alpha_case import PAPER_PROMPT
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import Persona
from personalign.model.shift import Shift

APP = typer.Typer()
APP.command()(alphas)


@pytest.fixture(scope="module")
def decoder(model: Path) -> Decoder:
    return Decoder.load(model)


@pytest.fixture
def folder(decoder: Decoder, tmp_path: Path) -> Path:
    shift = Shift([0, 1], [0, 1], np.eye(8)[:2], [4.0, 4.0])
    known = {**decoder.provenance, "method": "pas"}
    return Persona(shift=shift, alpha=2.0, provenance=known).save(tmp_path / "me")


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_replies_costs_and_files(decoder: Decoder, folder: Path, tmp_path: Path) -> None:
    facts, page = tmp_path / "facts.json", tmp_path / "alphas.html"
    asked = ("--prompt", "Who are you?", "--alphas", "0,best,8", "--max-tokens", 6)
    result = run(folder, *asked, "--json", facts, "--html", page)
    assert result.exit_code == 0, result.output
    found = json.loads(facts.read_text())
    assert found["fingerprint"] == decoder.fingerprint
    assert [(row["alpha"], row["best"]) for row in found["rows"]] == [
        (0, False),
        (2, True),
        (8, False),
    ]
    printed = result.stdout
    for row in found["rows"]:
        assert f"KL {row['cost']['kl']:.3f}" in printed
    assert "alpha 2, its own" in printed and "pas: Who are you?" in printed
    assert "Who are you?" in page.read_text() and page.read_text().count('class="after"') == 1
    assert f"Wrote {facts}" in printed and f"Wrote {page}" in printed


def test_two_personas_of_one_method_keep_their_folders(folder: Path, tmp_path: Path) -> None:
    other = Persona.load(folder).with_alpha(3.0).save(tmp_path / "you")
    facts = tmp_path / "facts.json"
    result = run(folder, other, "--alphas", "best", "--max-tokens", 4, "--json", facts)
    assert result.exit_code == 0, result.output
    rows = json.loads(facts.read_text())["rows"]
    assert [row["persona"] for row in rows] == [f"{folder}: pas", f"{other}: pas"]
    assert rows[0]["prompt"] == PAPER_PROMPT


def test_what_cannot_be_is_refused_in_words(folder: Path, model: Path, tmp_path: Path) -> None:
    told = Persona(system_prompt="You worry.").save(tmp_path / "told")
    foreign = fake_decoder(seed=1)
    shift = Shift([0], [0], np.eye(8)[:1], [1.0])
    stranger = Persona(shift=shift, alpha=1.0, provenance=foreign.provenance)
    away = stranger.save(tmp_path / "away")
    for arguments, error, reason in (
        ((folder, "--alphas", "0,strong"), EvaluationError, "'strong'"),
        ((folder, told), PersonaError, "shifts no heads"),
        ((folder, away), PersonaError, "was made for the model"),
        ((tmp_path / "nobody",), PersonaError, "does not exist"),
    ):
        result = run(*arguments)
        assert isinstance(result.exception, error) and reason in str(result.exception), arguments
