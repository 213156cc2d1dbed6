"""One row of a data set, as its file or the hub has it, to a question.

In the file of dates the right option is always the first, so the options are mixed, every question
by a generator of its own, seeded by the seed and the question: which questions are read changes no
order.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

from personalign.errors import EvaluationError
from personalign.evaluation.reasoning.questions import LETTERS, Question, plain_number
from personalign.evaluation.reasoning.tasks import ReasoningTask


def question_of(task: ReasoningTask, row: dict[str, Any], place: int, seed: int) -> Question:
    """The question of one row, in whichever of its forms.

    place: the row's, from 0. seed: of the order of a date's options.
    Raises EvaluationError, with the place, for a row of another form.
    """
    try:
        return _READERS[task.name](row, place, seed)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(
            f"Row {place + 1} of {task.title} is not of its form ({error!r}); it has "
            f"{', '.join(map(str, row)) if isinstance(row, dict) else type(row).__name__}."
        ) from error


def _gsm8k(row: dict[str, Any], place: int, _seed: int) -> Question:
    _, mark, gold = row["answer"].rpartition("#### ")
    if not mark:
        raise ValueError("no '#### ' before the answer")
    return Question(str(place), row["question"].strip(), plain_number(gold))


def _addsub(row: dict[str, Any], place: int, _seed: int) -> Question:
    if "sQuestion" in row:
        return Question(str(place), row["sQuestion"].strip(), plain_number(row["lSolutions"][0]))
    return Question(str(place), row["input"].strip(), plain_number(row["output_answer"]))


def _multiarith(row: dict[str, Any], place: int, _seed: int) -> Question:
    if "sQuestion" in row:
        return Question(str(place), row["sQuestion"].strip(), plain_number(row["lSolutions"][0]))
    return Question(str(place), row["question"].strip(), plain_number(row["final_ans"]))


def _svamp(row: dict[str, Any], _place: int, _seed: int) -> Question:
    text = f"{row['Body'].strip()} {row['Question'].strip()}"
    return Question(str(row["ID"]), text, plain_number(row["Answer"]))


def _commonsenseqa(row: dict[str, Any], _place: int, _seed: int) -> Question:
    asked = row["question"]
    if isinstance(asked, dict):
        text, choices = asked["stem"], asked["choices"]
    else:
        columns = row["choices"]
        pairs = zip(columns["label"], columns["text"], strict=True)
        text, choices = asked, [{"label": label, "text": said} for label, said in pairs]
    labels = "".join(choice["label"] for choice in choices)
    if labels != LETTERS[: len(labels)] or row["answerKey"] not in labels:
        raise ValueError(f"the options {labels} and the answer {row['answerKey']!r}")
    options = tuple(choice["text"] for choice in choices)
    return Question(str(row["id"]), text.strip(), row["answerKey"], options)


def _date(row: dict[str, Any], place: int, seed: int) -> Question:
    text, scores = _scored(row)
    options = list(scores)
    (right,) = (option for option in options if scores[option] == 1)
    digest = hashlib.sha256(f"{seed} {text}".encode()).digest()
    random.Random(int.from_bytes(digest[:8], "big")).shuffle(options)
    return Question(str(place), text, LETTERS[options.index(right)], tuple(options))


def _strategyqa(row: dict[str, Any], place: int, _seed: int) -> Question:
    if isinstance(row.get("answer"), bool):
        return Question(str(place), row["question"].strip(), "yes" if row["answer"] else "no")
    text, scores = _scored(row)
    return Question(str(place), text, "yes" if scores["Yes"] == 1 else "no")


def _coin(row: dict[str, Any], place: int, _seed: int) -> Question:
    local = "question" in row
    asked, gold = (row["question"], row["answer"]) if local else (row["inputs"], row["targets"])
    if gold not in ("yes", "no"):
        raise ValueError(f"the answer {gold!r}")
    return Question(str(place), _bare(asked), gold)


def _scored(row: dict[str, Any]) -> tuple[str, dict[str, int]]:
    """Text and score by option of a BIG-bench row, of its JSON or of the hub's."""
    if "target_scores" in row:
        return row["input"].strip(), row["target_scores"]
    options, scores = row["multiple_choice_targets"], row["multiple_choice_scores"]
    return _bare(row["inputs"]), dict(zip(options, scores, strict=True))


def _bare(text: str) -> str:
    """The question without the "Q:" and "A:" that some copies put around it.

    >>> _bare("Q: Is it?\\nA:")
    'Is it?'
    """
    return text.strip().removeprefix("Q:").removesuffix("A:").strip()


_READERS: dict[str, Callable[[dict[str, Any], int, int], Question]] = {
    "gsm8k": _gsm8k,
    "addsub": _addsub,
    "multiarith": _multiarith,
    "svamp": _svamp,
    "commonsenseqa": _commonsenseqa,
    "date": _date,
    "strategyqa": _strategyqa,
    "coin": _coin,
}
