"""A run's TOML: what is read, and what is refused, with the key and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalign.bench.run.spec import parse_spec, read_spec
from personalign.errors import EvaluationError

SMALL = """title = "Small"

[people]
simulated = 4

[methods]
names = ["none", "pas"]
settings.pas.heads = 4

[evaluations.aligned]
max_kl = 0.5
"""


def test_what_stands_there_is_read() -> None:
    spec = parse_spec(SMALL, "small.toml")
    assert spec.methods.names == ("none", "pas")
    assert spec.methods.settings == {"pas": {"heads": 4}}
    assert spec.evaluations == {"aligned": {"max_kl": 0.5}}
    assert (spec.model.name, spec.seeds, spec.threads) == ("pocket", (0,), 1)


def test_the_digest_is_of_what_changes_numbers() -> None:
    digest = parse_spec(SMALL, "a").digest
    assert parse_spec(SMALL.replace("Small", "Other"), "b").digest == digest
    assert parse_spec('about = "Why."\n' + SMALL, "b").digest == digest
    for old, new in (("= 4\n\n", "= 5\n\n"), ("heads = 4", "heads = 5"), ("0.5", "0.6")):
        assert parse_spec(SMALL.replace(old, new, 1), "b").digest != digest
    assert parse_spec("threads = 2\n" + SMALL, "b").digest != digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("simulated = 4", "simulated = 0", r"\(line 4\): people\.simulated: .*got 0"),
        ("simulated = 4", "simulate = 4", r"\(line 4\): people\.simulate: there is no such key"),
        ("simulated = 4", "", r"\(line 3\): people: give either a file of people or how many"),
        ("simulated = 4", 'simulated = 4\nfile = "a.json"', "give either a file"),
        ('"none", "pas"', '"none", "pass"', r"\(line 6\): methods: There is no method 'pass'"),
        ('"none", "pas"', '"pas", "pas"', "each name stands there once; got pas, pas"),
        ("pas.heads", "pas.head", "the method pas has no setting 'head'; its settings are heads"),
        ('"pas"]', '"pas", "mine"]', "There is no method 'mine'"),
        ('"pas"]', '"pas", "a b"]', "'a b' is no name"),
        ("pas.heads", "iti.heads", "settings.iti is for a method that does not run"),
        ("aligned", "align", "there is no evaluation 'align'; the evaluations are aligned"),
        ("max_kl = 0.5", "max_kl = -1", r"aligned\.max_kl: .*greater than or equal to 0; got -1"),
        ("max_kl", "kl", r"evaluations: aligned\.kl: there is no such key"),
        ('title = "Small"', "", "title: it is missing"),
        ('title = "Small"', 'title = "Small"\nseeds = [1, 1]', r"\(line 2\): seeds: seeds are"),
        ('title = "Small"', "title = Small", "is no TOML: .*line 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        parse_spec(SMALL.replace(old, new, 1), "small.toml")


def test_paths_begin_at_the_toml_and_take_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace("simulated = 4", 'file = "$FOLDER/people.json"'))
    spec = read_spec(path)
    monkeypatch.delenv("FOLDER", raising=False)
    with pytest.raises(EvaluationError, match="variable FOLDER is not set"):
        spec.people_file(tmp_path)
    monkeypatch.setenv("FOLDER", "sub")
    assert spec.people_file(tmp_path) == tmp_path / "sub/people.json"
    monkeypatch.setenv("FOLDER", "/elsewhere")
    assert spec.people_file(tmp_path) == Path("/elsewhere/people.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.toml cannot be read as a run's TOML"):
        read_spec(tmp_path / "none.toml")


def test_a_method_may_run_several_times_under_names_of_its_own() -> None:
    text = SMALL.replace('"none", "pas"', '"pas", "pas-2"') + "\n"
    text = text.replace(
        "\n[evaluations", 'settings.pas-2 = {method = "pas", heads = 2}\n\n[evaluations'
    )
    methods = parse_spec(text, "several.toml").methods
    assert [methods.kind(name) for name in methods.names] == ["pas", "pas"]
    assert methods.own("pas-2") == {"heads": 2}
    with pytest.raises(EvaluationError, match="the method pas has no setting 'layers'"):
        parse_spec(text.replace("heads = 2}", "layers = 2}"), "several.toml")


@pytest.mark.parametrize("path", sorted(Path("runs").rglob("*.toml")), ids=str)
def test_the_runs_that_come_with_the_project_are_runs(path: Path) -> None:
    spec = read_spec(Path(__file__).resolve().parents[3] / path)
    twin = path.parts[1]
    assert (spec.model.name == "pocket") == (twin == "pocket")
    other = "llama3" if twin == "pocket" else "pocket"
    assert (path.parents[1] / other / path.name).exists(), "it has no twin"
