"""`personalign profile`: the table, the JSON, the picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.profile import profile
from personalign.dataset.answers import write_answers
from personalign.dataset.people import Respondents
from personalign.errors import AnswersError, PeopleError
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.profile import profile_of

APP = typer.Typer()
APP.command()(profile)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    responses = np.random.default_rng(0).integers(1, 6, (1, 300)).astype(np.int8)
    path = tmp_path / "answers.json"
    write_answers(path, Respondents(responses, ("me",)).only(ipip_neo_300().tuning))
    return path


def _profile(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_every_trait_and_facet_has_a_row(answers: Path) -> None:
    result = _profile(answers)
    assert result.exit_code == 0, result.output
    assert "120 items answered" in result.output
    for name in (*TRAITS.values(), *FACETS.values()):
        assert name in result.output
    assert "percentile" not in result.output.split("Add --age")[0]


def test_percentiles_with_an_age(answers: Path) -> None:
    result = _profile(answers, "--age", 30, "--sex", "female")
    assert result.exit_code == 0, result.output
    assert "percentile" in result.output
    assert "women between 21 and 40 years old, 120-item norms" in result.output


def test_json_is_the_profile(answers: Path, tmp_path: Path) -> None:
    target = tmp_path / "profile.json"
    assert _profile(answers, "--age", 30, "--json", target).exit_code == 0
    stored = json.loads(target.read_text())
    responses = np.array(list(json.loads(answers.read_text())["answers"].values()))
    full = np.zeros(300, dtype=np.int8)
    full[ipip_neo_300().columns(ipip_neo_300().tuning)] = responses
    assert stored == {"answers": "answers.json", **profile_of(full, age=30).as_dict()}


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_picture(ending: str, start: bytes, answers: Path, tmp_path: Path) -> None:
    target = tmp_path / f"radar.{ending}"
    assert _profile(answers, "--figure", target).exit_code == 0
    assert target.read_bytes().startswith(start)


def test_what_is_refused(answers: Path, tmp_path: Path) -> None:
    for options, error in (
        (["--sex", "male"], AnswersError),
        (["--age", 7], AnswersError),
        (["--figure", tmp_path / "radar.pdf"], PeopleError),
    ):
        assert isinstance(_profile(answers, *options).exception, error)
    assert isinstance(_profile(tmp_path / "nobody.json").exception, AnswersError)
    assert [file.name for file in tmp_path.iterdir()] == ["answers.json"]
