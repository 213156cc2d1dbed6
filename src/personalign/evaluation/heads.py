"""Which heads hold a person, how many are needed, and whether people share them.

Three looks at PAS's heads, and at any method that pushes K of them:

1. **K and alpha** (the paper's Table 5 and beyond): the composite on the held-out items with K
   heads at one alpha for everybody, and with each person's own alpha.
2. **Between people**: how many of their K heads two people share, beside what chance would give.
3. **Between traits**: probes made from the items of one trait alone; the correlation over all heads
   of their accuracies, of the same person, between any two traits.

Held-out answers are looked at for every K and alpha: a picture, never a way of choosing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from personalign.errors import EvaluationError
from personalign.evaluation.aligned import AlignedScore, aligned_score
from personalign.inventory.keys import TRAITS
from personalign.model.answer import answer_items

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.methods.base import PersonaMethod
    from personalign.methods.head_directions import HeadFinder


@dataclass(frozen=True)
class ByHeads:
    """One K: what everybody scores at fixed alphas, and at their own."""

    heads: int
    """K."""
    alphas: tuple[float, ...]
    """The same for everybody."""
    composites: tuple[float, ...]
    """At each alpha, mean over people."""
    own: AlignedScore
    """With each person's own alpha."""
    own_alpha: float
    """Its mean over people."""


def by_heads(
    make: Callable[[int], PersonaMethod],
    people: Respondents,
    counts: Sequence[int],
    alphas: Sequence[float],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[ByHeads]:
    """Score the method with every K in `counts` at every alpha.

    make: K -> the method with so many heads. people: with all their answers. progress: called with
    (Ks done, Ks). Raises EvaluationError for no K, no alpha, or nobody.
    """
    if not len(people) or not counts or not alphas:
        raise EvaluationError(
            f"{len(people)} people, {len(counts)} numbers of heads and {len(alphas)} alphas were "
            "given; give one of each at least."
        )
    items = people.inventory.held_out
    known = people.only(people.inventory.tuning)
    found = []
    for place, count in enumerate(counts):
        method = make(count)
        personas = method.personas(known)
        asked = [persona.with_alpha(alpha) for alpha in alphas for persona in personas]
        answers = answer_items(method.decoder, [*asked, *personas], items, wording=method.wording)
        responses = answers.responses().reshape(len(alphas) + 1, len(people), len(items))
        scores = [aligned_score(one, people, items, seed=seed) for one in responses]
        found.append(
            ByHeads(
                count,
                tuple(map(float, alphas)),
                tuple(score.composite for score in scores[:-1]),
                scores[-1],
                float(np.mean([persona.alpha for persona in personas])),
            )
        )
        if progress is not None:
            progress(place + 1, len(counts))
    return found


@dataclass(frozen=True, eq=False)
class Agreement:
    """Whose heads agree with whose."""

    accuracy: NDArray[np.float64]
    """(layers, heads) mean validation accuracy of the probes over people."""
    chosen: NDArray[np.int64]
    """(layers, heads) for how many people the head is among the K."""
    people: int
    """People with heads of their own."""
    heads: int
    """K."""
    shared: float
    """Share of their K heads that two people have in common, mean over pairs; NaN for one."""
    by_chance: float
    """The same for heads drawn at random: K / all heads."""
    traits: NDArray[np.float64]
    """(5, 5) correlation over heads of probe accuracies between traits O C E A N, mean over people;
    the diagonal is between two halves of a trait's items."""


def head_agreement(finder: HeadFinder, people: Respondents) -> Agreement:
    """How far heads agree between people and between traits; PAS's heads, no answer is asked.

    Raises EvaluationError where nobody has heads.
    """
    items = people.inventory.tuning
    responses = people.responses[:, people.inventory.columns(items)]
    found = finder.find(responses, items)
    sets = [set(shift.pairs) for shift in found.shifts if shift is not None]
    if not sets:
        raise EvaluationError("Nobody of these people has heads; they are neutral on everything.")
    total = finder.decoder.heads.total
    size = (finder.decoder.heads.layers, finder.decoder.heads.heads)
    chosen = np.zeros(size, np.int64)
    for pairs in sets:
        for layer, head in pairs:
            chosen[layer, head] += 1
    common = [len(one & other) / len(one) for one, other in combinations(sets, 2)]
    traits = np.array([item.trait for item in items])
    halves = np.cumsum(np.ones(len(items))) % 2 == 0
    maps = {
        (trait, half): _accuracy(finder, people, responses, (traits == trait) & (halves == half))
        for trait in TRAITS
        for half in (False, True)
    }
    table = np.array(
        [
            [_between(maps[a, False], maps[a, True], maps[b, False], maps[b, True]) for b in TRAITS]
            for a in TRAITS
        ]
    )
    return Agreement(
        accuracy=np.nanmean(found.accuracy, axis=0),
        chosen=chosen,
        people=len(sets),
        heads=finder.heads,
        shared=float(np.mean(common)) if common else float("nan"),
        by_chance=finder.heads / total,
        traits=table,
    )


def _accuracy(
    finder: HeadFinder,
    people: Respondents,
    responses: NDArray[np.int8],
    there: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(people, heads) probe accuracies by some of the items; NaN where a side is missing."""
    found = finder.find(np.where(there, responses, 0), people.inventory.tuning)
    return found.accuracy.reshape(len(people), -1)


def _between(
    a_first: NDArray[np.float64],
    a_second: NDArray[np.float64],
    b_first: NDArray[np.float64],
    b_second: NDArray[np.float64],
) -> float:
    """Mean correlation of one trait's half with the other trait's other half."""
    both = [_correlation(a_first, b_second), _correlation(a_second, b_first)]
    there = [value for value in both if np.isfinite(value)]
    return float(np.mean(there)) if there else float("nan")


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean over people of the correlation over heads; NaN where an accuracy is the same in all."""
    kept = []
    for a, b in zip(one, other, strict=True):
        if np.isfinite(a).all() and np.isfinite(b).all() and a.std() > 0 and b.std() > 0:
            kept.append(np.corrcoef(a, b)[0, 1])
    return float(np.mean(kept)) if kept else float("nan")
