"""`[evaluations.reasoning]`: what personas of a trait do to reasoning (Figure 7, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from personalign.bench.export_table import Table
from personalign.bench.measures.base import (
    Asked,
    Figure,
    Gathered,
    Measure,
    MeasureSettings,
    Section,
)
from personalign.bench.store import RawBlock

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.evaluation.reasoning.questions import QuestionSet

BASE = "base"
"""What the plain model is called in the rows."""


class ReasoningSettings(MeasureSettings):
    """What may be set."""

    data: str | None = None
    """Folder of the data sets, as the zero_shot_cot repository has them; $VARIABLES are filled."""
    hub: bool = False
    """Load them from the hub instead."""
    tasks: tuple[str, ...] | None = None
    """Which of the eight; all if left out."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first so many questions of each."""
    prompting: Literal["zero-shot", "few-shot"] = "zero-shot"
    """With worked examples, or without."""
    traits: tuple[str, ...] = Field(default=("C",), min_length=1)
    """Letters of the traits whose ends reason."""
    way: Literal["alpha", "answers"] = "alpha"
    """Ends of a trait: one persona pushed by alphas, as the paper does, or two people's answers."""
    alphas: tuple[float, ...] = (1.0, -1.0)
    """How far, by alpha."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Longest reasoning."""
    batch_rows: int = Field(default=32, ge=1)
    """Replies at once."""

    @model_validator(mode="after")
    def _one_source(self) -> ReasoningSettings:
        if (self.data is None) == (not self.hub):
            raise ValueError("give either data, a folder, or hub = true")
        return self


class Reasoning(Measure):
    """Eight reasoning data sets, answered as people at the ends of traits."""

    name = "reasoning"
    description = "Reasoning as people at the ends of a trait, eight data sets (Figure 7)."
    Settings = ReasoningSettings
    settings: ReasoningSettings

    def __init__(self, settings: MeasureSettings) -> None:
        super().__init__(settings)
        self._questions: dict[int, list[QuestionSet]] = {}

    def people(self, people: Respondents) -> Respondents:
        """Made-up people at the ends of the traits."""
        from personalign.dataset.poles import people_at_poles

        ends = ["high"] if self.settings.way == "alpha" else ["high", "low"]
        return people_at_poles(self.settings.traits, ends, inventory=people.inventory)

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.errors import EvaluationError
        from personalign.evaluation.reasoning import measure_reasoning
        from personalign.model.persona import PLAIN, Persona

        personas = asked.personas
        ends: dict[str, Persona] = dict(zip(asked.people.ids, personas, strict=True))
        if all(persona.key == PLAIN.key for persona in personas):
            named = {BASE: PLAIN}
        elif self.settings.way == "answers":
            named = {f"{asked.method.name} {end}": persona for end, persona in ends.items()}
        else:
            still = [end for end, persona in ends.items() if not persona.pushes]
            if still:
                raise EvaluationError(
                    f"{asked.method.name} makes a persona of {still[0]} that pushes nothing, so "
                    "there is no alpha to change. Set way = 'answers' for the evaluation "
                    "reasoning, or leave that method out."
                )
            named = {
                f"{asked.method.name} {end.split()[0]}{alpha:+g}": persona.with_alpha(alpha)
                for end, persona in ends.items()
                for alpha in self.settings.alphas
            }
        rows = measure_reasoning(
            asked.decoder,
            named,
            self._read(asked.seed),
            prompting=self.settings.prompting,
            max_new_tokens=self.settings.max_new_tokens,
            batch_rows=self.settings.batch_rows,
            progress=lambda done, all_: asked.progress(done / max(all_, 1)),
        )
        return RawBlock({}, (0.0, 0.0), tuple(rows))

    def _read(self, seed: int) -> list[QuestionSet]:
        if seed not in self._questions:  # of the order of options
            from personalign.bench.run.spec import expanded
            from personalign.evaluation.reasoning import read_questions

            wanted = self.settings
            folder = (
                None
                if wanted.data is None
                else expanded(wanted.data, Path(), "evaluations.reasoning.data")
            )
            self._questions[seed] = read_questions(
                wanted.tasks, folder, hub=wanted.hub, limit=wanted.limit, seed=seed
            )
        return self._questions[seed]

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.reasoning import (
            accuracy_table,
            notes,
            reasoning_inline,
            reasoning_json,
            replies_table,
        )
        from personalign.evaluation.reasoning import summarise_reasoning

        seed = gathered.spec.seeds[0]
        # The plain model is asked once, however many ends of traits there are.
        rows = {
            (row["persona"], row["task"], row["id"]): row
            for method in gathered.measured
            for row in gathered.rows(method.name, seed)
        }
        if not any(persona == BASE for persona, _, _ in rows):
            return [
                Section(
                    "Reasoning as a persona",
                    ("The plain model is what personas are compared with: add the method none.",),
                )
            ]
        found = summarise_reasoning(list(rows.values()), seed=seed)
        asked = {task for _, task, _ in rows}
        return [
            Section(
                title="Reasoning as a persona",
                said=(
                    f"{len(asked)} data sets, {found.prompting} chain of thought, greedy. C+1 and "
                    "the like are personas of somebody at the high end of that trait, pushed by "
                    "that alpha; “high” and “low” are personas of such answers.",
                ),
                tables=(
                    Table.of_rich(accuracy_table(found), notes(found), gathered.command),
                    Table.of_rich(replies_table(found), (), gathered.command),
                ),
                numbers=reasoning_json(found),
                figures=(
                    Figure(
                        reasoning_inline(found, "reasoning-accuracy"),
                        "Accuracy by data set, with standard errors.",
                    ),
                ),
            )
        ]
