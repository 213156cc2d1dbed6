"""Asking the reasoning questions as personas, one raw row an answer.

A row is plain JSON values:

    persona   name                     answer          what was read, or None
    task      name                     gold            what is right
    prompting zero-shot or few-shot    right           whether they are the same
    id        of the question          original        what the original code reads, "" for nothing
    prompt    digest of the prompt     original_right  whether that is the right answer
    reasoning first stage, or None     seconds         of all its stages, or None: not measured
    reply     what the answer is read from

Rows are the same in whatever chunks of personas and questions they are measured, but for
`seconds`, and as far as arithmetic in batches allows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from personalign.errors import EvaluationError
from personalign.evaluation.reasoning.extract import original_answer
from personalign.evaluation.reasoning.prompts import (
    REASONING_TOKENS,
    Prompting,
    answer_kind,
)
from personalign.evaluation.reasoning.questions import QuestionSet
from personalign.model.generate import BATCH_ROWS, generate
from personalign.model.persona import PLAIN

if TYPE_CHECKING:
    from personalign.evaluation.reasoning.harness_task import HarnessTask
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

Row = dict[str, Any]
"""One answer; see the module's text."""


def measure_reasoning(
    decoder: Decoder,
    personas: Mapping[str, Persona],
    questions: Sequence[QuestionSet],
    *,
    prompting: Prompting = "zero-shot",
    max_new_tokens: int = REASONING_TOKENS,
    batch_rows: int = BATCH_ROWS,
    mixed: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Every persona's answer to every question: by task, then persona, then question.

    Args:
        personas: by name; the plain model is `{"base": PLAIN}`.
        questions: of `read_questions`, or parts of them (`QuestionSet.select`).
        prompting: zero-shot or few-shot; see `prompts.py`.
        max_new_tokens: of the reasoning.
        batch_rows: replies at once.
        mixed: whether personas share batches; fuller batches, and no seconds.
        progress: called with (replies done, replies), of both stages together.

    Raises:
        MissingPackageError: lm-eval is not installed.
        EvaluationError: there are no personas or no questions.
        ModelError: a prompt is longer than the model's context.
        SteeringError: a push makes the model's logits non-finite.
    """
    from personalign.evaluation.reasoning.harness import PersonaLM

    stages = 2 if prompting == "zero-shot" else 1
    before = 0  # replies of the stages that are over

    def advance(done: int, whole: int) -> None:
        nonlocal before
        if progress is not None:
            progress(before + done, stages * whole)
        if done == whole:
            before += whole

    generate(decoder, PLAIN, "Hello.", max_new_tokens=2)  # a first pass warms up, on nobody's time
    lm = PersonaLM(decoder, personas, batch_rows=batch_rows, mixed=mixed, progress=advance)
    return run_reasoning(
        lm, questions, names=list(personas), prompting=prompting, max_new_tokens=max_new_tokens
    )


def run_reasoning(
    lm: Any,
    questions: Sequence[QuestionSet],
    *,
    names: Sequence[str],
    prompting: Prompting = "zero-shot",
    max_new_tokens: int = REASONING_TOKENS,
) -> list[Row]:
    """As `measure_reasoning`, on any model of lm-evaluation-harness.

    lm: an `lm_eval.api.model.LM` with chats. names: what to call who answers: the personas of a
    `PersonaLM`, or one name.
    """
    from personalign.evaluation.reasoning.harness import AS
    from personalign.evaluation.reasoning.harness_task import HarnessTask

    if not names or not questions:
        raise EvaluationError(
            f"There are {len(names)} personas and {len(questions)} sets of questions; give one of "
            "each at least."
        )
    tasks = {
        f"{one.task.name}{AS}{name}": HarnessTask(
            one,
            name=f"{one.task.name}{AS}{name}",
            prompting=prompting,
            max_new_tokens=max_new_tokens,
        )
        for one in questions
        for name in names
    }
    tasks = {name: task for name, task in tasks.items() if task.asked}
    if not tasks:
        return []  # a chunk of nothing but worked examples
    first = _evaluate(lm, tasks)
    reasonings: dict[str, list[str]] = {}
    final = first
    if prompting == "zero-shot":
        reasonings = {name: [said for _, said in found] for name, found in first.items()}
        tasks = {
            name: HarnessTask(
                task.set,
                name=name,
                prompting=prompting,
                reasoning={
                    question.id: said
                    for question, said in zip(task.asked, reasonings[name], strict=True)
                },
            )
            for name, task in tasks.items()
        }
        final = _evaluate(lm, tasks)
    seconds: Mapping[tuple[str, int], float] = getattr(lm, "seconds", {})
    rows: list[Row] = []
    for name, task in tasks.items():
        for place, (_, reply) in enumerate(final[name]):
            rows.append(
                {
                    "persona": name.partition(AS)[2],
                    **_row(task, place, first[name][place][0], reply),
                    "reasoning": reasonings[name][place] if reasonings else None,
                    "reply": reply,
                    "seconds": seconds.get((name, place)),
                }
            )
    return rows


def _evaluate(lm: Any, tasks: Mapping[str, HarnessTask]) -> dict[str, list[tuple[str, str]]]:
    """(prompt, reply) of every question by task, through the harness."""
    from lm_eval.evaluator import evaluate

    found = evaluate(
        lm,
        {"tasks": dict(tasks), "groups": {}},  # type: ignore[arg-type, typeddict-item]
        apply_chat_template=True,
        bootstrap_iters=0,
        log_samples=True,
    )
    assert found is not None, "only the first of several processes has results"
    return {
        name: [
            (sample["arguments"][0][0], sample["resps"][0][0])
            for sample in sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
        ]
        for name in tasks
    }


def _row(task: HarnessTask, place: int, prompt: str, reply: str) -> Row:
    question = task.asked[place]
    gold = task.doc_to_target({"place": place})
    answer = task.answer(question, reply)
    kind = answer_kind(task.set.task, task.prompting)
    options = len(question.options)
    original = original_answer(reply, kind, task.prompting, options=options)
    return {
        "task": task.set.task.name,
        "prompting": task.prompting,
        "id": question.id,
        "prompt": hashlib.sha256(prompt.encode()).hexdigest()[:16],
        "answer": answer,
        "gold": gold,
        "right": answer == gold,
        "original": original,
        "original_right": original == gold,
    }
