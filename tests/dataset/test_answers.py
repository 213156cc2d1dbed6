"""One person's answers: every way to write them down, every way to get it wrong."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personalign.dataset.answers import (
    AnswerSheet,
    read_answers,
    read_sheet,
    write_answers,
    write_sheet,
)
from personalign.dataset.people import Respondents
from personalign.errors import AnswersError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300

FULL, SHORT = ipip_neo_300(), ipip_neo_120()
TUNING = FULL.columns(SHORT)
FORM = np.random.default_rng(0).integers(1, 6, 300).tolist()


def _write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("ending", ["json", "csv"])
@settings(max_examples=25, deadline=None)
@given(
    responses=arrays(np.int8, 300, elements=st.integers(1, 5)),
    missing=st.sets(st.integers(0, 299), max_size=60),
    short=st.booleans(),
)
def test_written_and_read_back(
    ending: str, responses: np.ndarray, missing: set[int], short: bool
) -> None:
    responses[list(missing)] = 0
    person = Respondents(responses[None], ("me",))
    person = person.only(SHORT) if short else person
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"me.{ending}"
        write_answers(path, person)
        again = read_answers(path)
        assert [file.name for file in Path(folder).iterdir()] == [path.name]
    assert np.array_equal(again.responses, person.responses)
    assert again.ids == ("me",)


def test_all_ways_to_write_the_short_form(tmp_path: Path) -> None:
    answers = FORM[:120]
    by_number = {str(number): answer for number, answer in enumerate(answers, 1)}
    rows = "".join(f"{number},{answer}\n" for number, answer in by_number.items())
    ways = {
        "a.json": {"inventory": "IPIP-NEO-120", "answers": by_number},
        "b.json": {"answers": by_number, "inventory": "ipip_neo_120", "age": 30},
        "c.json": by_number,
        "d.json": answers,
        "e.json": {"inventory": 120, "answers": answers},
        "f.csv": "item,answer\n" + rows,
        "g.csv": "\ufeffItem, Answer\n" + rows,
    }
    for name, content in ways.items():
        person = read_answers(_write(tmp_path / name, content))
        assert person.responses[0, TUNING].tolist() == answers, name
        assert np.count_nonzero(person.responses) == 120, name


def test_all_ways_to_write_the_full_form(tmp_path: Path) -> None:
    by_number = {str(number): answer for number, answer in enumerate(FORM, 1)}
    rows = "".join(f"{number},{answer}\n" for number, answer in reversed(by_number.items()))
    for name, content in {
        "a.json": {"inventory": "IPIP-NEO-300", "answers": by_number},
        "b.json": by_number,
        "c.json": FORM,
        "d.csv": "item,answer\n" + rows,
    }.items():
        person = read_answers(_write(tmp_path / name, content))
        assert person.responses[0].tolist() == FORM, name


def test_numbers_tell_the_form_of_the_tuning_items(tmp_path: Path) -> None:
    """The 120 tuning items under their numbers of the full form are no short form."""
    by_number = {str(item.number): 1 + item.number % 5 for item in SHORT}
    person = read_answers(_write(tmp_path / "a.json", by_number))
    assert person.responses[0, TUNING].tolist() == list(by_number.values())


def test_zero_null_and_blank_are_missing(tmp_path: Path) -> None:
    given = [0, None, *FORM[2:120]]
    assert read_answers(_write(tmp_path / "a.json", given)).responses[0, TUNING].tolist() == [
        0,
        0,
        *FORM[2:120],
    ]
    rows = "\n".join(f"{n},{'' if n < 3 else a}" for n, a in enumerate(FORM[:120], 1))
    person = read_answers(_write(tmp_path / "a.csv", f"item,answer\n{rows}\n"))
    assert np.count_nonzero(person.responses) == 118


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([6, *FORM[1:120]], "answer to item 1 is 6; answers are whole numbers from 1"),
        ([-1, *FORM[1:120]], "answer to item 1 is -1"),
        ([2.5, *FORM[1:120]], "answer to item 1 is 2.5"),
        ([3.0, *FORM[1:120]], "answer to item 1 is 3.0"),
        ([True, *FORM[1:120]], "answer to item 1 is True"),
        (["4", *FORM[1:120]], "answer to item 1 is '4'"),
        ([{"a": 1}, *FORM[1:120]], "answer to item 1 is {'a': 1}"),
        ([float("nan"), *FORM[1:120]], "answer to item 1 is nan"),
        (FORM[:119], "lists 119 answers; a list in form order has 120 or 300"),
        (FORM[:121], "lists 121 answers"),
        ([], "lists 0 answers"),
        ({"inventory": "IPIP-NEO-300", "answers": FORM[:120]}, "in form order has 300"),
        ({"inventory": "BFI-2", "answers": FORM[:120]}, "inventory 'BFI-2', which is unknown"),
        ({"inventory": "IPIP-NEO-120", "answers": {"121": 3}}, "Item 121 .* numbered 1-120"),
        ({"0": 3}, "Item 0 .* is unknown"),
        ({"301": 3}, "Item 301 .* numbered 1-300"),
        ({"-1": 3}, "Item '-1' .* is unknown"),
        ({"N1": 3}, "Item 'N1' .* is unknown"),
        ('{"1": 3, "2": 4, "1": 5}', "Item 1 is answered twice"),
        ('{"1": 3, "01": 3}', "Item 1 is answered twice"),
        ('{"answers": {}, "answers": {}}', '"answers" twice'),
        ({str(n): 3 for n in range(1, 60)}, "answers 59 of the 120 .* at least 60"),
        ([3] * 59 + [0] * 61, "answers 59 of the 120 .* at least 60"),
        ({}, "answers 0 of the 120"),
        ("7", "holds no answers"),
        ('{"1": 3', "no complete JSON"),
        ("", "no complete JSON"),
        ("[" * 100_000, "no complete JSON"),
    ],
)
def test_json_that_is_wrong(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match=message):
        read_answers(_write(tmp_path / "answers.json", content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item,answer\n1,6\n", "answer to item 1 is '6'"),
        ("item,answer\n1,4.5\n", "answer to item 1 is '4.5'"),
        ("item,answer\n1,yes\n", "answer to item 1 is 'yes'"),
        ("item,answer\n1,3\n1,3\n", "Item 1 is answered twice"),
        ("item,answer\n301,3\n", "Item 301"),
        ("item,answer\none,3\n", "Item 'one'"),
        ("item,answer\n1,3,4\n", "Line 2 .* more fields"),
        ("number,answer\n1,3\n", "has the columns number, answer; it needs item and answer"),
        ("", r"has the columns \(none\)"),
        ("item,answer\n1,3\n", "answers 1 of the 120"),
        ("inventory,item,answer\nIPIP-NEO-120,1,3\nIPIP-NEO-300,2,3\n", "more than one inventory"),
    ],
)
def test_csv_that_is_wrong(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match=message):
        read_answers(_write(tmp_path / "answers.csv", content))


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="personalign take -o"):
        read_answers(tmp_path / "answers.json")
    with pytest.raises(AnswersError, match=r"ends in \.json or \.csv"):
        read_answers(tmp_path / "answers.txt")
    (tmp_path / "answers.csv").write_bytes(b"item,answer\n1,\xff\n")
    with pytest.raises(AnswersError, match="no UTF-8"):
        read_answers(tmp_path / "answers.csv")


def test_writing_nobody_or_a_crowd(tmp_path: Path) -> None:
    two = Respondents(np.ones((2, 300), dtype=np.int8), ("a", "b"))
    with pytest.raises(AnswersError, match="there are 2"):
        write_answers(tmp_path / "answers.json", two)
    with pytest.raises(AnswersError, match="ends in"):
        write_answers(tmp_path / "answers.yaml", two.select([0]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_sheet_knows_skipped_from_not_reached(ending: str, tmp_path: Path) -> None:
    sheet = AnswerSheet(SHORT, (4, 0, 1, *[None] * 117))
    write_sheet(tmp_path / f"a.{ending}", sheet)
    assert read_sheet(tmp_path / f"a.{ending}") == sheet
    assert sheet.tuning_answered == 2


def test_sheets_that_make_no_sense() -> None:
    with pytest.raises(AnswersError, match="119 answers to the 120 items"):
        AnswerSheet(SHORT, (1,) * 119)
    with pytest.raises(AnswersError, match="item 2 is 7"):
        AnswerSheet(SHORT, (1, 7, *[None] * 118))


ADAPTIVE = {"inventory": "IPIP-NEO-120", "adaptive": True}


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_an_adaptive_sheet_keeps_its_order_and_needs_fewer_answers(
    ending: str, tmp_path: Path
) -> None:
    asked = (7, 100, 3, 55, 12, 90, 31, 4, 66, 2, 80)
    answers: list[int | None] = [None] * 120
    for place in asked:
        answers[place] = place % 5 + 1
    answers[55] = 0  # skipped
    sheet = AnswerSheet(ipip_neo_120(), tuple(answers), asked)
    path = tmp_path / f"me.{ending}"
    write_sheet(path, sheet)
    assert read_sheet(path) == sheet
    assert (read_answers(path).responses > 0).sum() == 10
    with pytest.raises(AnswersError, match="at least 11 are needed"):
        read_answers(path, minimum=11)


def test_an_adaptive_sheet_needs_ten_and_an_ordinary_one_sixty(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    path.write_text(json.dumps({**ADAPTIVE, "answers": {str(n): 3 for n in range(1, 10)}}))
    with pytest.raises(AnswersError, match=r"at least 10 .* take --adaptive"):
        read_answers(path)
    whole = {"inventory": "IPIP-NEO-120", "answers": {str(n): 3 for n in range(1, 31)}}
    for mark in ({}, {"adaptive": False}):
        path.write_text(json.dumps({**whole, **mark}))
        with pytest.raises(AnswersError, match="at least 60"):
            read_answers(path)
    path.write_text(json.dumps({**whole, "adaptive": "perhaps"}))
    with pytest.raises(AnswersError, match="'perhaps'"):
        read_answers(path)
