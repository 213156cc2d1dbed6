"""Does a persona follow the person? Raise the person's answers, align again, measure the change.

Paper Appendix D: every answer is raised by one in its trait's direction (`dataset/raise_traits.py`
says what happens at the ends of the scale), the model is aligned anew, and the average treatment
effect is Y1 - Y0, the persona's OCEAN scores after and before. The paper does not say how five
traits become one figure; since its 2.70 is more than one trait was raised by, we add the five up.
Scores are keyed means over the answers the persona gives to the *held-out* items, so that repeating
what was said does not count.

Beyond the paper, each trait is raised alone: does that trait move, and do the others stay? Who only
makes the model more agreeable to everything moves all of them.

Two yardsticks stand beside every effect. `dose` is how far the answers the method saw really
moved: 1, less the share already at the end of the scale. `ceiling` is the same of the held-out
answers, the effect a perfect copy of the person would have.

`measure_effects` asks a method and gives raw rows, a person each, for as many people as one likes
at a time; `summarise_effects` takes the rows of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.dataset.raise_traits import VERSIONS, moved_and_clipped, versions
from personalign.errors import EvaluationError
from personalign.evaluation.statistics import (
    Interval,
    PairedDifference,
    bootstrap_mean,
    paired_difference,
)
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import trait_means
from personalign.methods.base import PersonaMethod
from personalign.model.any_model import answers_of

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.methods.base import Method, Progress


@dataclass(frozen=True)
class Effects:
    """What raising people by one did to a method's answers. Traits in the order O C E A N."""

    traits: tuple[Interval, ...]
    """(5,) effect on each trait when all were raised, mean over people."""
    total: Interval
    """The five added up: the paper's average treatment effect."""
    before: tuple[float, ...]
    """(5,) Y0, mean trait scores of the personas of the people as they are."""
    after: tuple[float, ...]
    """(5,) Y1, the same of the people with all traits raised."""
    matrix: tuple[tuple[Interval, ...], ...]
    """(5, 5) [raised trait][measured trait] effect when one trait was raised alone."""
    own: Interval
    """Effect on the trait raised alone, mean of the five; 1 would be all of it."""
    others: Interval
    """Effect on the other four, mean of the twenty, with their signs."""
    spill: Interval
    """Mean size of the twenty, signs taken away person by person; noise alone is above 0 here."""
    specific: PairedDifference
    """Own minus spill, person by person; above 0: what was raised moved more than what was not."""
    dose: tuple[float, ...]
    """(5,) how far the answers the method learnt from moved, mean over people; NaN for none."""
    ceiling: tuple[float, ...]
    """(5,) how far the held-out answers would have moved, mean over people; NaN for none."""
    unparsed: int
    """Answers of all versions in which no option was found; left out of the scores."""
    answers: int
    """Answers asked for, over all people, versions and items."""
    ids: tuple[str, ...] = field(repr=False)
    """(people,) who they are."""
    per_person: NDArray[np.float64] = field(repr=False, compare=False)
    """(people, 5) effect on each trait when all were raised; NaN where a score is missing."""

    @property
    def people(self) -> int:
        """People with a total."""
        return self.total.people

    @property
    def total_ceiling(self) -> float:
        """The total of a perfect copy of these people."""
        return float(sum(self.ceiling))


