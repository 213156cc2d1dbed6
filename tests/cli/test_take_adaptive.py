"""The adaptive questionnaire in the terminal, by the keys a person presses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli import profile, take
from personalign.dataset.answers import read_answers, read_sheet
from personalign.errors import AnswersError
from personalign.inventory.items import ipip_neo_120

APP = typer.Typer()
APP.command()(take.take)


def _take(keys: str, path: Path, *options: str) -> Result:
    return CliRunner().invoke(APP, ["-o", str(path), "--adaptive", *options], input=keys)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "me.json"


def test_25_keys_make_a_file_that_is_accepted(path: Path) -> None:
    result = _take("12345" * 5, path, "--items", "25")
    assert result.exit_code == 0, result.output
    assert "Wrote 25 answers" in result.output
    sheet = read_sheet(path)
    assert sheet.adaptive and sheet.tuning_answered == 25
    assert json.loads(path.read_text())["adaptive"] is True
    asked = [sheet.inventory.items[place].statement for place in sheet.asked or ()]
    places = [result.output.index(statement) for statement in asked]
    assert places == sorted(places)  # kept in the order they were put
    assert (read_answers(path).responses > 0).sum() == 25


def test_the_end_tells_the_standard_errors(path: Path) -> None:
    output = _take("4" * 30, path).output
    assert len(re.findall(r"[A-Z]\w+ +[+-]\d\.\d\d +0\.\d\d", output)) == 5


def test_it_stops_at_a_standard_error(path: Path) -> None:
    loose = _take("4" * 120, path, "--standard-error", "0.6")
    few = read_sheet(path).tuning_answered
    path.unlink()
    _take("4" * 120, path, "--standard-error", "0.5")
    more = read_sheet(path).tuning_answered
    assert 10 <= few < more < 120
    assert "0.6 was reached" in loose.output
    path.unlink()
    limited = _take("4" * 120, path, "--standard-error", "0.5", "--items", "12")
    assert read_sheet(path).tuning_answered == 12
    assert "0.5 was not reached" in limited.output


def test_a_skipped_item_is_not_put_again_and_does_not_count(path: Path) -> None:
    _take("s" + "3" * 12, path, "--items", "12")
    sheet = read_sheet(path)
    assert sheet.tuning_answered == 12
    assert sheet.asked is not None and len(sheet.asked) == 13
    assert sheet.answers[sheet.asked[0]] == 0


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_interrupted_and_resumed_equals_uninterrupted(ending: str, tmp_path: Path) -> None:
    keys = "1s34552341" * 3
    whole, parts = tmp_path / f"whole.{ending}", tmp_path / f"parts.{ending}"
    _take(keys, whole, "--items", "25")
    for start in range(0, 30, 9):
        assert _take(keys[start : start + 9], parts, "--items", "25").exit_code == 0
    assert parts.read_text() == whole.read_text()
    assert not parts.with_name("parts.partial.json").exists()


def test_back_goes_the_way_that_was_asked_and_changes(path: Path) -> None:
    _take("125bb4" + "3" * 10, path, "--items", "10")
    sheet = read_sheet(path)
    given = [sheet.answers[place] for place in sheet.asked or ()]
    assert given == [1, 4, 3, 3, 3, 3, 3, 3, 3, 3]


def test_back_at_the_beginning_and_from_the_end(path: Path) -> None:
    _take("bb" + "3" * 10 + "b5", path, "--items", "10")
    sheet = read_sheet(path)
    assert [sheet.answers[place] for place in sheet.asked or ()] == [3] * 9 + [5]


def test_what_is_asked_goes_by_the_answers(path: Path, tmp_path: Path) -> None:
    _take("5" * 30, path)
    _take("1" * 30, tmp_path / "other.json")
    one, other = read_sheet(path).asked, read_sheet(tmp_path / "other.json").asked
    assert one is not None and other is not None
    assert one[0] == other[0] and one != other


def test_skipping_everything_says_what_is_needed_and_goes_on_with_the_skipped(path: Path) -> None:
    result = _take("s" * 121, path)
    assert isinstance(result.exception, AnswersError) or result.exit_code == 0
    assert not path.exists()
    partial = path.with_name("me.partial.json")
    assert read_sheet(partial).tuning_answered == 0
    _take("4" * 5 + "q", path)
    assert read_sheet(partial).tuning_answered == 5


def test_an_ordinary_sheet_and_an_adaptive_one_are_not_mixed(path: Path) -> None:
    _take("333q", path)
    result = CliRunner().invoke(APP, ["-o", str(path)], input="3")
    assert "was begun with --adaptive" in str(result.exception)
    path.with_name("me.partial.json").unlink()
    CliRunner().invoke(APP, ["-o", str(path)], input="333q")
    assert "was begun without --adaptive" in str(_take("3", path).exception)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--items", "20"], "Add --adaptive"),
        (["--standard-error", "0.5"], "Add --adaptive"),
        (["--adaptive", "--form", "300"], "120-item form"),
        (["--adaptive", "--standard-error", "0"], "cannot be"),
        (["--adaptive", "--standard-error", "1"], "cannot be"),
    ],
)
def test_options_that_contradict_each_other(options: list[str], sentence: str, path: Path) -> None:
    result = CliRunner().invoke(APP, ["-o", str(path), *options], input="3")
    assert isinstance(result.exception, AnswersError) and sentence in str(result.exception)
    assert list(path.parent.iterdir()) == []


def test_the_profile_takes_it(path: Path) -> None:
    _take("12345" * 5, path, "--items", "25")
    app = typer.Typer()
    app.command()(profile.profile)
    figure = path.with_name("radar.svg")
    options = [str(path), "--age", "30", "--sex", "female", "--figure", str(figure)]
    result = CliRunner().invoke(app, [*options, "--json", str(path.with_name("scores.json"))])
    assert result.exit_code == 0, result.output
    assert figure.exists()
    assert len(ipip_neo_120()) == 120
