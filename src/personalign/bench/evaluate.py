"""Methods over people, scored: `evaluate_methods` gives an `Evaluation`, everything a table needs.

What a method learns it learns from a person's answers to the tuning items (120 of the IPIP-NEO's
300); scores are on the held-out ones. Beside the methods stand the reference rows, which use no
model at all, and beside every method that makes personas its swap control. Scores derive from raw
answers each time: with the answers stored, another decision or table costs no model call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign import __version__
from personalign.bench.collect import collect
from personalign.bench.rows import Evaluation, beside_each_other, described, reference_rows, row_of
from personalign.bench.store import ResultStore, RunKey, code_digest, people_digest
from personalign.dataset.split import refuse_tuning_people
from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
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
    from personalign.model.prompts import PAPI

    wording = wording or PAPI
    if protocol not in PROTOCOLS:
        raise EvaluationError(
            f"There is no protocol {protocol!r}; the protocols are {', '.join(PROTOCOLS)}."
        )
    check_people(people, on_tuning_people=on_tuning_people)
    form = people.inventory
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
    budget = {} if max_kl is None else {"max_kl": max_kl}
    rows = []
    for method in made:
        if watch is not None and hasattr(method, "watch"):
            method.watch = _watched(watch, method.name)
        told = described(method, **budget)
        key = RunKey(
            method=method.name,
            settings=told.settings,
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
        rows.append(row_of(told, got, people, items, seed))
    beside = reference_rows(people, items, seed, population) if references else []
    scored, compared = beside_each_other(rows, beside, seed)
    return Evaluation(
        methods=scored,
        references=compared,
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


def check_people(people: Respondents, *, on_tuning_people: bool = False) -> None:
    """Raise EvaluationError for people who cannot be scored: nobody, nothing held out, or people
    methods are developed on, unless that is what is wanted."""
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


def _named(progress: Progress | None, name: str) -> Callable[[float, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _watched(watch: Watch, name: str) -> Callable[[int, TrainingStep, int], None]:
    return lambda _person, line, total: watch(name, line, total)
