"""`[evaluations.aligned]`: the aligned score of every method, beside the reference rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from personalign.bench.collect import ask
from personalign.bench.measures.base import Asked, Gathered, Measure, MeasureSettings, Section

if TYPE_CHECKING:
    from personalign.bench.store import RawBlock


class AlignedSettings(MeasureSettings):
    """What may be set."""

    max_kl: float | None = Field(default=None, ge=0)
    """Push nobody farther than moves plain text by so much, nats a token."""
    references: bool = True
    """Whether the rows that ask no model stand beside."""
    groups: tuple[Literal["sex", "age", "country"], ...] = ()
    """What the composite is also split by."""
    smallest_group: int = Field(default=5, ge=2)
    """People a group needs to stand alone."""


class Aligned(Measure):
    """How far the answers given for people are from their own."""

    name = "aligned"
    description = "How far the answers are from the people's own, held-out items (Table 1)."
    Settings = AlignedSettings
    every_seed = True
    needs_personas = False
    settings: AlignedSettings

    @property
    def needs_decoder(self) -> bool:
        return self.settings.max_kl is not None  # nothing is pushed behind an API

    def ask(self, asked: Asked) -> RawBlock:
        items = asked.people.inventory.held_out
        return ask(asked.method, asked.people, items, asked.made(), self.settings.max_kl)

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.measures.aligned_section import aligned_section, groups_section

        wanted = self.settings
        sections = [aligned_section(gathered, references=wanted.references)]
        if wanted.groups:
            sections.append(groups_section(gathered, wanted.groups, wanted.smallest_group))
        return sections
