"""Methods over people, scored: `evaluate_methods` gives an `Evaluation`, everything a table needs.

What a method learns it learns from a person's answers to the tuning items (120 of the IPIP-NEO's
300); scores are on the held-out ones. Beside the methods stand the reference rows, which use no
model at all, and beside every method that makes personas its swap control. Scores derive from raw
answers each time: with the answers stored, another decision or table costs no model call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign import __version__
from personalign.bench.collect import Collected, collect
from personalign.bench.store import ResultStore, RunKey, code_digest, people_digest
from personalign.dataset.split import refuse_tuning_people
from personalign.errors import EvaluationError
from personalign.evaluation.aligned import AlignedScore, aligned_score
from personalign.evaluation.statistics import PairedDifference, paired_difference
from personalign.evaluation.swap import SwapControl, swap_control
from personalign.methods.base import PersonaMethod

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.methods.base import Method
    from personalign.methods.trained import TrainingStep
    from personalign.model.answer import Decision
    from personalign.model.any_model import Model
    from personalign.model.prompts import Wording

PROTOCOLS = ("honest", "paper")
"""What may be asked for; "paper" lets a method tune on the held-out items and marks its row."""

Progress = Callable[[str, float, int], None]
"""Called as progress(name of the row, people done, people in all)."""

Watch = Callable[[str, "TrainingStep", int], None]
"""Called as watch(name of the row, newest line of a training curve, steps in all)."""


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


def evaluate_methods(
    decoder: Model,
    people: Respondents,
    methods: Sequence[str | Method],
    *,
    population: Respondents | None = None,
    wording: Wording | None = None,
    decision: Decision = "mode",
    protocol: str = "honest",
    seed: int = 0,
    out: Path | str | None = None,
    references: bool = True,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    block: int | None = None,
    max_kl: float | None = None,
    on_tuning_people: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Run methods over people and score them on the held-out items.

    Args:
        decoder: the model that answers; a model behind an API, for methods that work by prompts.
        people: people with answers to all items of their questionnaire, as far as they gave them.
        methods: names from the registry, or methods ready made.
        population: people the reference predictors are fitted on, who answered the same
            questionnaire and are not the people scored. Without one, simulated people, or no such
            rows where the questionnaire has no simulator.
        wording: how the items are put to the model; the paper's wording by default.
        decision: how option probabilities become one response: "mode", "median" or "mean".
        protocol: "honest", or "paper" for the released procedure, which marks its rows.
        seed: of the methods, the bootstrap and the swap.
        out: a folder for raw answers; a run that stopped is taken up from there.
        references: whether to add the reference rows.
        settings: by method name, keyword arguments for that method.
        block: people between two writes to the store, at most; a method that trains writes after
            every person.
        max_kl: a budget: nobody is pushed farther than moves plain text by so much, nats a token.
        on_tuning_people: score people of a split's tuning part all the same; the result says so.
        progress: called with (row, people done, people in all).
        watch: called with every line of every training curve as it is measured.

    Raises:
        EvaluationError: nobody to score, no method, a name twice, an unknown protocol, people that
            methods were developed on, a population of another questionnaire, nothing held out.
        MethodError: an unknown method, or settings it cannot take.
    """
    from personalign.methods.reference import reference_methods
    from personalign.model.prompts import PAPI

    wording = wording or PAPI
    if protocol not in PROTOCOLS:
        raise EvaluationError(
            f"There is no protocol {protocol!r}; the protocols are {', '.join(PROTOCOLS)}."
        )
    if not len(people):
        raise EvaluationError("There are no people to evaluate; give a file with at least one.")
    if not on_tuning_people:
        refuse_tuning_people(people)
    form = people.inventory
    if not form.held_out or not form.tuning:
        raise EvaluationError(
            f"{form.name} has {len(form.tuning)} items to learn from and {len(form.held_out)} held "
            "out; a score needs some of both. Give people who answered the whole questionnaire."
        )
    if population is not None and population.inventory.name != form.name:
        raise EvaluationError(
            f"The population answered {population.inventory.name} and the people to score "
            f"{form.name}; give a population of the same questionnaire, or none."
        )
    if max_kl is not None and not hasattr(decoder, "heads"):
        raise EvaluationError(
            f"A budget of divergence needs a model that is here; {decoder.name} is behind an API, "
            "where nothing is pushed. Leave max_kl out."
        )
    common = {"wording": wording, "protocol": protocol, "seed": seed, "decision": decision}
    made = [_made(method, decoder, common, settings or {}) for method in methods]
    names = [method.name for method in made]
    if not names or len(set(names)) < len(names):
        raise EvaluationError(
            f"Name at least one method, and each only once; got {', '.join(names) or 'nothing'}."
        )
    items = people.inventory.held_out
    store = ResultStore(out)
    digest = people_digest(people)
    rows = []
    for method in made:
        if watch is not None and hasattr(method, "watch"):
            method.watch = _watched(watch, method.name)
        key = RunKey(
            method=method.name,
            settings=_settings(method, max_kl),
            model=decoder.fingerprint,
            people=digest,
            inventory=form.name,
            items=tuple(item.number for item in items),
            wording=asdict(wording),
            protocol=protocol,
            seed=seed,
            version=__version__,
            code=code_digest(),
        )
        got = collect(
            method,
            people,
            items,
            store.open(key),
            decision=decision,
            block=block,
            max_kl=max_kl,
            progress=_named(progress, method.name),
        )
        row = _row(method, got, people, items, seed, reference=False)
        rows.append(replace(row, settings=_settings(method, max_kl)))
    beside = []
    for method in reference_methods(population, form) if references else ():
        got = collect(
            method,
            people,
            items,
            ResultStore(None).open(key),
            progress=_named(progress, method.name),
        )
        beside.append(_row(method, got, people, items, seed, reference=True))
    return Evaluation(
        methods=tuple(_paired(row, [*rows, *beside], seed) for row in rows),
        references=tuple(_paired(row, rows, seed) for row in beside),
        people=people,
        items=tuple(items),
        model=decoder.name,
        fingerprint=decoder.fingerprint,
        wording=wording.name,
        decision=decision,
        protocol=protocol,
        seed=seed,
        usage=_usage(decoder),
    )


