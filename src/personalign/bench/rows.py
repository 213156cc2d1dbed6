"""`Row` and `Evaluation`: what methods scored on people comes to, ready for tables and figures.

A row is made from raw answers that were joined (`collect.py`) and from what a table says of the
method (`Described`), so that no model is needed to make it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign import __version__
from personalign.bench.collect import Collected
from personalign.errors import EvaluationError
from personalign.evaluation.aligned import AlignedScore, aligned_score
from personalign.evaluation.statistics import PairedDifference, paired_difference
from personalign.evaluation.swap import SwapControl, swap_control

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.methods.base import Method


@dataclass(frozen=True)
class Described:
    """What a table says of a method, beside what was measured."""

    name: str
    """The method's name."""
    description: str
    """One line on what it does."""
    settings: dict[str, Any]
    """Its settings."""
    protocol: str = "honest"
    """"paper" where it tunes itself on the held-out items."""
    fitted_on: str | None = None
    """The population a reference was fitted on; None where it needs none."""
    makes_personas: bool = True
    """Whether it makes personas; others write a prompt for every question, or ask no model."""
    people_at_once: int = 16
    """People it makes at once."""


def described(method: Method, **more: Any) -> Described:
    """What a table says of the method. more: what it was held to, beside its own settings."""
    from personalign.methods.base import PersonaMethod

    return Described(
        name=method.name,
        description=method.description,
        settings={**method.settings, **more},
        protocol=getattr(method, "protocol", "honest"),
        fitted_on=getattr(method, "population", None),
        makes_personas=isinstance(method, PersonaMethod),
        people_at_once=method.people_at_once,
    )


@dataclass(frozen=True)
class Row:
    """One row of the table: a method or a reference predictor."""

    name: str
    """The method's name."""
    description: str
    """One line on what it does."""
    reference: bool
    """Whether it is a reference predictor, which asks no model."""
    fitted_on: str | None
    """The population a reference was fitted on; None where it needs none."""
    protocol: str
    """"paper" where the row tuned itself on the held-out items, else "honest"."""
    score: AlignedScore
    """How close it came."""
    responses: NDArray[np.int8] = field(repr=False)
    """(people, items) the answers that were scored."""
    seconds: tuple[float, float]
    """Seconds of making all personas and of answering for all people."""
    label_mass: float | None = None
    """Mean probability of the five labels among all tokens; small: the model would rather say
    something else. None without a model."""
    swap: SwapControl | None = field(default=None, repr=False)
    """The same people with somebody else's persona; None where everybody's persona is the same."""
    paired: dict[str, PairedDifference] = field(default_factory=dict, repr=False)
    """By the other row's name: this composite minus the other's, person by person."""
    records: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """One a person: alpha, heads and provenance of the persona."""
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    """The method's settings."""
    peak_bytes: int | None = None
    """Highest memory while people were made and answered, beyond the loaded model: of one person
    for a method that trains, of a block of people for one that makes many at once."""
    tuning: AlignedScore | None = field(default=None, repr=False)
    """How close it came on the items it learnt from; None where they were not asked."""

    @property
    def seconds_per_person(self) -> float:
        """Seconds of making and answering, shared costs included, per person."""
        return sum(self.seconds) / max(1, len(self.responses))


@dataclass(frozen=True)
class Evaluation:
    """Every row of one evaluation, and what it was done with."""

    methods: tuple[Row, ...]
    """The methods, in the order asked for."""
    references: tuple[Row, ...]
    """The reference rows."""
    people: Respondents = field(repr=False)
    """The people, with all their answers."""
    items: tuple[Item, ...] = field(repr=False)
    """The held-out items that were scored."""
    model: str
    """The model's name."""
    fingerprint: str
    """The model's fingerprint."""
    wording: str
    """Name of the question's wording."""
    decision: str
    """How option probabilities became responses."""
    protocol: str
    """"honest" or "paper"."""
    seed: int
    """Seed of the methods, the bootstrap and the swap."""
    version: str = __version__
    """Personalign's version."""
    usage: dict[str, Any] | None = None
    """What an API was asked for: requests, tokens, cost; None for a model that is here."""

    def row(self, name: str) -> Row:
        """The row with this name; EvaluationError names those there are."""
        for row in (*self.methods, *self.references):
            if row.name == name:
                return row
        names = ", ".join(row.name for row in (*self.methods, *self.references))
        raise EvaluationError(f"This evaluation has no row {name!r}; its rows are {names}.")

    @property
    def own(self) -> NDArray[np.int8]:
        """(people, items) what the people answered themselves."""
        return self.people.responses[:, self.people.inventory.columns(self.items)]


def row_of(
    method: Described,
    got: Collected,
    people: Respondents,
    items: Sequence[Item],
    seed: int,
    *,
    reference: bool = False,
) -> Row:
    """One method's answers, scored. seed: of the bootstrap and the swap."""
    personal = ("heads", "stream", "prompted", "adapted")
    swaps = any(record[part] for record in got.records for part in personal)
    if not reference and not method.makes_personas:  # a prompt for every question
        swaps = True
    return Row(
        name=method.name,
        description=method.description,
        reference=reference,
        fitted_on=method.fitted_on,
        protocol=method.protocol,
        score=aligned_score(got.responses, people, items, seed=seed),
        responses=got.responses,
        seconds=got.seconds,
        label_mass=None if got.mass is None else float(got.mass.mean()),
        swap=swap_control(got.responses, people, items, seed=seed)
        if swaps and len(people) > 1
        else None,
        records=got.records,
        settings=method.settings,
        peak_bytes=got.peak_bytes,
        tuning=None
        if got.tuning is None
        else aligned_score(got.tuning, people, people.inventory.tuning, seed=seed),
    )


def reference_rows(
    people: Respondents, items: Sequence[Item], seed: int, population: Respondents | None = None
) -> list[Row]:
    """The predictors that ask no model, scored on the same people.

    population: whom they are fitted on; simulated people without one.
    """
    from personalign.bench.collect import collect
    from personalign.bench.store import MethodStore
    from personalign.methods.reference import reference_methods

    return [
        row_of(
            described(method),
            collect(method, people, items, MethodStore(None)),
            people,
            items,
            seed,
            reference=True,
        )
        for method in reference_methods(population, people.inventory)
    ]


def beside_each_other(
    rows: Sequence[Row], references: Sequence[Row], seed: int
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """The same rows, each with its differences to the others, person by person."""
    return (
        tuple(_paired(row, [*rows, *references], seed) for row in rows),
        tuple(_paired(row, rows, seed) for row in references),
    )


def _paired(row: Row, rows: Sequence[Row], seed: int) -> Row:
    differences = {
        other.name: paired_difference(row.score.per_person, other.score.per_person, seed=seed)
        for other in rows
        if other.name != row.name
    }
    return replace(row, paired=differences)
