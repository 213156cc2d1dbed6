"""The questionnaire in the terminal, by the keys a person presses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli import take as command
from personalign.dataset.answers import read_answers, read_sheet
from personalign.errors import AnswersError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300

SHORT = ipip_neo_300().columns(ipip_neo_120())
APP = typer.Typer()
APP.command()(command.take)


def _take(keys: str, path: Path, *options: str) -> Result:
    return CliRunner().invoke(APP, ["-o", str(path), *options], input=keys)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.json"


def test_120_keys_make_a_file(path: Path) -> None:
    keys = "12345" * 24
    result = _take(keys, path)
    assert result.exit_code == 0, result.output
    assert f"Wrote 120 answers to {path}" in result.output.replace("\n", "")
    assert read_answers(path).responses[0, SHORT].tolist() == [int(key) for key in keys]
    assert [file.name for file in path.parent.iterdir()] == ["answers.json"]


def test_the_full_form_as_csv(tmp_path: Path) -> None:
    keys = "54321" * 60
    assert _take(keys, tmp_path / "me.csv", "--form", "300").exit_code == 0
    person = read_answers(tmp_path / "me.csv")
    assert person.responses[0].tolist() == [int(key) for key in keys]


def test_statements_are_asked_in_the_form_s_order(path: Path) -> None:
    output = _take("333", path).output
    places = [output.index(item.statement) for item in ipip_neo_120().items[:4]]
    assert places == sorted(places)
    assert ipip_neo_120().items[4].statement not in output
    for words in ("1  Very Inaccurate", "5  Very Accurate", "2 of 120"):
        assert words in output


def test_back_changes_and_skip_leaves_out(path: Path) -> None:
    # 1 and 2 answered, back to 2, changed to 5; 3 skipped; 4 answered, back, kept by s.
    _take("12b5s4bs" + "3" * 116, path)
    answers = read_answers(path).responses[0, SHORT]
    assert answers[:5].tolist() == [1, 5, 0, 4, 3]
    assert np.count_nonzero(answers) == 119


def test_back_at_the_beginning_and_unknown_keys(path: Path) -> None:
    result = _take("bx09\n 4q", path)
    assert "That key does nothing here" in result.output
    sheet = read_sheet(path.with_name("answers.partial.json"))
    assert sheet.answers[:2] == (4, None)


@pytest.mark.parametrize("ending", ["", "q"])
def test_interrupted_and_resumed_equals_uninterrupted(ending: str, tmp_path: Path) -> None:
    keys = "1s345" * 24
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    _take(keys, whole)
    for start in range(0, 120, 30):
        result = _take(keys[start : start + 30] + ending, parts)
        assert result.exit_code == 0
        if start < 90:
            assert "Saved in" in result.output
            assert not parts.exists()
    if ending:  # q after the last item saves the sheet without finishing it
        assert not parts.exists()
        partial = tmp_path / "parts.partial.json"
        assert partial.read_text() == whole.read_text()
        return
    assert parts.read_text() == whole.read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["parts.json", "whole.json"]


def test_the_end_can_be_left_backwards(path: Path) -> None:
    _take("3" * 120 + "b5", path)
    answers = read_answers(path).responses[0, SHORT]
    assert answers[-2:].tolist() == [3, 5]


def test_too_few_answers_keep_the_sheet_for_the_skipped_ones(path: Path) -> None:
    result = _take("3" * 59 + "s" * 61, path)
    assert isinstance(result.exception, AnswersError)
    assert "59 of the 120 short-form items are answered" in str(result.exception)
    assert not path.exists()
    result = _take("4", path)  # goes on with the first skipped item
    assert result.exit_code == 0
    assert read_sheet(path.with_name("answers.partial.json")).answers[58:61] == (3, 4, 0)


def test_nothing_pressed_nothing_written(path: Path) -> None:
    result = _take("q", path)
    assert result.exit_code == 0
    assert "nothing was saved" in result.output
    assert list(path.parent.iterdir()) == []


def test_answers_are_never_overwritten(path: Path) -> None:
    path.write_text("mine")
    result = _take("3" * 120, path)
    assert isinstance(result.exception, AnswersError)
    assert "exists already" in str(result.exception)
    assert path.read_text() == "mine"


def test_a_sheet_of_another_form_is_not_mixed(path: Path) -> None:
    _take("333q", path, "--form", "300")
    result = _take("3", path, "--form", "120")
    assert isinstance(result.exception, AnswersError)
    assert "begun with the 300-item form" in str(result.exception)
    assert "5 of 300" in _take("3", path).output


def test_other_endings_are_refused(tmp_path: Path) -> None:
    result = _take("", tmp_path / "answers.txt")
    assert isinstance(result.exception, AnswersError)


def test_a_terminal_is_read_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    def ended() -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for getchar, wanted in ((lambda: "B", "b"), (interrupted, "\x03"), (ended, "\x04")):
        monkeypatch.setattr(typer, "getchar", getchar)
        assert command._read_key() == wanted