def _settings(method: Method, max_kl: float | None) -> dict[str, Any]:
    """The method's own settings, and the budget it was held to."""
    return {**method.settings, **({} if max_kl is None else {"max_kl": max_kl})}


def _usage(model: Model) -> dict[str, Any] | None:
    from personalign.model.api import ApiModel

    if not isinstance(model, ApiModel):
        return None
    cost = None if model.prices is None else model.usage.cost(model.prices)
    return {**asdict(model.usage), "cost": cost, "prices": model.prices, "served": model.served}


def _made(
    method: str | Method,
    decoder: Model,
    common: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
) -> Method:
    """The method itself, built from the registry where only its name was given."""
    if not isinstance(method, str):
        return method
    from personalign.methods.settings import build_method

    return build_method(method, decoder, common=common, own=settings.get(method, {}))


def _row(
    method: Method,
    got: Collected,
    people: Respondents,
    items: Sequence[Item],
    seed: int,
    *,
    reference: bool,
) -> Row:
    personal = ("heads", "stream", "prompted", "adapted")
    swaps = any(record[part] for record in got.records for part in personal)
    if not reference and not isinstance(method, PersonaMethod):  # a prompt for every question
        swaps = True
    return Row(
        name=method.name,
        description=method.description,
        reference=reference,
        fitted_on=getattr(method, "population", None),
        protocol=getattr(method, "protocol", "honest"),
        score=aligned_score(got.responses, people, items, seed=seed),
        responses=got.responses,
        seconds=got.seconds,
        label_mass=None if got.mass is None else float(got.mass.mean()),
        swap=swap_control(got.responses, people, items, seed=seed)
        if swaps and len(people) > 1
        else None,
        records=got.records,
        settings=dict(method.settings),
        peak_bytes=got.peak_bytes,
        tuning=None
        if got.tuning is None
        else aligned_score(got.tuning, people, people.inventory.tuning, seed=seed),
    )


def _paired(row: Row, rows: Sequence[Row], seed: int) -> Row:
    """The row with its differences to all others, person by person."""
    differences = {
        other.name: paired_difference(row.score.per_person, other.score.per_person, seed=seed)
        for other in rows
        if other.name != row.name
    }
    return replace(row, paired=differences)


def _named(progress: Progress | None, name: str) -> Callable[[float, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _watched(watch: Watch, name: str) -> Callable[[int, TrainingStep, int], None]:
    return lambda _person, line, total: watch(name, line, total)
