"""Reasoning under a persona: the eight data sets of the paper's section 5.3.

`read_questions` -> `measure_reasoning` (raw rows) -> `summarise_reasoning`. Measuring needs
lm-eval, the extra `eval`; reading and summarising do not.
"""

from __future__ import annotations

from personalign.evaluation.reasoning.measure import Row, measure_reasoning, run_reasoning
from personalign.evaluation.reasoning.prompts import Prompting
from personalign.evaluation.reasoning.questions import Question, QuestionSet
from personalign.evaluation.reasoning.read import read_questions
from personalign.evaluation.reasoning.summary import (
    BASE,
    PeopleScore,
    Reasoning,
    TaskScore,
    mcnemar,
    summarise_people,
    summarise_reasoning,
)
from personalign.evaluation.reasoning.tasks import TASKS, HubSource, ReasoningTask, get_tasks
from personalign.evaluation.reasoning.traits import trait_personas

__all__ = [
    "BASE",
    "TASKS",
    "HubSource",
    "PeopleScore",
    "Prompting",
    "Question",
    "QuestionSet",
    "Reasoning",
    "ReasoningTask",
    "Row",
    "TaskScore",
    "get_tasks",
    "mcnemar",
    "measure_reasoning",
    "read_questions",
    "run_reasoning",
    "summarise_people",
    "summarise_reasoning",
    "trait_personas",
]
