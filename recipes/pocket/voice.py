"""Does the text follow the persona? How far replies in dialogue show the facets of who speaks.

The pocket model's dialogue comes from a grammar, so what a reply shows can be read off: each
sentence that holds a phrase of one end of the facet asked about (dialogue_facets.py) shows that
end, one that holds both shows neither. `voice` asks every person one question a facet and
correlates what the replies show with the persons' facet scores; beside it stands the same with
somebody else's scores, which must be near zero.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personalign.dataset.people import Respondents
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import FACETS
from personalign.inventory.scoring import facet_means
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import Persona
from recipes.pocket.dialogue import FACET_CODES, open_ended_prompt
from recipes.pocket.dialogue_facets import PHRASES, Pole
from recipes.pocket.dialogue_questions import ADVICE, TALKS, Question

_DENIED = re.compile(r"\b(hardly ever|never|not|nor)\b.*")


@dataclass(frozen=True)
class Voice:
    """How what replies show goes with who speaks."""

    own: float
    """Correlation with the speakers' own facet scores, over people within questions."""
    other: float
    """The same with the next person's scores."""
    told: float
    """Share of replies that show an end of the facet, or the middle, at all."""
    different: float
    """Mean share of people whose reply to a question is not the most frequent one."""


def questions() -> list[tuple[str, str]]:
    """(facet, question): small talk, advice and the four-part form, a facet each in turn."""
    asked: list[tuple[str, str]] = []
    for place, facet in enumerate(FACET_CODES):
        talks = [q.asks[0] for q in TALKS if q.facet == facet]
        advice = [f"{q.asks[0]} What should I do?" for q in ADVICE if q.facet == facet]
        forms = [open_ended_prompt(i.statement) for i in ipip_neo_300() if i.facet == facet]
        kinds = [kind for kind in (talks, advice, forms) if kind]
        asked.append((facet, kinds[place % len(kinds)][0]))
    return asked


def shown(reply: str, facet: str) -> float | None:
    """-1 ... 1: the end of the facet that a reply shows; None where it shows nothing of it."""
    ends = [_phrases(facet, pole, sign) for pole, sign in _poles(facet)]
    found = []
    for sentence in re.split(r"[.!?\n]", reply.lower()):
        said = _DENIED.sub("", sentence)
        low, high = (any(phrase in said for phrase in end) for end in ends)
        if low or high:
            found.append(int(high) - int(low))
    return float(np.mean(found)) if found else None


def voice(decoder: Decoder, personas: Sequence[Persona], people: Respondents) -> Voice:
    """Ask every persona the same questions; people: who they are, with all 300 answers."""
    asked = questions()
    order = [list(FACETS).index(facet) for facet, _ in asked]
    scores = facet_means(people.responses)[:, order]
    scores = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    replies = generate(
        decoder,
        [persona for persona in personas for _ in asked],
        [question for _ in personas for _, question in asked],
        max_new_tokens=60,
    )
    table = np.array(replies, dtype=object).reshape(len(personas), len(asked))
    found = np.array(
        [[shown(reply, asked[q][0]) for q, reply in enumerate(row)] for row in table], dtype=float
    )
    told = np.isfinite(found)
    centred = found - np.nansum(found, axis=0) / np.maximum(told.sum(axis=0), 1)
    different = [1 - max(map(list(column).count, column)) / len(column) for column in table.T]
    return Voice(
        own=_correlation(centred, scores),
        other=_correlation(centred, np.roll(scores, 1, axis=0)),
        told=float(told.mean()),
        different=float(np.mean(different)),
    )


def _correlation(centred: np.ndarray, scores: np.ndarray) -> float:
    kept = np.isfinite(centred)
    if not kept.any() or not centred[kept].any():
        return 0.0
    return float(np.corrcoef(centred[kept], scores[kept])[0, 1])


def _poles(facet: str) -> tuple[tuple[Pole, int], tuple[Pole, int]]:
    return (PHRASES[facet].low, -1), (PHRASES[facet].high, 1)


def _phrases(facet: str, pole: Pole, sign: int) -> tuple[str, ...]:
    """Everything in lower case that only this end says, small talk and advice included."""
    answers = [
        answer
        for question in (*TALKS, *ADVICE)
        if question.facet == facet
        for answer in _answers(question, sign)
    ]
    every = (*pole.habits, *pole.actions, *pole.thoughts, *pole.feelings, *answers)
    return tuple(phrase.lower().rstrip(".!") for phrase in every)


def _answers(question: Question, sign: int) -> tuple[str, ...]:
    return question.plus if question.sign * sign > 0 else question.minus
