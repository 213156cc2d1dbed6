"""`[evaluations.alphas]`: one question at several alphas, side by side (Appendix F)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from personalign.bench.export_table import Table
from personalign.bench.measures.base import (
    Asked,
    Example,
    Gathered,
    Measure,
    MeasureSettings,
    Section,
)
from personalign.bench.store import RawBlock
from personalign.evaluation.alpha_case import PAPER_PROMPT, PAPER_STRENGTHS, REPLY_TOKENS

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


class AlphasSettings(MeasureSettings):
    """What may be set."""

    prompt: str = PAPER_PROMPT
    """What the user asks; the paper's user if left out."""
    strengths: tuple[float | Literal["best"], ...] = Field(default=PAPER_STRENGTHS, min_length=1)
    """Alphas, and "best" for the persona's own."""
    people: int = Field(default=2, ge=1)
    """For the first so many people."""
    max_new_tokens: int = Field(default=REPLY_TOKENS, ge=1)
    """Longest reply."""


class Alphas(Measure):
    """The same question at alpha 0, 1, the persona's own and beyond, with what each costs."""

    name = "alphas"
    description = "One question at several alphas, with what each costs (Appendix F)."
    Settings = AlphasSettings
    settings: AlphasSettings

    def people(self, people: Respondents) -> Respondents:
        """The first few."""
        return people.select(slice(0, self.settings.people))

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.evaluation.alpha_case import alpha_case

        personas = asked.personas
        pushing = {
            name: persona
            for name, persona in zip(asked.people.ids, personas, strict=True)
            if persona.pushes
        }
        if not pushing:  # nothing for alpha to scale
            return RawBlock({}, (0.0, 0.0))
        rows = alpha_case(
            asked.decoder,
            pushing,
            self.settings.prompt,
            strengths=self.settings.strengths,
            max_new_tokens=self.settings.max_new_tokens,
            seed=asked.seed,
            progress=lambda done, all_: asked.progress(done / max(all_, 1)),
        )
        return RawBlock({}, (0.0, 0.0), tuple(rows))

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.alpha_case import alpha_notes, by_persona, cost_texts, heading

        tables, examples, notes = [], [], []
        for method in gathered.measured:
            rows = gathered.rows(method.name, gathered.spec.seeds[0])
            if not rows:
                continue
            notes = alpha_notes(rows)
            for person, some in by_persona(rows).items():
                costs = [cost_texts(row) for row in some]
                tables.append(
                    Table(
                        f"{method.name}, {person}: what each alpha costs",
                        ("", *costs[0]),
                        tuple(
                            (heading(row), *cost.values())
                            for row, cost in zip(some, costs, strict=True)
                        ),
                        (),
                        gathered.command,
                    )
                )
                examples.append(
                    Example(
                        f"{method.name}, {person}",
                        tuple((heading(row), row["text"]) for row in some),
                    )
                )
        return [
            Section(
                "One question at several alphas",
                (f"Asked: “{self.settings.prompt}”", *notes),
                tuple(tables),
                (),
                tuple(examples),
            )
        ]
