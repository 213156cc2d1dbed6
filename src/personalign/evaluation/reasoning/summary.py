"""Accuracy by task and persona, and whether it is the plain model's: the same questions, paired.

**Standard error** of an accuracy p over n questions: sqrt(p (1 - p) / (n - 1)), as
lm-evaluation-harness gives it.

**McNemar's test**, exact: of the questions that only one of the two answered rightly, is it as
often the one as the other? Two-sided binomial (McNemar, 1947, Psychometrika 12(2), 153-157). The
questions both answered rightly, or both wrongly, say nothing about a difference.

Questions are the unit here. Where many people have a persona each, people are: `summarise_people`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from personalign.errors import EvaluationError
from personalign.evaluation.reasoning.tasks import TASKS
from personalign.evaluation.statistics import Interval, bootstrap_mean

ALL = "all"
"""The name under which the questions of all tasks stand together."""

BASE = "base"
"""What the plain model is called, where nothing else is said."""


@dataclass(frozen=True)
class McNemar:
    """Two on the same questions."""

    gained: int
    """Right here, wrong in the other."""
    lost: int
    """Wrong here, right in the other."""
    p: float
    """Two-sided exact p; 1 where neither happened."""


@dataclass(frozen=True)
class TaskScore:
    """One persona on one task."""

    task: str
    """Its name, or `ALL`."""
    persona: str
    """Its name."""
    samples: int
    """Questions asked."""
    right: int
    """Answered rightly."""
    unreadable: int
    """Replies in which no answer could be read; they count as wrong."""
    stderr: float
    """Standard error of the accuracy; NaN for one question."""
    original_right: int
    """Right by the original code's reading of the replies."""
    seconds: float | None
    """Per question, mean; None where it was not measured."""
    base_seconds: float | None
    """The same of the plain model."""
    versus: McNemar | None
    """Against the plain model; None for the plain model itself."""
    difference: Interval | None
    """Accuracy minus the plain model's, with a bootstrap interval over questions; None for it."""

    @property
    def accuracy(self) -> float:
        """Share of the questions answered rightly."""
        return self.right / self.samples


@dataclass(frozen=True)
class Reasoning:
    """Every persona on every task."""

    scores: tuple[TaskScore, ...]
    """By task, then persona; where there are several tasks, `ALL` last."""
    base: str
    """Which persona is the plain model."""
    prompting: str
    """zero-shot or few-shot."""

    @property
    def tasks(self) -> list[str]:
        """In the order of the scores, without `ALL`."""
        return [name for name in dict.fromkeys(one.task for one in self.scores) if name != ALL]

    @property
    def personas(self) -> list[str]:
        """In the order of the scores, the plain model first."""
        return list(dict.fromkeys(one.persona for one in self.scores))

    def score(self, task: str, persona: str) -> TaskScore:
        """One of the scores; EvaluationError where there is none."""
        for one in self.scores:
            if (one.task, one.persona) == (task, persona):
                return one
        raise EvaluationError(
            f"There is no score of {persona!r} on {task!r}; the tasks are {', '.join(self.tasks)}, "
            f"the personas {', '.join(self.personas)}."
        )


@dataclass(frozen=True)
class PeopleScore:
    """Several people's personas on one task."""

    task: str
    """Its name, or `ALL`."""
    group: str
    """What the people are called together."""
    accuracy: Interval
    """Mean over people."""
    difference: Interval
    """Each one's accuracy minus the plain model's, mean over people."""


def mcnemar(gained: int, lost: int) -> McNemar:
    """The exact test of so many questions gained and lost.

    >>> mcnemar(8, 2).p  # 2 (1 + 10 + 45) / 2 ** 10
    0.109375
    """
    discordant = gained + lost
    p = stats.binomtest(gained, discordant).pvalue if discordant else 1.0
    return McNemar(gained, lost, float(p))


