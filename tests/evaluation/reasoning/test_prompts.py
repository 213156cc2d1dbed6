"""Prompts are those of the original papers, word for word."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from personalign.evaluation.reasoning import TASKS, Question, read_questions
from personalign.evaluation.reasoning.extract import read_answer
from personalign.evaluation.reasoning.prompts import (
    Prompt,
    answer_kind,
    exemplars,
    first_prompt,
    gold_answer,
    is_shown,
    second_prompt,
)

OPTIONS = ("bank", "library", "department store", "mall", "new york")
DOOR = Question("1", "A revolving door is convenient at a what?", "A", OPTIONS)


def test_zero_shot_is_kojimas_two_stages() -> None:
    task = TASKS["commonsenseqa"]
    first = first_prompt(task, DOOR, "zero-shot")
    asked = (
        "Q: A revolving door is convenient at a what? Answer Choices: (A) bank (B) library "
        "(C) department store (D) mall (E) new york\nA: Let's think step by step."
    )
    assert first.text == asked
    second = second_prompt(task, first, " Banks have doors.\n")
    assert second.text == (
        f"{asked} Banks have doors.\nTherefore, among A through E, the answer is"
    )
    assert second.user == first.user
    assert second_prompt(task, first, "Banks.").text == (
        f"{asked} Banks.\nTherefore, among A through E, the answer is"
    )


@pytest.mark.parametrize(
    ("name", "trigger"),
    [
        ("gsm8k", "Therefore, the answer (arabic numerals) is"),
        ("addsub", "Therefore, the answer (arabic numerals) is"),
        ("multiarith", "Therefore, the answer (arabic numerals) is"),
        ("svamp", "Therefore, the answer (arabic numerals) is"),
        ("commonsenseqa", "Therefore, among A through E, the answer is"),
        ("date", "Therefore, among A through F, the answer is"),
        ("strategyqa", "Therefore, the answer (Yes or No) is"),
        ("coin", "Therefore, the answer (Yes or No) is"),
    ],
)
def test_the_second_question_of_every_task(name: str, trigger: str) -> None:
    second = second_prompt(TASKS[name], Prompt("Q: ?\nA:", "Let's think step by step."), " So.")
    assert second.begun == f"Let's think step by step. So.\n{trigger}"


@pytest.mark.parametrize("name", TASKS)
def test_worked_examples_stand_before_the_question(name: str) -> None:
    task = TASKS[name]
    options = OPTIONS if task.kind == "choice" else ()
    prompt = first_prompt(task, Question("1", "Why is that so?", "A", options), "few-shot")
    assert prompt.begun == ""
    parts = prompt.text.split("\n\n")
    assert len(parts) == len(exemplars(task.exemplars)) + 1 in (7, 8, 9)
    assert all(part.startswith("Q: ") and part.count("\nA: ") == 1 for part in parts[:-1])
    assert parts[-1].startswith("Q: Why is that so?\n") and parts[-1].endswith("\nA:")
    assert ("(a) bank\n" in parts[-1]) == (name == "commonsenseqa")


@pytest.mark.parametrize("name", TASKS)
def test_every_worked_example_can_be_read(name: str) -> None:
    task = TASKS[name]
    kind = answer_kind(task, "few-shot")
    for one in exemplars(task.exemplars):
        found = read_answer(one.reply, kind, "few-shot", options=len(one.options))
        said = one.reply.rpartition("he answer is ")[2].strip("().").upper()
        assert found is not None and found.upper() == said


def test_the_examples_for_numbers_are_those_of_the_harness() -> None:
    """lm-evaluation-harness quotes the same eight from Wei et al. (2022)."""
    yaml = pytest.importorskip("yaml")
    spec = find_spec("lm_eval")
    assert spec is not None and spec.origin is not None, "the tests need the extra 'eval'"
    told = Path(spec.origin).parent / "tasks" / "gsm8k" / "gsm8k-cot.yaml"
    samples = yaml.safe_load(told.read_text("utf-8"))["fewshot_config"]["samples"]
    assert [(one.question, one.reply) for one in exemplars("math")] == [
        (one["question"], one["target"]) for one in samples
    ]


def test_questions_whose_answer_the_prompt_shows_are_found(released: Path) -> None:
    shown = {}
    for one in read_questions(folder=released / "reasoning"):
        for prompting in ("zero-shot", "few-shot"):
            shown[one.task.name, prompting] = [
                question.id for question in one.questions if is_shown(one.task, question, prompting)
            ]
    assert shown.pop(("strategyqa", "few-shot")) == ["0", "1", "2", "3", "5", "7"]
    assert shown.pop(("date", "few-shot")) == ["53", "65", "106", "143", "237", "360"]
    assert not any(shown.values())


def test_a_date_is_a_letter_among_options_and_a_date_without_them() -> None:
    question = Question("1", "Which day?", "B", ("01/02/2020", "01/03/2020"))
    task = TASKS["date"]
    assert (answer_kind(task, "zero-shot"), gold_answer(task, question, "zero-shot")) == (
        "choice", "B"
    )  # fmt: skip
    assert (answer_kind(task, "few-shot"), gold_answer(task, question, "few-shot")) == (
        "date", "01/03/2020"
    )  # fmt: skip
    assert "01/03/2020" not in first_prompt(task, question, "few-shot").text.split("\n\n")[-1]
