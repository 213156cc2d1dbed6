"""The eight data sets come out whole, whichever of their forms they are read from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from personalign.errors import EvaluationError, MissingPackageError
from personalign.evaluation.reasoning import TASKS, HubSource, QuestionSet, read_questions
from personalign.evaluation.reasoning.rows import question_of


@pytest.fixture(scope="module")
def sets(released: Path) -> dict[str, QuestionSet]:
    return {one.task.name: one for one in read_questions(folder=released / "reasoning")}


def test_every_row_of_the_papers_table_is_read(sets: dict[str, QuestionSet]) -> None:
    assert {name: len(one) for name, one in sets.items()} == {
        "gsm8k": 1319, "addsub": 395, "multiarith": 600, "svamp": 1000,
        "commonsenseqa": 1221, "date": 369, "strategyqa": 2290, "coin": 500,
    }  # fmt: skip
    assert all(len(one) == one.task.samples for one in sets.values())
    for one in sets.values():
        assert len({question.id for question in one.questions}) == len(one)
        assert all(question.text == question.text.strip() for question in one.questions)


def test_what_is_right_is_of_its_kind(sets: dict[str, QuestionSet]) -> None:
    for one in sets.values():
        for question in one.questions:
            if one.task.kind == "number":
                assert question.gold == str(float(question.gold)).removesuffix(".0")
            elif one.task.kind == "yes-no":
                assert question.gold in ("yes", "no")
            else:
                assert question.answer in question.options
                assert len(question.options) in (5, 6)


def test_known_answers(sets: dict[str, QuestionSet]) -> None:
    first = {name: (one.questions[0].gold, one.questions[0].answer) for name, one in sets.items()}
    assert first["gsm8k"] == ("18", "18") and first["addsub"] == ("43", "43")
    assert first["multiarith"] == ("39", "39") and first["svamp"] == ("51", "51")
    assert first["commonsenseqa"] == ("A", "bank")
    assert first["strategyqa"] == ("yes", "yes") and first["coin"] == ("yes", "yes")
    assert first["date"][1] == "05/01/2021"
    golds = {question.gold for question in sets["gsm8k"].questions}
    assert {"2125", "114200", "-10"} <= golds and not any("," in gold for gold in golds)


def test_the_dates_are_mixed_by_a_seed_and_the_answer_moves_along(released: Path) -> None:
    folder = released / "reasoning"
    (one,), (same,) = (read_questions(["date"], folder, seed=3) for _ in range(2))
    (other,) = read_questions(["date"], folder, seed=4)
    (few,) = read_questions(["date"], folder, seed=3, limit=7)
    assert one == same and few.questions == one.questions[:7]
    assert one.questions != other.questions
    moved = 0
    for a, b in zip(one.questions, other.questions, strict=True):
        assert sorted(a.options) == sorted(b.options) and a.answer == b.answer
        moved += a.gold != b.gold
    assert moved > 200
    letters = [question.gold for question in one.questions]
    shares = [letters.count(letter) / len(letters) for letter in "ABCDEF"]
    assert max(shares) < 0.26 and min(shares) > 0.08  # the file has A in every row


HUB_ROWS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [{"question": "How many eggs?", "answer": "1,000 + 125\n#### 1,125"}],
    "addsub": [{"input": "How many shells? ", "output_answer": "43.0"}],
    "multiarith": [{"question": " How many sweets? ", "final_ans": "39"}],
    "svamp": [{"ID": "c", "Body": "A pack costs 76.", "Question": "How much?", "Answer": "51.0"}],
    "commonsenseqa": [
        {
            "id": "x1",
            "question": "Where?",
            "question_concept": "door",
            "choices": {"label": ["A", "B", "C"], "text": ["bank", "mall", "park"]},
            "answerKey": "B",
        }
    ],
    "date": [
        {
            "inputs": "Q: Which day is it?\nA:",
            "multiple_choice_targets": ["05/01/2021", "02/23/2021"],
            "multiple_choice_scores": [1, 0],
        }
    ],
    "strategyqa": [{"qid": "q", "question": "Would a pear sink?", "answer": False}],
    "coin": [{"inputs": "Q: Is the coin still heads up?\nA:", "targets": "no"}],
}  # fmt: skip
"""A row of each, in the form it has on the hub."""

RIGHT = {
    "gsm8k": ("How many eggs?", "1125"),
    "addsub": ("How many shells?", "43"),
    "multiarith": ("How many sweets?", "39"),
    "svamp": ("A pack costs 76. How much?", "51"),
    "commonsenseqa": ("Where?", "mall"),
    "date": ("Which day is it?", "05/01/2021"),
    "strategyqa": ("Would a pear sink?", "no"),
    "coin": ("Is the coin still heads up?", "no"),
}


def hub_of(folder: Path) -> dict[str, HubSource]:
    """The rows as folders that `datasets` reads as it reads the hub."""
    for name, rows in HUB_ROWS.items():
        place = folder / name
        place.mkdir()
        lines = [json.dumps(row) + "\n" for row in rows] * 3
        (place / "test.jsonl").write_text("".join(lines))
    return {name: HubSource(str(folder / name), "test") for name in HUB_ROWS}


def test_the_hubs_forms_are_read_through_datasets(tmp_path: Path) -> None:
    found = read_questions(hub=hub_of(tmp_path), limit=2)
    assert {one.task.name: (one.questions[0].text, one.questions[0].answer) for one in found} == (
        RIGHT
    )
    assert all(len(one) == 2 for one in found)
    assert found[0].source == str(tmp_path / "gsm8k")


def test_what_the_hub_has_not_is_one_sentence(tmp_path: Path) -> None:
    nowhere = {"coin": HubSource(str(tmp_path / "nowhere"), "test")}
    with pytest.raises(EvaluationError, match=r"Coin flip cannot be loaded from .*nowhere"):
        read_questions(["coin"], hub=nowhere)
    with pytest.raises(EvaluationError, match="GSM8K cannot be loaded from openai/gsm8k"):
        read_questions(["gsm8k"], hub=True)  # the tests are offline


def test_the_hub_needs_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackageError, match=r"personalign\[eval\]"):
        read_questions(["coin"], hub=True)


@pytest.mark.parametrize("name", TASKS)
def test_a_row_of_another_form_is_named(name: str) -> None:
    with pytest.raises(EvaluationError, match=f"Row 3 of {TASKS[name].title} is not of its form"):
        question_of(TASKS[name], {"text": "Why?"}, 2, 0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gsm8k", {"answer": "It is 18."}),
        ("addsub", {"output_answer": "many"}),
        ("commonsenseqa", {"answerKey": "F"}),
        ("date", {"multiple_choice_scores": [0, 0]}),
        ("coin", {"targets": "tails"}),
    ],
)
def test_a_row_without_an_answer_is_refused(name: str, change: dict[str, Any]) -> None:
    row = {**HUB_ROWS[name][0], **change}
    with pytest.raises(EvaluationError, match="Row 1 of"):
        question_of(TASKS[name], row, 0, 0)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="either the folder"):
        read_questions(["coin"])
    with pytest.raises(EvaluationError, match="not both"):
        read_questions(["coin"], tmp_path, hub=True)
    with pytest.raises(EvaluationError, match="no file of Coin flip"):
        read_questions(["coin"], tmp_path)
    with pytest.raises(EvaluationError, match="chess"):
        read_questions(["chess"], tmp_path)
    with pytest.raises(EvaluationError, match="only once"):
        read_questions(["coin", "coin"], tmp_path)
    with pytest.raises(EvaluationError, match="at least one question"):
        read_questions(["coin"], tmp_path, limit=0)
    (tmp_path / "coin_flip").mkdir()
    file = tmp_path / "coin_flip" / "coin_flip.json"
    for text, what in (("{", "holds no"), ('{"examples": []}', "no question"), ("3", "a list")):
        file.write_text(text)
        with pytest.raises(EvaluationError, match=what):
            read_questions(["coin"], tmp_path)
    file.write_text('[{"question": "Is it?", "answer": "yes"}]')
    assert read_questions(["coin"], tmp_path)[0].questions[0].gold == "yes"
