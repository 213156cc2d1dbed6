"""Accuracies, standard errors and McNemar's test, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.reasoning import (
    Row,
    mcnemar,
    summarise_people,
    summarise_reasoning,
)
from personalign.evaluation.statistics import bootstrap_mean


def rows(persona: str, right: str, task: str = "coin", **fields: Any) -> list[Row]:
    """One row a mark: + right, - wrong, ? unreadable."""
    return [
        {
            "persona": persona,
            "task": task,
            "prompting": "zero-shot",
            "id": str(place),
            "prompt": f"{task} {place}",
            "answer": {"+": "yes", "-": "no", "?": None}[mark],
            "gold": "yes",
            "right": mark == "+",
            "original_right": mark != "-",
            "seconds": 0.5 + place,
            **fields,
        }
        for place, mark in enumerate(right)
    ]


BASE, OTHER = "++++--?-++", "+-++++++-+"


def test_one_task_by_hand() -> None:
    found = summarise_reasoning(rows("C+1", OTHER) + rows("base", BASE, seconds=2.0))
    assert found.personas == ["base", "C+1"] and found.tasks == ["coin"]
    base, other = found.score("coin", "base"), found.score("coin", "C+1")
    assert (base.right, base.samples, base.unreadable, base.original_right) == (6, 10, 1, 7)
    assert base.accuracy == 0.6 and base.stderr == pytest.approx(math.sqrt(0.24 / 9))
    assert base.versus is None and base.difference is None
    assert (base.seconds, other.seconds, other.base_seconds) == (2.0, pytest.approx(5.0), 2.0)
    # the other gains places 4, 5, 6 and 7 and loses 1 and 8
    assert other.versus is not None and other.difference is not None
    assert (other.versus.gained, other.versus.lost) == (4, 2)
    assert other.versus.p == pytest.approx(2 * (1 + 6 + 15) / 2**6)
    assert other.difference.mean == pytest.approx(0.2)
    steps = np.array([0, -1, 0, 0, 1, 1, 1, 1, -1, 0], float)
    assert other.difference == bootstrap_mean(steps)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (5, 0, 2 / 32),
        (0, 5, 2 / 32),
        (3, 3, 1.0),
        (1, 9, 2 * (1 + 10) / 1024),
        (6, 4, 2 * (1 + 10 + 45 + 120 + 210) / 1024),
    ],
)
def test_mcnemar_by_hand(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost).p == pytest.approx(p)
    assert mcnemar(lost, gained).p == pytest.approx(p)


def test_all_questions_together() -> None:
    several = [
        *rows("base", BASE), *rows("C+1", OTHER),
        *rows("base", "++--", "gsm8k"), *rows("C+1", "+++-", "gsm8k"),
    ]  # fmt: skip
    found = summarise_reasoning(several)
    assert found.tasks == ["gsm8k", "coin"]  # in the order of the paper's table
    whole = found.score("all", "C+1")
    parts = [found.score(task, "C+1") for task in found.tasks]
    assert whole.samples == 14 and whole.right == sum(part.right for part in parts)
    assert whole.versus is not None
    assert whole.versus.gained == sum(part.versus.gained for part in parts if part.versus)
    shuffled = [several[place] for place in np.random.default_rng(0).permutation(len(several))]
    assert summarise_reasoning(shuffled).score("all", "C+1") == whole
    with pytest.raises(EvaluationError, match="no score of 'E\\+1' on 'all'"):
        found.score("all", "E+1")


def test_seconds_that_were_not_measured_are_not_made_up() -> None:
    found = summarise_reasoning(rows("base", "+-") + rows("C+1", "++", seconds=None))
    score = found.score("coin", "C+1")
    assert score.seconds is None and score.base_seconds == 1.0


def test_one_question_has_no_error() -> None:
    score = summarise_reasoning(rows("base", "+")).score("coin", "base")
    assert score.accuracy == 1.0 and math.isnan(score.stderr)


def test_people_are_the_unit_where_there_are_many() -> None:
    marks = {"Ann": "++--", "Bob": "++++", "Eve": "+++-"}
    several = [row for name, right in marks.items() for row in rows(name, right)]
    found = summarise_reasoning(several + rows("base", "+---"))
    (score,) = summarise_people(found, {"pas": list(marks)}, seed=3)
    assert (score.task, score.group) == ("coin", "pas")
    assert score.accuracy == bootstrap_mean([0.5, 1.0, 0.75], seed=3)
    assert score.difference == bootstrap_mean([0.25, 0.75, 0.5], seed=3)
    with pytest.raises(EvaluationError, match="empty"):
        summarise_people(found, {"pas": []})
    with pytest.raises(EvaluationError, match="no score of 'Dan'"):
        summarise_people(found, {"pas": ["Dan"]})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (rows("C+1", "+-"), "no answers of the plain model"),
        ([], "answers of nobody"),
        (rows("base", "+-") * 2, "question 0 of coin twice"),
        (rows("base", "+-") + rows("C+1", "+"), "was asked 1 questions and base 2"),
        (rows("base", "+-") + rows("C+1", "+-", prompt="other"), "in other words"),
        (rows("base", "+") + rows("C+1", "+", prompting="few-shot"), "few-shot and some zero-shot"),
    ],
)
def test_what_cannot_be_compared(given: list[Row], reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        summarise_reasoning(given)
    assert summarise_reasoning(rows("plain", "+-"), base="plain").base == "plain"
