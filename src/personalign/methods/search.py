"""The search for alpha: how far each person's heads are pushed (the paper's Eq. 6).

A person's error at an alpha is their composite over the items they answered. All candidates of all
people are rows of one batch. The paper assumes one trough; single people's curves often have
several (dev/log.md), so a whole grid is tried, and only then the neighbourhood of its best point
is halved. What was tried, with its errors, is kept: the curve is part of a persona's provenance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign.errors import SteeringError
from personalign.model.answer import answer_items
from personalign.model.readings import kept_readings

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona
    from personalign.model.prompts import Wording

ALPHA_GRID = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Alphas tried first, within the paper's [0, 10]: fine where troughs are, coarse beyond."""

REFINEMENTS = 2
"""How often the gaps beside the best alpha are halved."""


@dataclass(frozen=True)
class AlphaCurve:
    """One person's error at every alpha tried."""

    alphas: tuple[float, ...]
    """Rising."""
    errors: tuple[float, ...]
    """Composite over the person's answered items, at each alpha; infinite where the push is so
    hard that the model's logits overflow."""

    @property
    def best(self) -> float:
        """The alpha with the least error; of equals the smallest, which changes the model least."""
        return self.alphas[int(np.argmin(self.errors))]

    def error(self, alpha: float) -> float:
        """The error at an alpha that was tried."""
        return self.errors[self.alphas.index(alpha)]

    def told(self, items: str) -> dict[str, Any]:
        """The curve as a persona's provenance keeps it. items: "tuning", or "held-out"."""
        return {
            "alphas": list(self.alphas),
            "errors": [round(e, 6) if np.isfinite(e) else None for e in self.errors],
            "items": items,
        }


def search_alphas(
    decoder: Decoder,
    personas: Sequence[Persona],
    responses: NDArray[np.int8],
    items: Sequence[Item],
    *,
    wording: Wording,
    grid: Sequence[float] = ALPHA_GRID,
    refinements: int = REFINEMENTS,
    progress: Callable[[int, int], None] | None = None,
) -> list[AlphaCurve]:
    """Try every alpha of the grid for every persona, then around each one's best.

    responses: (personas, items) what each person answered, 0 missing.
    grid: alphas tried for everybody. refinements: rounds of halving the gaps beside the best.
    progress: called with (answers given, an upper bound of answers needed).
    Returns one curve a persona, in their order.
    """
    tried: list[dict[float, float]] = [{} for _ in personas]
    most = len(personas) * len(items) * (len(grid) + 2 * refinements)
    asked = 0
    wanted: list[list[float]] = [sorted(set(map(float, grid))) for _ in personas]
    with kept_readings(decoder):
        for round_ in range(refinements + 1):
            rows = [(person, alpha) for person, alphas in enumerate(wanted) for alpha in alphas]
            before = asked

            def advance(done: int, _total: int, before: int = before) -> None:
                if progress is not None:
                    progress(min(before + done, most), most)

            candidates = [personas[person].with_alpha(alpha) for person, alpha in rows]
            answers = _answers(decoder, candidates, items, wording, advance)
            asked += len(rows) * len(items)
            errors = composites(answers, responses[[person for person, _ in rows]], items)
            errors[(answers == 0).all(axis=1)] = np.inf
            for (person, alpha), error in zip(rows, errors.tolist(), strict=True):
                tried[person][alpha] = error
            if round_ < refinements:
                wanted = [_beside_best(points) for points in tried]
    if progress is not None:
        progress(most, most)
    return [
        AlphaCurve(tuple(sorted(points)), tuple(points[alpha] for alpha in sorted(points)))
        for points in tried
    ]


def _answers(
    decoder: Decoder,
    personas: Sequence[Persona],
    items: Sequence[Item],
    wording: Wording,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.int8]:
    """(personas, items) answers; all 0 for a candidate pushed so far that its logits overflow."""
    try:
        return answer_items(
            decoder, personas, items, wording=wording, progress=progress
        ).responses()
    except SteeringError:
        if len(personas) == 1:
            return np.zeros((1, len(items)), dtype=np.int8)
    half = len(personas) // 2
    return np.concatenate(
        [
            _answers(decoder, part, items, wording, None)
            for part in (personas[:half], personas[half:])
        ]
    )


def composites(
    predicted: NDArray[np.integer], responses: NDArray[np.integer], items: Sequence[Item]
) -> NDArray[np.float64]:
    """(rows,) sum over traits of the mean |predicted - given|; missing on either side left out.

    predicted, responses: (rows, items) 1-5, 0 missing. A trait nobody answered adds nothing.
    """
    traits = np.array([item.trait for item in items])
    both = (predicted > 0) & (responses > 0)
    difference = np.where(both, np.abs(predicted.astype(float) - responses), 0.0)
    total = np.zeros(len(predicted))
    for trait in sorted(set(traits.tolist())):
        count = both[:, traits == trait].sum(axis=1)
        total += difference[:, traits == trait].sum(axis=1) / np.maximum(count, 1)
    return total.round(9)  # sums of shares: equal errors are equal numbers, so that ties are ties


def _beside_best(points: dict[float, float]) -> list[float]:
    """The middles of the gaps on both sides of the best alpha."""
    alphas = sorted(points)
    best = alphas.index(AlphaCurve(tuple(alphas), tuple(points[a] for a in alphas)).best)
    neighbours = alphas[max(best - 1, 0) : best + 2]
    return [(low + high) / 2 for low, high in pairwise(neighbours)]
