"""How far a score moves when the same thing is asked in another way.

A persona is made once, in the paper's wording, and then asked the held-out items in several ways:
the options in other orders, under other labels, the statement in the first person, the question in
other words, and by greedy text instead of by probability. Whoever is a person answers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from personalign.errors import EvaluationError
from personalign.evaluation.aligned import AlignedScore, aligned_score, trait_errors
from personalign.evaluation.side_effects import neutral_cost
from personalign.evaluation.statistics import PairedDifference, paired_difference
from personalign.model.answer import answer_items, answer_items_by_text
from personalign.model.prompts import OPTIONS, PAPI, REWORDED, SHUFFLED, Wording

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona


@dataclass(frozen=True)
class Asking:
    """One way of asking."""

    name: str
    """What the way is called in tables."""
    wording: Wording
    """How an item is put."""
    by_text: bool = False
    """Whether greedy text is parsed; else the probabilities of the labels are read."""


_WORDS = replace(
    PAPI,
    name="words",
    labels=tuple(OPTIONS[response] for response in PAPI.order),
    option_line="- {option}",
    reply_prefix="",
    reply="{label}",
)
"""No labels at all: the options themselves are the answers."""

ASKINGS = (
    Asking("as made", PAPI),
    Asking("by text", PAPI, by_text=True),
    Asking("reversed", PAPI.reordered((1, 2, 3, 4, 5), name="reversed")),
    Asking("shuffled", SHUFFLED),
    Asking("labels 1-5", replace(PAPI, name="numbers", labels=("1", "2", "3", "4", "5"))),
    Asking("words", _WORDS),
    Asking(
        "'I ...'",
        replace(
            PAPI,
            name="first-person",
            question=PAPI.question.replace(
                'of you: "You {statement}."', 'of yourself: "I {statement}."'
            ),
        ),
    ),
    Asking("reworded", REWORDED),
)
"""The ways asked; the first is the one personas are made in, the others are compared with it."""


@dataclass(frozen=True)
class Moved:
    """One method under one way of asking."""

    asking: str
    """The way."""
    score: AlignedScore | None
    """How close it came, asked so; None where hardly any reply could be read."""
    difference: PairedDifference | None
    """This composite minus the one as made, person by person; None for the way as made, and where
    there is no score."""
    responses: NDArray[np.int8] = field(repr=False)
    """(people, items) the answers."""


def asked_otherwise(
    decoder: Decoder,
    personas: Sequence[Persona],
    people: Respondents,
    *,
    askings: Sequence[Asking] = ASKINGS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Moved]:
    """Ask the held-out items in every way, as each person's persona.

    personas: one a person. people: with all their answers. askings: the first is what the others
    are compared with. progress: called with (ways done, ways).
    Raises EvaluationError where personas and people are not equally many, or there is no way.
    """
    if len(personas) != len(people) or not askings:
        raise EvaluationError(
            f"There are {len(personas)} personas for {len(people)} people and {len(askings)} ways "
            "of asking; give one persona a person, and one way at least."
        )
    items = people.inventory.held_out
    own = people.responses[:, people.inventory.columns(items)]
    found: list[Moved] = []
    for number, asking in enumerate(askings):
        ask = answer_items_by_text if asking.by_text else answer_items
        responses = ask(decoder, personas, items, wording=asking.wording).responses()
        score, difference = None, None
        errors = trait_errors(responses, own, [item.trait for item in items])
        if np.isfinite(errors).all(axis=1).any():
            score = aligned_score(responses, people, items, seed=seed)
        if score is not None and found and found[0].score is not None:
            first = found[0].score.per_person
            difference = paired_difference(score.per_person, first, seed=seed)
        found.append(Moved(asking.name, score, difference, responses))
        if progress is not None:
            progress(number + 1, len(askings))
    return found


@dataclass(frozen=True)
class TradeOff:
    """One method pushed more and less: how close it comes, and what plain text pays."""

    shares: tuple[float, ...]
    """Of each persona's own alpha; 1 is the persona as made."""
    composites: tuple[float, ...]
    """Mean over people at each."""
    kls: tuple[float, ...]
    """Mean KL(plain || persona) on neutral text at each, nats a token."""


SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Shares of alpha tried."""


def trade_off(
    decoder: Decoder,
    personas: Sequence[Persona],
    people: Respondents,
    *,
    shares: Sequence[float] = SHARES,
) -> TradeOff:
    """Composite on the held-out items against divergence on neutral text, over alpha.

    The held-out answers are looked at for every alpha: a picture, never a way of choosing one.
    """
    items = people.inventory.held_out
    composites, kls = [], []
    for share in shares:
        pushed = [persona.with_alpha(share * persona.alpha) for persona in personas]
        responses = answer_items(decoder, pushed, items).responses()
        composites.append(aligned_score(responses, people, items).composite)
        kls.append(float(neutral_cost(decoder, pushed)[0].mean()))
    return TradeOff(tuple(shares), tuple(composites), tuple(kls))
