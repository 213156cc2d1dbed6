"""What a persona's answers become when it is carried over to a quantised model.

The tuning items of each persona's questionnaire are asked, never the held-out ones, so that nothing
can be chosen by what people are scored on; nobody's own answers are needed. An answer is the
expected response, 1 to 5. Two sets of answers differ by the mean absolute difference over items, in
steps of that scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from personalign.methods.carry_over import Way
from personalign.model.answer import answer_items
from personalign.model.persona import Persona

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder


@dataclass(frozen=True)
class Answered:
    """What one model answers."""

    personas: tuple[NDArray[np.float64], ...]
    """One a persona: (tuning items,) expected responses as the persona."""
    plain: tuple[NDArray[np.float64], ...]
    """One a persona: the same items asked of the model as it is."""


@dataclass(frozen=True)
class Moved:
    """How far one persona's answers are moved, in steps of the scale of 1 to 5."""

    by_persona: float
    """By the persona, in its own model: against that model as it is. The measure of the others."""
    by_model: float
    """By quantising the model as it is, with no persona."""
    old_sigmas: float
    """By quantising, pushed with the old sigmas: against the persona in its own model."""
    new_sigmas: float
    """By quantising, pushed with sigma estimated anew: against the persona in its own model."""


def answer_as(
    decoder: Decoder,
    personas: Sequence[Persona],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Answered:
    """Ask the tuning items as every persona, and as nobody.

    The personas need not have been made for this decoder: that is what is compared.
    progress: as for `answer_items`, for each questionnaire and wording.
    """
    plain = [Persona(provenance=persona.provenance) for persona in personas]
    asked = [*personas, *plain]
    found: dict[int, NDArray[np.float64]] = {}
    ways = [Way.of(persona) for persona in asked]
    for way in dict.fromkeys(ways):
        places = [place for place, one in enumerate(ways) if one == way]
        answers = answer_items(
            decoder,
            [asked[place] for place in places],
            way.items,
            wording=way.words,
            progress=progress,
        )
        expected = np.exp(answers.log_probs.astype(np.float64)) @ np.arange(1, 6)
        found.update(zip(places, expected, strict=True))
    ordered = tuple(found[place] for place in range(len(asked)))
    return Answered(ordered[: len(personas)], ordered[len(personas) :])


def moved(own: Answered, old: Answered, new: Answered) -> list[Moved]:
    """One a persona, in their order.

    own: in the personas' own model. old, new: in the quantised one, with the old sigmas and with
    those estimated anew.
    """
    return [
        Moved(
            by_persona=_apart(own.personas[place], own.plain[place]),
            by_model=_apart(old.plain[place], own.plain[place]),
            old_sigmas=_apart(old.personas[place], own.personas[place]),
            new_sigmas=_apart(new.personas[place], own.personas[place]),
        )
        for place in range(len(own.personas))
    ]


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other).mean())
