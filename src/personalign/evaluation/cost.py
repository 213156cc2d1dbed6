"""What a method costs for one more person: the paper's Figures 5 and 17, for every method alike.

Wall time, tokens through the model forwards and backwards, the highest memory and the bytes that
stay on disk, of making one person and of answering as them, on one model and the same people. What
is shared by everybody (PAS reads the heads once a model; trainers import their libraries) is done
first and reported apart. People are made one at a time, as when one more arrives; methods that
gain from making many at once cost less than this in an evaluation. One person goes through all
methods before the next, so that a slow spell of the machine meets all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from personalign.errors import EvaluationError
from personalign.evaluation.meter import NOTHING, Spent, metered
from personalign.methods.base import Method, PersonaMethod
from personalign.model.any_model import answers_of
from personalign.model.persona import PLAIN, Persona

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.model.any_model import Model

Progress = Callable[[str, int, int], None]
"""Called as progress(method, people done, people in all)."""


@dataclass(frozen=True)
class PersonCost:
    """One person, one method."""

    making: Spent
    """From 120 answers to a persona."""
    answering: Spent
    """As that persona, all items asked for."""
    stored_bytes: int | None
    """What the persona's folder weighs; None for a method that keeps none."""

    @property
    def whole(self) -> Spent:
        """Making and answering."""
        return self.making + self.answering


@dataclass(frozen=True)
class MethodCost:
    """One method, everybody."""

    name: str
    """The method's name."""
    settings: dict[str, Any] = field(repr=False)
    """Its settings."""
    shared: Spent
    """What was done once for everybody."""
    people: tuple[PersonCost, ...] = field(repr=False)
    """One a person."""

    def mean(self, quantity: str) -> float | None:
        """The mean over people of one of QUANTITIES; None where nothing told."""
        values = [QUANTITIES[quantity](person) for person in self.people]
        there = [float(value) for value in values if value is not None]
        return float(np.mean(there)) if there else None

    def ratio(self, quantity: str, against: MethodCost) -> float | None:
        """How many times the other method's mean this one's is; None where either has none."""
        mine, theirs = self.mean(quantity), against.mean(quantity)
        return None if mine is None or not theirs else mine / theirs


QUANTITIES: dict[str, Callable[[PersonCost], float | None]] = {
    "making_seconds": lambda person: person.making.seconds,
    "answering_seconds": lambda person: person.answering.seconds,
    "seconds": lambda person: person.whole.seconds,
    "forward_tokens": lambda person: person.whole.forward_tokens,
    "backward_tokens": lambda person: person.whole.backward_tokens,
    "peak_bytes": lambda person: person.whole.peak_bytes,
    "stored_bytes": lambda person: person.stored_bytes,
}
"""What is measured of a person, by name."""


def measure_costs(
    model: Model,
    methods: Sequence[Method],
    people: Respondents,
    *,
    items: Sequence[Item] | None = None,
    progress: Progress | None = None,
) -> list[MethodCost]:
    """What each method costs for each person, in the methods' order.

    methods: fresh ones, whose cache and work folders are empty: what is found there costs nothing.
    people: with their tuning answers; others are taken away. items: what is answered as each
    persona; the held-out items unless given.
    Raises EvaluationError without people or methods.
    """
    if not len(people) or not methods:
        raise EvaluationError("A cost needs at least one method and one person; give some of both.")
    inventory = people.inventory
    asked = tuple(items) if items is not None else inventory.held_out
    known = people.only(inventory.tuning)
    answers_of(model, [PLAIN], asked[:8])  # what only the first pass of a model costs
    _ = model.fingerprint
    shared = [_shared(method, model, known) for method in methods]
    spent: list[list[PersonCost]] = [[] for _ in methods]
    for place in range(len(known)):
        person = known.select([place])
        for method, done in zip(methods, spent, strict=True):
            if progress is not None:
                progress(method.name, place, len(known))
            done.append(_person(method, model, person, asked))
            if progress is not None:
                progress(method.name, place + 1, len(known))
    return [
        MethodCost(method.name, dict(method.settings), once, tuple(done))
        for method, once, done in zip(methods, shared, spent, strict=True)
    ]


def _shared(method: Method, model: Model, people: Respondents) -> Spent:
    """What a method can do before it knows anybody."""
    prepare = getattr(method, "prepare", None)
    if prepare is None:
        return NOTHING
    told: list[Spent] = []
    with metered(model, told.append):
        prepare(people.inventory)
    return told[0]


def _person(method: Method, model: Model, person: Respondents, items: Sequence[Item]) -> PersonCost:
    told: list[Spent] = []
    if not isinstance(method, PersonaMethod):
        with metered(model, told.append):
            method.predict(person, items)
        return PersonCost(NOTHING, told[0], None)
    with metered(model, told.append):
        personas = method.personas(person)
    with metered(model, told.append):
        answers_of(model, personas, items, wording=method.wording)
    return PersonCost(told[0], told[1], stored_bytes(personas[0]))


def stored_bytes(persona: Persona) -> int:
    """What the persona's folder weighs once saved, adapter included."""
    with TemporaryDirectory() as folder:
        saved = persona.save(Path(folder) / "persona")
        return sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
