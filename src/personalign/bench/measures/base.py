"""The seam every evaluation of a run has: raw rows for some people, and sections of the report.

`ask` sees one method and a block of people, and gives what is kept: arrays and JSON rows, the
same whatever was measured before. `report` sees what was kept of everybody, and no model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from personalign.bench.collect import Made
    from personalign.bench.export_table import Table
    from personalign.bench.rows import Described
    from personalign.bench.run.spec import RunSpec
    from personalign.bench.store import RawBlock
    from personalign.dataset.people import Respondents
    from personalign.methods.base import Method, PersonaMethod
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona
    from personalign.model.prompts import Wording

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""


class MeasureSettings(BaseModel):
    """What a run may set of an evaluation; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Figure:
    """A figure of the report."""

    svg: str
    """Inline SVG, with ids of its own."""
    caption: str
    """What it shows, with n and what the lines are."""
    wide: bool = False
    """Whether it needs the page's whole width; on a phone it is then moved sideways."""


@dataclass(frozen=True)
class Example:
    """Something one method wrote, shown as it is."""

    heading: str
    """Who speaks, and to what."""
    texts: tuple[tuple[str, str], ...]
    """(label, text) side by side."""


@dataclass(frozen=True)
class Section:
    """A part of the report: what one evaluation found."""

    title: str
    """Its heading."""
    said: tuple[str, ...] = ()
    """Sentences: what was done, what follows, what it does not show."""
    tables: tuple[Table, ...] = ()
    """Tables, which are also written as files."""
    figures: tuple[Figure, ...] = ()
    """Figures."""
    examples: tuple[Example, ...] = ()
    """Texts."""
    numbers: dict[str, Any] = field(default_factory=dict, repr=False)
    """Every number, as JSON values; they go into the report's `numbers.json`."""


@dataclass(frozen=True)
class Gathered:
    """What a run has kept of one evaluation."""

    spec: RunSpec
    """The run."""
    model: str
    """The model's name."""
    fingerprint: str
    """The model's fingerprint."""
    people: Respondents
    """Whom it was measured of."""
    methods: tuple[Described, ...]
    """The methods, in the run's order."""
    blocks: dict[tuple[str, int], list[RawBlock]] = field(repr=False)
    """By method and seed, the blocks in the order of people."""
    command: str
    """What to type to make these numbers again."""

    def rows(self, method: str, seed: int) -> list[dict]:
        """The JSON rows of one method and seed, in the order of people."""
        return [row for block in self.blocks[method, seed] for row in block.records]

    @property
    def measured(self) -> tuple[Described, ...]:
        """The methods it was measured of."""
        first = self.spec.seeds[0]
        return tuple(method for method in self.methods if (method.name, first) in self.blocks)


@dataclass(frozen=True)
class Asked:
    """One method and some people, to be measured."""

    method: Method
    """The method."""
    people: Respondents
    """With all their answers; the method sees what `Method.visible` leaves of them."""
    seed: int
    """Of everything random."""
    made: Callable[[], Made | None]
    """Makes their personas, or gives those another evaluation has made already; None for a method
    that makes none."""
    fresh: Callable[[Path], Method]
    """The same method as one that has made nobody yet and keeps what it makes in this folder."""
    progress: Progress
    """To be called on the way."""

    @property
    def personas(self) -> list[Persona]:
        """The people's personas, of a method that makes them."""
        made = self.made()
        assert made is not None, f"{self.method.name} makes no personas: see Measure.applies"
        return made.personas

    @property
    def decoder(self) -> Decoder:
        """The model the method works on."""
        return cast("PersonaMethod", self.method).decoder

    @property
    def wording(self) -> Wording:
        """How the method puts items."""
        return cast("PersonaMethod", self.method).wording


class Measure(ABC):
    """One evaluation with its settings."""

    name: ClassVar[str]
    """What the TOML calls it."""
    description: ClassVar[str]
    """One line on what it measures."""
    Settings: ClassVar[type[MeasureSettings]] = MeasureSettings
    """What may be set."""
    every_seed: ClassVar[bool] = False
    """Whether it is measured with every seed of the run, and averaged; else with the first."""
    needs_personas: ClassVar[bool] = True
    """Whether only methods that make personas can be measured."""

    def __init__(self, settings: MeasureSettings) -> None:
        self.settings = settings

    @property
    def needs_decoder(self) -> bool:
        """Whether it looks inside the model, so that a model behind an API will not do."""
        return True

    def seeds(self, spec: RunSpec) -> tuple[int, ...]:
        """The seeds it is measured with."""
        return spec.seeds if self.every_seed else spec.seeds[:1]

    def people(self, people: Respondents) -> Respondents:
        """Whom it measures: the run's people, unless it brings its own."""
        return people

    def applies(self, method: Described) -> bool:
        """Whether this method can be measured; the report names those that were not."""
        return method.makes_personas or not self.needs_personas

    @abstractmethod
    def ask(self, asked: Asked) -> RawBlock:
        """Measure one method on some people; the rows do not depend on who else is measured."""

    @abstractmethod
    def report(self, gathered: Gathered) -> Sequence[Section]:
        """What the whole run's rows say."""
