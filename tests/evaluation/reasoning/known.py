"""A model of lm-evaluation-harness that knows every answer, or none, and says so in many ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import LM

from personalign.evaluation.reasoning.questions import LETTERS, Question, QuestionSet
from personalign.evaluation.reasoning.tasks import Kind

FORMS: dict[Kind, tuple[str, ...]] = {
    "number": (" {}.", " ${} in all.", "\n{}", " {}.00 dollars.", " {} (that is it)"),
    "choice": (" ({}).", " {}.", " {}) is it", " Based on this, ({})", "\n{}"),
    "yes-no": (" {}.", ' "{}"', " {}, I think", "\n{}", " ({})"),
    "date": (" {}.", " {}", " {}, I think", "\n{}", " ({})"),
}
"""How an answer may be put."""


class KnowingLM(LM):
    """Says the right answer to the questions of `sets`, or, `wrongly`, another one."""

    def __init__(self, sets: Sequence[QuestionSet], *, wrongly: bool = False) -> None:
        super().__init__()
        self.questions = {
            (one.task.name, question.id): question for one in sets for question in one.questions
        }
        self.kinds = {one.task.name: one.task.kind for one in sets}
        self.wrongly = wrongly
        self.prompts: list[list[dict[str, str]]] = []

    @property
    def tokenizer_name(self) -> str:
        return "known"

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        return json.dumps(chat_history)

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        return [self.reply(request) for request in requests]

    def reply(self, request: Any) -> str:
        chat = json.loads(request.args[0])
        self.prompts.append(chat)
        task = request.task_name.partition(" ")[0]
        question = self.questions[task, request.doc["id"]]
        assert question.text in chat[0]["content"]
        shown = "Answer Choices:" in chat[0]["content"].split("\n\n")[-1]
        kind: Kind = "date" if task == "date" and not shown else self.kinds[task]
        begun = chat[-1]["content"] if chat[-1]["role"] == "assistant" else None
        if begun is not None and begun.endswith("step by step."):
            return " First this, in 7 steps. Then that, (B), yes or no."
        forms = FORMS[kind]
        said = self.said(question, kind)
        text = forms[len(question.text) % len(forms)].format(said)
        if "." in said and ".00" in text:
            text = f" {said}"
        return text if begun is not None else f"In 7 steps, (B), no. So the answer is{text}"

    def said(self, question: Question, kind: Kind) -> str:
        right = question.answer if kind == "date" else question.gold
        if not self.wrongly:
            return right
        if kind == "number":
            return str(float(right) + 1).removesuffix(".0")
        if kind == "choice":
            others = LETTERS[: len(question.options)].replace(right, "")
            return others[len(question.text) % len(others)]
        if kind == "date":
            return next(option for option in question.options if option != right)
        return {"yes": "no", "no": "yes"}[right]

    def loglikelihood(self, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
        raise AssertionError("nobody asks")

    def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[float]:
        raise AssertionError("nobody asks")