def measure_effects(
    method: Method, people: Respondents, *, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Align everybody as they are, raised throughout, and raised in each trait; ask all of them.

    The seven versions of all people are rows of one call, of `personas` where the method makes
    some and of `predict` where it does not; answers are the most probable options. Only tuning
    answers are shown, unless the method follows the paper's released protocol; there the held-out
    answers are raised too.

    people: with all their answers. progress: called with (steps done, steps).
    Returns one row a person, JSON values; see `effect_rows`.
    """
    everybody = method.visible(versions(people))
    items = people.inventory.held_out
    if not isinstance(method, PersonaMethod):
        answers = np.asarray(method.predict(everybody, items))
        if progress is not None:
            progress(len(everybody), len(everybody))
        return effect_rows(answers, people)
    steps = 2 * len(everybody)
    personas = method.personas(everybody, progress=_part(progress, 0, steps))
    answers = answers_of(
        method.decoder,
        personas,
        items,
        wording=method.wording,
        progress=_part(progress, len(everybody), steps),
    ).responses()
    return effect_rows(answers, people)


def effect_rows(answers: ArrayLike, people: Respondents) -> list[dict[str, Any]]:
    """Raw rows out of answers that are there already.

    answers: (7 * people, held-out items) responses 1-5, 0 unparsed, in the order of `versions`.
    people: as they are, with all their answers.
    Returns for each person `person` (the id), `responses` (by version, a list each), and of the
    person's own answers only counts by trait: `given` and `clipped`, by `tuning` and `held_out`.
    Raises EvaluationError where the shape is another one.
    """
    form = people.inventory
    given_answers = np.asarray(answers)
    shape = (len(VERSIONS) * len(people), len(form.held_out))
    if given_answers.shape != shape:
        raise EvaluationError(
            f"The answers have the shape {given_answers.shape}; {len(people)} people in "
            f"{len(VERSIONS)} versions and {len(form.held_out)} held-out items need {shape}."
        )
    parts = {"tuning": form.tuning, "held_out": form.held_out}
    counts = {
        name: moved_and_clipped(people, [item.number for item in items])
        for name, items in parts.items()
    }
    by_version = given_answers.reshape(len(VERSIONS), len(people), -1).astype(int)
    return [
        {
            "person": person,
            "responses": {v: by_version[n, at].tolist() for n, v in enumerate(VERSIONS)},
            "given": {name: counts[name][0][at].tolist() for name in parts},
            "clipped": {name: counts[name][1][at].tolist() for name in parts},
        }
        for at, person in enumerate(people.ids)
    ]


def summarise_effects(
    rows: Sequence[Mapping[str, Any]], inventory: Inventory | None = None, *, seed: int = 0
) -> Effects:
    """The effects, with bootstrap intervals over people.

    rows: of all people, from one method. inventory: whose held-out items were asked; the 300-item
    form when left out. seed: of the bootstrap.
    Raises EvaluationError for no rows, rows of other items, or nobody with an answer.
    """
    form = inventory or ipip_neo_300()
    if not rows:
        raise EvaluationError("There are no rows to summarise; measure at least one person.")
    answers = _answers(rows, form)
    scores = _scores(answers, form)  # (versions, people, traits)
    if not np.isfinite(scores[0]).any():
        raise EvaluationError(
            f"None of the {answers[0].size} answers of the people as they are names an option, so "
            "there are no scores to compare. Ask the model in another wording."
        )
    effects = scores[1:] - scores[0]
    everything, alone = effects[0], effects[1:].transpose(1, 0, 2)  # (people, raised, measured)
    diagonal = np.eye(len(TRAITS), dtype=bool)
    own = alone[:, diagonal].mean(axis=1)
    spill = np.abs(alone[:, ~diagonal]).mean(axis=1)
    return Effects(
        traits=tuple(_interval(everything[:, at], seed) for at in range(len(TRAITS))),
        total=_interval(everything.sum(axis=1), seed),
        before=_means(scores[0]),
        after=_means(scores[1]),
        matrix=tuple(
            tuple(_interval(alone[:, raised, measured], seed) for measured in range(len(TRAITS)))
            for raised in range(len(TRAITS))
        ),
        own=_interval(own, seed),
        others=_interval(alone[:, ~diagonal].mean(axis=1), seed),
        spill=_interval(spill, seed),
        specific=_difference(own, spill, seed),
        dose=_rise(rows, "tuning"),
        ceiling=_rise(rows, "held_out"),
        unparsed=int((answers == 0).sum()),
        answers=answers.size,
        ids=tuple(str(row["person"]) for row in rows),
        per_person=everything,
    )


def compare_effects(one: Effects, other: Effects, *, seed: int = 0) -> PairedDifference:
    """Total effect of one method minus another's, person by person.

    Raises EvaluationError where they were measured on other people.
    """
    if one.ids != other.ids:
        raise EvaluationError(
            f"The effects are of different people ({len(one.ids)} and {len(other.ids)}, or in "
            "another order); compare methods on the same people."
        )
    return _difference(one.per_person.sum(axis=1), other.per_person.sum(axis=1), seed)


def _answers(rows: Sequence[Mapping[str, Any]], form: Inventory) -> NDArray[np.int8]:
    """(versions, people, held-out items) responses."""
    try:
        found = np.array([[row["responses"][v] for row in rows] for v in VERSIONS], dtype=np.int8)
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(
            f"A row of effects cannot be read ({error!r}); rows come from measure_effects, with "
            f"the responses of the versions {', '.join(VERSIONS)}."
        ) from error
    if found.shape[2:] != (len(form.held_out),):
        raise EvaluationError(
            f"The rows have {found.shape[-1]} answers a version and {form.name} has "
            f"{len(form.held_out)} held-out items; name the inventory that was asked."
        )
    return found


def _scores(answers: NDArray[np.int8], form: Inventory) -> NDArray[np.float64]:
    """(versions, people, 5) keyed trait means over the held-out items."""
    sheets = np.zeros((*answers.shape[:2], len(form)), dtype=np.int8)
    sheets[..., form.columns(form.held_out)] = answers
    return trait_means(sheets, form)


def _rise(rows: Sequence[Mapping[str, Any]], part: str) -> tuple[float, ...]:
    """(5,) mean over people of the share of answers that could move: how far they rose by one."""
    given = np.array([row["given"][part] for row in rows], dtype=float)
    clipped = np.array([row["clipped"][part] for row in rows], dtype=float)
    share = np.where(given > 0, 1 - clipped / np.maximum(given, 1), np.nan)
    return _means(share)


def _means(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Column means over the people who have a value; NaN where nobody has."""
    return tuple(
        float(kept.mean()) if len(kept := column[np.isfinite(column)]) else float("nan")
        for column in values.T
    )


def _interval(values: NDArray[np.float64], seed: int) -> Interval:
    if not np.isfinite(values).any():
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    return bootstrap_mean(values, seed=seed)


def _difference(
    one: NDArray[np.float64], other: NDArray[np.float64], seed: int
) -> PairedDifference:
    if not np.isfinite(one - other).any():
        return PairedDifference(_interval(one - other, seed), float("nan"))
    return paired_difference(one, other, seed=seed)


def _part(progress: Progress | None, before: int, steps: int) -> Callable[[int, int], None] | None:
    """Progress of one half of the work, whatever its unit, in steps of the whole."""
    if progress is None:
        return None
    return lambda done, total: progress(before + round(steps / 2 * done / max(total, 1)), steps)
