"""Who knows everything scores 100%, who is always wrong 0%, and personas are measured alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lm_eval.evaluator import evaluate

from personalign.errors import EvaluationError
from personalign.evaluation.reasoning import (
    TASKS,
    Question,
    QuestionSet,
    Row,
    measure_reasoning,
    read_questions,
    run_reasoning,
    summarise_reasoning,
)
from personalign.evaluation.reasoning.harness_task import HarnessTask
from personalign.evaluation.reasoning.prompts import Prompting
from personalign.model.persona import PLAIN, Persona
from tests.evaluation.reasoning.known import KnowingLM
from tests.model.conftest import some_shift
from tests.model.loud import loud

COIN = QuestionSet(
    TASKS["coin"],
    tuple(
        Question(str(place), f"A coin is heads up. {name} flips it. Is it heads up?", "no")
        for place, name in enumerate(["Ann", "Bob", "Cornelius", "Dan", "Eve"])
    ),
    "here",
)
DOOR = QuestionSet(
    TASKS["commonsenseqa"],
    (Question("x", "Where is a door?", "B", ("sea", "bank", "sky", "rain", "sun")),),
    "here",
)


def without_seconds(rows: list[Row]) -> list[Row]:
    return [{**row, "seconds": None} for row in rows]


@pytest.mark.parametrize("prompting", ["zero-shot", "few-shot"])
@pytest.mark.parametrize("wrongly", [False, True])
def test_all_eight_tasks_from_end_to_end(
    released: Path, prompting: Prompting, wrongly: bool
) -> None:
    sets = read_questions(folder=released / "reasoning", seed=1)
    if prompting == "few-shot":
        sets = [one.select(slice(0, 120)) for one in sets]
    lm = KnowingLM(sets, wrongly=wrongly)
    rows = run_reasoning(lm, sets, names=["base"], prompting=prompting)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    shown = {"zero-shot": 0, "few-shot": 6 + 3}[prompting]  # three of the dates are beyond the 120
    assert len(rows) == sum(map(len, sets)) - shown
    found = summarise_reasoning(rows)
    for task in TASKS:
        score = found.score(task, "base")
        assert score.accuracy == (0.0 if wrongly else 1.0), task
        assert score.unreadable == 0 and score.seconds is None


def test_the_rows_say_what_happened() -> None:
    lm = KnowingLM([COIN])
    rows = run_reasoning(lm, [COIN], names=["base"])
    assert [row["id"] for row in rows] == ["0", "1", "2", "3", "4"]
    first = rows[0]
    assert first["persona"] == "base" and first["task"] == "coin" and first["answer"] == "no"
    assert first["reasoning"] == " First this, in 7 steps. Then that, (B), yes or no."
    assert len({row["prompt"] for row in rows}) == 5
    second = lm.prompts[5]  # the first stage of all, then the second
    assert second[-1]["content"] == (
        "Let's think step by step. First this, in 7 steps. Then that, (B), yes or no.\n"
        "Therefore, the answer (Yes or No) is"
    )


def test_the_harness_counts_as_we_do(released: Path) -> None:
    (one,) = read_questions(["strategyqa"], released / "reasoning", limit=60)
    half = QuestionSet(one.task, one.questions[::2], one.source)

    class Half(KnowingLM):
        def said(self, question: Question, kind: Any) -> str:
            self.wrongly = question not in half.questions
            return super().said(question, kind)

    task = HarnessTask(one, prompting="few-shot")
    harness = evaluate(
        Half([one]), {"tasks": {"strategyqa": task}, "groups": {}}, apply_chat_template=True
    )
    found = summarise_reasoning(
        run_reasoning(Half([one]), [one], names=["base"], prompting="few-shot")
    )
    score = found.score("strategyqa", "base")
    theirs = harness["results"]["strategyqa"]
    assert score.accuracy == theirs["acc,none"] and 0.3 < score.accuracy < 0.7
    assert score.stderr == pytest.approx(theirs["acc_stderr,none"])
    assert theirs["unreadable,none"] == 0 and theirs["sample_len"] == 54


def test_alpha_0_is_the_plain_model_bit_by_bit_and_alpha_2_is_not() -> None:
    decoder = loud()
    shift = some_shift(decoder)
    personas = {"base": PLAIN, "still": Persona(shift=shift), "loud": Persona(shift=shift, alpha=2)}
    rows = measure_reasoning(decoder, personas, [COIN, DOOR], max_new_tokens=12)
    by_name = {
        name: [{**row, "persona": "", "seconds": 0} for row in rows if row["persona"] == name]
        for name in personas
    }
    assert by_name["still"] == by_name["base"] != by_name["loud"]
    assert [row["prompt"] for row in by_name["loud"]] == [row["prompt"] for row in by_name["base"]]


@pytest.fixture(scope="module")
def crowd() -> Mapping[str, Persona]:
    one, other = some_shift(loud(), seed=1), some_shift(loud(), k=2, seed=2)
    return {
        "base": PLAIN,
        "one": Persona(shift=one, alpha=1.0),
        "other": Persona(system_prompt="You flip coins.", shift=other, alpha=-2.0),
        "late": Persona(shift=one, alpha=1.0, scope="generated"),
    }


def test_rows_do_not_depend_on_company(crowd: Mapping[str, Persona]) -> None:
    whole = measure_reasoning(loud(), crowd, [COIN, DOOR], max_new_tokens=8)
    one_by_one = measure_reasoning(loud(), crowd, [COIN, DOOR], max_new_tokens=8, batch_rows=1)
    mixed = measure_reasoning(loud(), crowd, [COIN, DOOR], max_new_tokens=8, mixed=True)
    assert without_seconds(whole) == without_seconds(one_by_one) == mixed
    assert all(row["seconds"] > 0 for row in whole) and all(row["seconds"] is None for row in mixed)
    chunks = [
        row
        for name, persona in crowd.items()
        for part in (slice(0, 2), slice(2, None))
        for row in measure_reasoning(loud(), {name: persona}, [COIN.select(part)], max_new_tokens=8)
    ]
    key = ("persona", "id")
    expected = [row for row in without_seconds(whole) if row["task"] == "coin"]
    assert sorted(without_seconds(chunks), key=lambda row: [row[k] for k in key]) == sorted(
        expected, key=lambda row: [row[k] for k in key]
    )


@pytest.mark.parametrize("prompting", ["zero-shot", "few-shot"])
def test_progress_counts_every_reply_once(prompting: Prompting) -> None:
    steps: list[tuple[int, int]] = []
    measure_reasoning(
        loud(),
        {"base": PLAIN, "other": Persona(system_prompt="You flip coins.")},
        [COIN],
        prompting=prompting,
        max_new_tokens=2,
        batch_rows=2,
        progress=lambda done, whole: steps.append((done, whole)),
    )
    stages = 2 if prompting == "zero-shot" else 1
    assert steps[-1] == (10 * stages, 10 * stages)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert len(steps) == 6 * stages


def test_reasoning_is_as_long_as_asked() -> None:
    short, long = (
        measure_reasoning(loud(), {"base": PLAIN}, [DOOR], max_new_tokens=n)[0]["reasoning"]
        for n in (3, 20)
    )
    assert long.startswith(short[:-1]) and len(long) > len(short)


def test_a_chunk_of_worked_examples_has_no_rows() -> None:
    shown = QuestionSet(
        TASKS["strategyqa"], (Question("2", "Would a pear sink in water?", "no"),), "here"
    )
    few: Any = {"prompting": "few-shot", "max_new_tokens": 2}
    assert measure_reasoning(loud(), {"base": PLAIN}, [shown], **few) == []
    rows = measure_reasoning(loud(), {"base": PLAIN}, [shown, COIN], **few)
    assert {row["task"] for row in rows} == {"coin"} and len(rows) == 5


def test_a_name_may_have_any_words() -> None:
    lm = KnowingLM([COIN])
    assert {row["persona"] for row in run_reasoning(lm, [COIN], names=["known as Ann"])} == {
        "known as Ann"
    }


def test_somebody_must_be_asked_something() -> None:
    with pytest.raises(EvaluationError, match="0 personas and 1 sets"):
        measure_reasoning(loud(), {}, [COIN])
    with pytest.raises(EvaluationError, match="1 personas and 0 sets"):
        measure_reasoning(loud(), {"base": PLAIN}, [])