def summarise_reasoning(
    rows: Iterable[Mapping[str, Any]], *, base: str = BASE, seed: int = 0
) -> Reasoning:
    """Accuracies and tests out of the raw rows of `measure_reasoning`, of all chunks together.

    base: the persona that is the plain model. seed: of the bootstrap over questions.
    Raises EvaluationError where there are no rows, the plain model is missing, prompts of both
    kinds are mixed, an answer is there twice, or a persona was not asked what the plain model was.
    """
    table = _by_persona(rows, base)
    prompting = _prompting(table)
    tasks = list(dict.fromkeys(task for task, _ in table[base]))
    tasks.sort(key=lambda name: list(TASKS).index(name) if name in TASKS else len(TASKS))
    scores = []
    for task in [*tasks, *([ALL] if len(tasks) > 1 else [])]:
        keys = [key for key in table[base] if task in (ALL, key[0])]
        plain = [table[base][key] for key in keys]
        for persona in [base, *(name for name in table if name != base)]:
            own = [table[persona][key] for key in keys]
            scores.append(_score(task, persona, own, plain, persona == base, seed))
    return Reasoning(tuple(scores), base, prompting)


def summarise_people(
    found: Reasoning, groups: Mapping[str, Sequence[str]], *, seed: int = 0
) -> list[PeopleScore]:
    """What the personas of each group score together, with intervals over people.

    groups: name -> names of personas, one a person. Raises EvaluationError for an empty group or a
    persona without scores.
    """
    if any(not names for names in groups.values()):
        raise EvaluationError("A group of people is empty; name at least one persona in each.")
    scores = []
    for task in dict.fromkeys(one.task for one in found.scores):
        plain = found.score(task, found.base).accuracy
        for group, names in groups.items():
            own = np.array([found.score(task, name).accuracy for name in names])
            scores.append(
                PeopleScore(
                    task,
                    group,
                    bootstrap_mean(own, seed=seed),
                    bootstrap_mean(own - plain, seed=seed),
                )
            )
    return scores


_Key = tuple[str, str]
"""(task, question's id)"""


def _by_persona(
    rows: Iterable[Mapping[str, Any]], base: str
) -> dict[str, dict[_Key, Mapping[str, Any]]]:
    """persona -> (task, id) -> row, all personas asked the same."""
    table: dict[str, dict[_Key, Mapping[str, Any]]] = {}
    for row in rows:
        own = table.setdefault(row["persona"], {})
        key = (row["task"], row["id"])
        if key in own:
            raise EvaluationError(
                f"{row['persona']} answered question {key[1]} of {key[0]} twice; give every row "
                "once."
            )
        own[key] = row
    if base not in table:
        raise EvaluationError(
            f"There are no answers of the plain model, called {base!r}; there are answers of "
            f"{', '.join(table) or 'nobody'}. Measure it too, or name it as base."
        )
    for persona, own in table.items():
        if own.keys() != table[base].keys():
            raise EvaluationError(
                f"{persona} was asked {len(own)} questions and {base} {len(table[base])}, or "
                "others; a comparison needs the same. Finish the run, or leave the persona out."
            )
        for key, row in own.items():
            if row["prompt"] != table[base][key]["prompt"]:
                raise EvaluationError(
                    f"Question {key[1]} of {key[0]} was put to {persona} in other words than to "
                    f"{base}; measure both with the same prompts and seed."
                )
    return table


def _prompting(table: Mapping[str, Mapping[_Key, Mapping[str, Any]]]) -> str:
    kinds = sorted({str(row["prompting"]) for own in table.values() for row in own.values()})
    if len(kinds) > 1:
        raise EvaluationError(
            f"Some rows are {' and some '.join(kinds)}; summarise each way of prompting by itself."
        )
    return kinds[0]


def _score(
    task: str,
    persona: str,
    own: Sequence[Mapping[str, Any]],
    plain: Sequence[Mapping[str, Any]],
    is_base: bool,
    seed: int,
) -> TaskScore:
    right = np.array([bool(row["right"]) for row in own])
    base_right = np.array([bool(row["right"]) for row in plain])
    n, share = len(own), float(right.mean())
    return TaskScore(
        task=task,
        persona=persona,
        samples=n,
        right=int(right.sum()),
        unreadable=sum(row["answer"] is None for row in own),
        stderr=math.sqrt(share * (1 - share) / (n - 1)) if n > 1 else float("nan"),
        original_right=sum(bool(row["original_right"]) for row in own),
        seconds=_mean_seconds(own),
        base_seconds=_mean_seconds(plain),
        versus=None
        if is_base
        else mcnemar(int((right & ~base_right).sum()), int((~right & base_right).sum())),
        difference=None if is_base else bootstrap_mean(right.astype(float) - base_right, seed=seed),
    )


def _mean_seconds(rows: Sequence[Mapping[str, Any]]) -> float | None:
    times = [row["seconds"] for row in rows]
    return None if any(time is None for time in times) else float(np.mean(times))
