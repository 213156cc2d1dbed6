"""Reasoning questions as a task of lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from personalign.errors import MissingPackageError
from personalign.evaluation.reasoning.extract import read_answer
from personalign.evaluation.reasoning.prompts import (
    ANSWER_TOKENS,
    REASONING_TOKENS,
    STOPS,
    Prompt,
    Prompting,
    answer_kind,
    first_prompt,
    gold_answer,
    is_shown,
    second_prompt,
)
from personalign.evaluation.reasoning.questions import Question, QuestionSet

try:
    from lm_eval.api.instance import Instance
    from lm_eval.api.metrics import mean
    from lm_eval.api.task import Task
    from lm_eval.config.task import TaskConfig
    from lm_eval.filters import build_filter_ensemble
except ImportError as error:
    raise MissingPackageError("lm-eval", "eval", "Measuring how a model reasons") from error


class HarnessTask(Task):
    """One data set under one way of prompting.

    Zero-shot chain of thought has two stages, and so two tasks: without `reasoning`, the one whose
    replies are reasonings (nothing is right or wrong yet); with it, the one that asks for the
    answer. Few-shot has one.
    """

    VERSION = 1
    OUTPUT_TYPE = "generate_until"

    def __init__(
        self,
        questions: QuestionSet,
        *,
        name: str | None = None,
        prompting: Prompting = "zero-shot",
        reasoning: Mapping[str, str] | None = None,
        max_new_tokens: int = REASONING_TOKENS,
    ) -> None:
        """name: of the task in the harness; the data set's when left out. reasoning: question's id
        -> what was said in the first stage. max_new_tokens: of a reasoning, or a few-shot reply.
        """
        self.set = questions
        self.prompting = prompting
        self.reasoning = reasoning
        # The base class's own beginning downloads a data set, and has no place for the settings.
        self._config = TaskConfig(
            task=name or questions.task.name,
            output_type=self.OUTPUT_TYPE,
            num_fewshot=0,
            generation_kwargs={
                "until": list(STOPS),
                "max_gen_toks": max_new_tokens if reasoning is None else ANSWER_TOKENS,
                "do_sample": False,
            },
        )
        self._filters = [build_filter_ensemble("none", [("take_first", None)])]
        self._instances: list[Instance] | None = None
        self.asked = [
            question
            for question in questions.questions
            if not is_shown(questions.task, question, prompting)
        ]
        """The questions, without those that the prompt shows the answer of."""

    def prompt(self, question: Question) -> Prompt:
        """What is said before this task's reply."""
        first = first_prompt(self.set.task, question, self.prompting)
        if self.reasoning is None:
            return first
        return second_prompt(self.set.task, first, self.reasoning[question.id])

    def answer(self, question: Question, reply: str) -> str | None:
        """What is read out of a reply; None where nothing can be."""
        kind = answer_kind(self.set.task, self.prompting)
        return read_answer(reply, kind, self.prompting, options=len(question.options))

    # What the harness asks of a task.

    def has_training_docs(self) -> bool:
        return False

    def has_validation_docs(self) -> bool:
        return False

    def has_test_docs(self) -> bool:
        return True

    def test_docs(self) -> Iterable[dict[str, Any]]:
        """The questions as JSON values."""
        return [
            {"place": place, "id": one.id, "question": one.text, "options": list(one.options)}
            for place, one in enumerate(self.asked)
        ]

    def doc_to_text(self, doc: dict[str, Any]) -> str:
        """The prompt as plain text."""
        return self.prompt(self.asked[doc["place"]]).text

    def doc_to_target(self, doc: dict[str, Any]) -> str:
        """The right answer."""
        return gold_answer(self.set.task, self.asked[doc["place"]], self.prompting)

    def fewshot_context(  # type: ignore[override]
        self,
        doc: dict[str, Any],
        *,
        apply_chat_template: bool = False,
        chat_template: Callable[..., str] | None = None,
        system_instruction: str | None = None,
        **_: Any,
    ) -> str:
        """The prompt as the model's chat, or as plain text where it has none."""
        prompt = self.prompt(self.asked[doc["place"]])
        if not apply_chat_template or chat_template is None:
            return f"{system_instruction}\n\n{prompt.text}" if system_instruction else prompt.text
        chat = [{"role": "user", "content": prompt.user}]
        if system_instruction:
            chat.insert(0, {"role": "system", "content": system_instruction})
        if prompt.begun:
            chat.append({"role": "assistant", "content": prompt.begun})
        return chat_template(chat, add_generation_prompt=not prompt.begun)

    def build_all_requests(  # type: ignore[override]
        self,
        *,
        limit: int | None = None,
        samples: list[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
        **settings: Any,
    ) -> None:
        """The harness's requests, one a question, without its progress bar and its cache."""
        chosen = self.doc_iterator(rank=rank, limit=limit, samples=samples, world_size=world_size)
        self._instances = [
            self.construct_requests(
                doc,
                self.fewshot_context(doc, **settings),
                metadata=(self.config.task, place, 1),
            )
            for place, doc in chosen
        ]

    def construct_requests(self, doc: dict[str, Any], ctx: str, **settings: Any) -> Instance:
        """One greedy reply."""
        return Instance(
            request_type="generate_until",
            doc=doc,
            arguments=(ctx, dict(self.config.generation_kwargs)),
            idx=0,
            metadata=settings["metadata"],
        )

    def process_results(self, doc: dict[str, Any], results: list[str]) -> dict[str, float]:
        """Whether the answer is right, and whether there is none to be read."""
        found = self.answer(self.asked[doc["place"]], results[0])
        return {"acc": float(found == self.doc_to_target(doc)), "unreadable": float(found is None)}

    def aggregation(self) -> dict[str, Any]:
        return {"acc": mean, "unreadable": mean}

    def higher_is_better(self) -> dict[str, bool]:
        return {"acc": True, "unreadable": False}
