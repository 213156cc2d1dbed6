"""`personalign cost` end to end on a tiny random model, and what `--set` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from personalign.cli.main import app
from personalign.cli.settings import method_settings
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.registry import METHODS
from personalign.methods.settings import settings_taken
from personalign.model.fake import fake_decoder

runner = CliRunner()


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("model")
    decoder = fake_decoder("llama")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    people = tmp_path_factory.mktemp("people") / "people.json"
    simulate(2, seed=3).write(people)
    return ["cost", "--people", str(people), "--model", str(folder), "--limit", "1"]


def test_table_json_and_figure(arguments: list[str], tmp_path: Path) -> None:
    found, drawn = tmp_path / "cost.json", tmp_path / "cost.svg"
    extra = ["--methods", "none,iti", "--set", "iti.heads=2", "--set", "iti.alpha=1.5"]
    extra += ["--json", str(found), "--figure", str(drawn), "--against", "iti"]
    result = runner.invoke(app, [*arguments, *extra])
    assert result.exit_code == 0, result.output
    assert "\nnone " in result.stdout and "\niti " in result.stdout
    told = json.loads(found.read_text())
    assert (told["against"], told["people"]) == ("iti", 1)
    assert told["methods"]["iti"]["settings"] == {"heads": 2, "alpha": 1.5, "seed": 0}
    assert told["methods"]["iti"]["times"]["seconds"] == 1.0
    assert "<svg" in drawn.read_text()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--methods", "none,magic"], "There is no method 'magic'"),
        (["--methods", "none,none"], "each only once"),
        (["--methods", "none", "--against", "pas"], "--against pas is not measured"),
        (["--methods", "none", "--figure", "cost.gif"], "ends in .svg or .png"),
        (
            ["--methods", "pas", "--set", "pas.knees=2"],
            "no setting 'knees'; its settings are heads,",
        ),
        (
            ["--methods", "pas", "--set", "caa.layer=2"],
            "caa, which does not run; the methods are pas",
        ),
        (["--methods", "none", "--set", "none.x=2"], "has no setting 'x'; it has none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], extra: list[str], words: str
) -> None:
    result = runner.invoke(app, [*arguments, *extra])
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())


def test_values_are_json_or_a_bare_word() -> None:
    given = ['pas.direction="probe"', "pas.prompt=few-shot", "caa.layer=null", "iti.alpha=2.5"]
    assert method_settings(given, ["pas", "caa", "iti"]) == {
        "pas": {"direction": "probe", "prompt": "few-shot"},
        "caa": {"layer": None},
        "iti": {"alpha": 2.5},
    }
    assert method_settings(["dpo@small.steps=7"], ["dpo@small"]) == {"dpo@small": {"steps": 7}}
    for wrong in ("pas", "pas.heads", "heads=3", "pas.=3"):
        with pytest.raises(MethodError, match="write METHOD"):
            method_settings([wrong], ["pas"])
    with pytest.raises(MethodError, match="is no JSON"):
        method_settings(["pas.heads=[1"], ["pas"])


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_says_what_it_takes(name: str) -> None:
    known = settings_taken(name)
    assert len(set(known)) == len(known) and "decoder" not in known and "changes" not in known
