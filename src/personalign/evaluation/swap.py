"""The swap control: the same people scored with somebody else's persona.

A persona that merely makes the model a better average person scores as well for a stranger as for
its owner. So each person is also scored with the answers of another person's persona, whole: its
prompt, its heads, its alpha. What is the person's own must be clearly better, by a paired
difference over the same people.

A persona's answers do not depend on whom they are compared with, so the control costs nothing: the
rows of the predicted answers change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from personalign.errors import EvaluationError
from personalign.evaluation.aligned import AlignedScore, aligned_score
from personalign.evaluation.statistics import PairedDifference, paired_difference

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item


@dataclass(frozen=True)
class SwapControl:
    """Scores with somebody else's persona, beside the own."""

    swapped: AlignedScore
    """The people scored with the persona of their donor."""
    difference: PairedDifference
    """Swapped minus own, per person; above zero: the own persona is better."""
    donors: NDArray[np.int64] = field(repr=False)
    """(people,) whose persona each person was scored with; never their own."""


def derangement(people: int, *, seed: int = 0) -> NDArray[np.int64]:
    """(people,) a seeded permutation that leaves nobody in place: one random cycle through all.

    Raises:
        EvaluationError: fewer than two people.

    >>> derangement(2).tolist()
    [1, 0]
    """
    if people < 2:
        raise EvaluationError(
            f"A swap control needs at least 2 people to swap between, got {people}."
        )
    cycle = np.random.default_rng(seed).permutation(people)
    donors = np.empty(people, dtype=np.int64)
    donors[cycle] = np.roll(cycle, 1)
    return donors


def swap_control(
    predicted: NDArray[np.integer],
    respondents: Respondents,
    items: Sequence[Item],
    *,
    seed: int = 0,
) -> SwapControl:
    """Score everybody with somebody else's persona and compare with the own one.

    Args:
        predicted: (people, items) responses of each person's own persona, 0 unparsed.
        respondents, items: as for `aligned_score`.
        seed: of the donors and of the bootstrap.

    Raises:
        EvaluationError: fewer than two people, or answers that cannot be scored.
    """
    donors = derangement(len(respondents), seed=seed)
    own = aligned_score(predicted, respondents, items, seed=seed)
    swapped = aligned_score(np.asarray(predicted)[donors], respondents, items, seed=seed)
    difference = paired_difference(swapped.per_person, own.per_person, seed=seed)
    return SwapControl(swapped, difference, donors)
