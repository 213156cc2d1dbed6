"""The aligned score: how far the answers given for people are from the answers they gave.

Paper section 5.1: for each trait, the mean absolute difference between the model's response and the
person's over that trait's held-out items; the composite is the sum over the five traits, 0 (every
answer right) to 20. Lower is better. Each person is scored alone and people are averaged.

Both sides are responses, 1-5 as ticked. (The released code compares responses with reverse-scored
values on minus-keyed items; see docs/design/coordinates.md.) An answer that is missing on the
person's side, or could not be parsed on the model's, is left out and counted: it is never a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.errors import EvaluationError
from personalign.evaluation.statistics import Interval, bootstrap_mean
from personalign.inventory.keys import TRAITS

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item


@dataclass(frozen=True)
class AlignedScore:
    """The aligned score of one set of predicted answers."""

    interval: Interval
    """The composite, averaged over people, and its 95% bootstrap interval."""
    traits: dict[str, float]
    """Mean absolute difference of each trait (O C E A N), averaged over people."""
    per_person: NDArray[np.float64] = field(repr=False)
    """(people,) composite of each person; NaN where a trait has no item to compare."""
    per_person_traits: NDArray[np.float64] = field(repr=False)
    """(people, 5) mean absolute difference, columns in the order O C E A N."""
    items: int
    """Items asked of each person."""
    unparsed: int
    """Predicted answers that were none of the five options, over all people and items."""
    missing: int
    """Answers the people themselves left out, over all people and items."""
    compared: int
    """Answers compared: there on both sides, over all people and items."""

    @property
    def composite(self) -> float:
        """Sum over the five traits, averaged over people."""
        return self.interval.mean

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95% interval of the composite over people."""
        return self.interval.ends

    @property
    def people(self) -> int:
        """People with a composite."""
        return self.interval.people

    @property
    def unscored(self) -> int:
        """People without a composite: some trait had nothing to compare."""
        return len(self.per_person) - self.people


def aligned_score(
    predicted: ArrayLike, respondents: Respondents, items: Sequence[Item], *, seed: int = 0
) -> AlignedScore:
    """Score predicted responses against the people's own.

    Args:
        predicted: (people, items) integers, responses 1-5, 0 where the answer could not be parsed.
        respondents: the people, in the order of the rows, with their answers to the items.
        items: the items, in the order of the columns.
        seed: of the bootstrap over people.

    Raises:
        EvaluationError: shapes that do not match, responses out of 0-5, or nobody to score.
    """
    given = np.asarray(predicted)
    own = respondents.responses[:, respondents.inventory.columns(items)]
    _check(given, own.shape)
    parsed, there = given != 0, own != 0
    per_person_traits = trait_errors(given, own, [item.trait for item in items])
    per_person = per_person_traits.sum(axis=1)  # NaN where any trait is
    return AlignedScore(
        interval=bootstrap_mean(per_person, seed=seed),
        traits={t: _mean(per_person_traits[:, i]) for i, t in enumerate(TRAITS)},
        per_person=per_person,
        per_person_traits=per_person_traits,
        items=len(items),
        unparsed=int((~parsed).sum()),
        missing=int((~there).sum()),
        compared=int((parsed & there).sum()),
    )


def trait_errors(
    predicted: NDArray[np.integer], own: NDArray[np.integer], traits: Sequence[str]
) -> NDArray[np.float64]:
    """(people, 5) mean absolute difference by trait, zeros (no answer) left out, NaN if all are.

    Args:
        predicted, own: (people, items) responses, 0 for no answer.
        traits: the trait letter of each item.
    """
    both = (predicted != 0) & (own != 0)
    error = np.abs(predicted.astype(np.float64) - own.astype(np.float64)) * both
    belongs = np.array([[t == trait for trait in TRAITS] for t in traits], dtype=np.float64)
    counts = both.astype(np.float64) @ belongs
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, (error @ belongs) / np.where(counts > 0, counts, 1), np.nan)


def _check(given: NDArray, shape: tuple[int, ...]) -> None:
    if given.shape != shape:
        raise EvaluationError(
            f"The predicted answers have shape {given.shape}, but there are {shape[0]} people and "
            f"{shape[1]} items, so the shape must be {shape}."
        )
    if 0 in shape:
        raise EvaluationError(
            f"There is nothing to score: {shape[0]} people and {shape[1]} items were given."
        )
    if not np.issubdtype(given.dtype, np.integer) or given.min() < 0 or given.max() > 5:
        raise EvaluationError(
            f"Predicted answers must be whole responses 1-5, or 0 for an unparsed one; got values "
            f"of type {given.dtype} from {given.min()} to {given.max()}."
        )


def _mean(values: NDArray[np.float64]) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else float("nan")
