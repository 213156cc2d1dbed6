"""`[evaluations.aligned]`: the aligned score of every method, beside the reference rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from personalign.bench.collect import Made, ask
from personalign.bench.measures.base import Gathered, Measure, MeasureSettings, Progress, Section

if TYPE_CHECKING:
    from personalign.bench.store import RawBlock
    from personalign.dataset.people import Respondents
    from personalign.methods.base import Method


class AlignedSettings(MeasureSettings):
    """What may be set."""

    max_kl: float | None = Field(default=None, ge=0)
    """Push nobody farther than moves plain text by so much, nats a token."""
    references: bool = True
    """Whether the rows that ask no model stand beside."""


class Aligned(Measure):
    """How far the answers given for people are from their own."""

    name = "aligned"
    description = "How far the answers are from the people's own, held-out items (Table 1)."
    Settings = AlignedSettings
    needs_decoder = False
    needs_personas = False
    settings: AlignedSettings

    def ask(
        self,
        method: Method,
        people: Respondents,
        made: Callable[[], Made | None],
        *,
        seed: int,
        progress: Progress,
    ) -> RawBlock:
        items = people.inventory.held_out
        return ask(method, people, items, made(), self.settings.max_kl)

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.measures.aligned_section import aligned_section

        return [aligned_section(gathered, references=self.settings.references)]
