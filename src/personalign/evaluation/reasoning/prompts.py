"""How a question is put: zero-shot or few-shot chain of thought, as in the original papers.

**zero-shot** (Kojima et al., 2022, "Large Language Models are Zero-Shot Reasoners"). Two stages.
First the reply is begun with "Let's think step by step." and continued; then it is continued again
after "Therefore, the answer (arabic numerals) is", and the answer is read there.

**few-shot** (Wei et al., 2022, "Chain-of-Thought Prompting Elicits Reasoning in Large Language
Models"). One stage: worked examples stand before the question, and the answer is read after
"The answer is". They are the paper's own (its Tables 20 and 23 to 26), typographic apostrophes made
plain, one of them with the wrong letter that it has there. The line breaks between options are
where its Table 24 says that they were left out. All six of StrategyQA's and all six of the dates'
examples are themselves questions of the data sets, so `is_shown` tells which to leave out. Dates
are asked without options there, and the answer is a date.

A chat holds everything up to "A:" in the user's turn, and what is begun as the beginning of the
reply; as plain text the two follow each other. The paper "followed the original setup for template
selection" and does not say how that became a chat; this is ours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from personalign.evaluation.reasoning.questions import LETTERS, Question
from personalign.evaluation.reasoning.tasks import Kind, ReasoningTask

Prompting = Literal["zero-shot", "few-shot"]
"""Which of the two."""

STEP_BY_STEP = "Let's think step by step."
"""What a zero-shot reply begins with."""

FEW_SHOT_TRIGGER = "The answer is"
"""After which the answer of a few-shot reply stands, in whichever letters."""

STOPS = ("\nQ:",)
"""What ends a reply: the next question, which models without an end of turn write themselves."""

REASONING_TOKENS, ANSWER_TOKENS = 256, 32
"""Longest reasoning and longest answer. The original code has 128 and 32, and the paper does not
say; 256 leaves room for the longest solutions of GSM8K."""


@dataclass(frozen=True)
class Prompt:
    """What is said before a reply is continued."""

    user: str
    """The user's turn."""
    begun: str = ""
    """What the assistant has said already."""

    @property
    def text(self) -> str:
        """The same as plain text, for models without chats.

        >>> Prompt("Q: 1 + 1?\\nA:", "Let's see.").text
        "Q: 1 + 1?\\nA: Let's see."
        """
        return f"{self.user} {self.begun}" if self.begun else self.user


@dataclass(frozen=True)
class Exemplar:
    """A worked example."""

    question: str
    """What is asked, without options."""
    reply: str
    """The reasoning and the answer."""
    options: tuple[str, ...] = ()
    """What could be chosen."""


def first_prompt(task: ReasoningTask, question: Question, prompting: Prompting) -> Prompt:
    """What is said before the reasoning, and, few-shot, the answer.

    >>> from personalign.evaluation.reasoning.tasks import TASKS
    >>> first_prompt(TASKS["coin"], Question("1", "Is it heads up?", "yes"), "zero-shot")
    Prompt(user='Q: Is it heads up?\\nA:', begun="Let's think step by step.")
    """
    if prompting == "zero-shot":
        listed = "".join(
            f" ({letter}) {option}"
            for letter, option in zip(LETTERS, question.options, strict=False)
        )
        choices = f" Answer Choices:{listed}" if listed else ""
        return Prompt(f"Q: {question.text}{choices}\nA:", STEP_BY_STEP)
    options = () if task.free else question.options
    shown = [
        f"{_asked(one.question, one.options)} {one.reply}" for one in exemplars(task.exemplars)
    ]
    return Prompt("\n\n".join([*shown, _asked(question.text, options)]))


def second_prompt(task: ReasoningTask, first: Prompt, reasoning: str) -> Prompt:
    """What is said before the answer, once there is a zero-shot reasoning."""
    gap = "" if reasoning[:1].isspace() else " "
    return Prompt(first.user, f"{first.begun}{gap}{reasoning.rstrip()}\n{task.trigger}")


def answer_kind(task: ReasoningTask, prompting: Prompting) -> Kind:
    """What is read out of a reply."""
    return task.free if task.free and prompting == "few-shot" else task.kind


def gold_answer(task: ReasoningTask, question: Question, prompting: Prompting) -> str:
    """What must be read to be right: the date itself where no options are shown."""
    return question.answer if task.free and prompting == "few-shot" else question.gold


def is_shown(task: ReasoningTask, question: Question, prompting: Prompting) -> bool:
    """Whether the question is one of the worked examples, and so has its answer in the prompt."""
    if prompting == "zero-shot":
        return False
    return _plain(question.text) in {_plain(one.question) for one in exemplars(task.exemplars)}


@cache
def exemplars(name: str) -> tuple[Exemplar, ...]:
    """The worked examples of Wei et al. (2022): math, commonsenseqa, date, strategyqa or coin."""
    text = (files("personalign.evaluation.reasoning") / "data" / "exemplars.json").read_text(
        "utf-8"
    )
    return tuple(
        Exemplar(one["question"], one["reply"], tuple(one.get("options", ())))
        for one in json.loads(text)[name]
    )


def _asked(question: str, options: tuple[str, ...]) -> str:
    """A question in the form of the worked examples.

    >>> _asked("Where?", ("bank", "mall"))
    'Q: Where?\\nAnswer Choices:\\n(a) bank\\n(b) mall\\nA:'
    """
    listed = "".join(
        f"\n({letter.lower()}) {option}" for letter, option in zip(LETTERS, options, strict=False)
    )
    return f"Q: {question}\n" + (f"Answer Choices:{listed}\n" if listed else "") + "A:"


def _plain(question: str) -> str:
    """A question by its words alone, to be found again."""
    return " ".join(re.findall(r"\w+", question.lower().removeprefix("yes or no:")))
