"""A question, and a set of them, in the form all data sets share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from personalign.evaluation.reasoning.tasks import ReasoningTask

LETTERS = "ABCDEF"
"""Of the options, in their order."""


@dataclass(frozen=True)
class Question:
    """One question and the right answer."""

    id: str
    """Its place in the data set, or the id the data set gives it."""
    text: str
    """What is asked, without options."""
    gold: str
    """A number without commas, the letter of an option, or "yes" or "no"."""
    options: tuple[str, ...] = ()
    """What can be chosen, (A) first; () where nothing is offered."""

    @property
    def answer(self) -> str:
        """The right answer in words: the option itself where there are options.

        >>> Question("1", "Where?", "B", ("bank", "mall")).answer
        'mall'
        """
        return self.options[LETTERS.index(self.gold)] if self.options else self.gold


@dataclass(frozen=True)
class QuestionSet:
    """Questions of one data set."""

    task: ReasoningTask
    """The data set."""
    questions: tuple[Question, ...]
    """In its order."""
    source: str
    """The file or the name on the hub."""

    def __len__(self) -> int:
        return len(self.questions)

    def select(self, which: slice) -> QuestionSet:
        """Some of the questions, for a run in chunks."""
        return replace(self, questions=self.questions[which])


def plain_number(value: object) -> str:
    """A number as it is compared: no commas, no zeros that do not count.

    >>> [plain_number(value) for value in ("2,125", 39.0, "18.", "-0.50", "007", "-0")]
    ['2125', '39', '18', '-0.5', '7', '0']
    """
    text = str(value).strip().replace(",", "")
    float(text)  # refuses what is no number
    sign = "-" if text.startswith("-") else ""
    whole, _, part = text.removeprefix("-").partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    found = f"{whole}.{part}" if part else whole
    return found if found == "0" else sign + found
