"""facet-prompt: a description of the person, written by rule from facet scores.

Where `personality-prompt` lets a language model write, this writes the same text for the same
answers, with no model at all. Each facet's mean over the tuning answers falls into one of seven
levels, three each way and one between; the level chooses how strongly the facet's published
meaning (`facet_words.py`) is put. A facet without an answer is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import facet_means, trait_means
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.facet_words import FACET_WORDS, TRAIT_WORDS, FacetWords
from personalign.model.persona import Persona

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents

OPENING = "This is who you are."
"""How every description begins."""

CLOSING = "Answer as the person you are."
"""How every description ends."""

LEVELS: tuple[tuple[float, str, str], ...] = (
    (1.5, "very ", ""),
    (0.75, "", ""),
    (0.25, "a little ", "more often than not, "),
)
"""From how far off the middle (3) of the scale: the degree, and how the habit is softened. 1.5 is
half a step from the scale's end; of a facet's four answers, three one step off the middle give
0.75, and a single one 0.25. Nearer to the middle than that is neither."""


class FacetPrompt(PersonaMethod):
    """Every person's facet scores in words, as the model's system prompt."""

    name = "facet-prompt"
    description = "A description written by rule from facet scores, as the system prompt."
    black_box = True

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One prompt persona a person; the plain one where nothing was answered."""
        seen = respondents.only(respondents.inventory.tuning)
        form = seen.inventory
        words = FACET_WORDS if form.has_facets else TRAIT_WORDS
        means = (facet_means if form.has_facets else trait_means)(seen.responses, form)
        provenance = self.provenance(form)
        order = _scale_order(form.has_facets)
        return [
            Persona(
                system_prompt=describe(dict(zip(order, row.tolist(), strict=True)), words),
                provenance=provenance,
            )
            for row in means
        ]


def describe(
    means: Mapping[str, float], words: Mapping[str, FacetWords] = FACET_WORDS
) -> str | None:
    """The description, a paragraph a trait, in the second person; None without any score.

    means: scale -> mean keyed value, 1 to 5; NaN where there is none. words: of each scale.

    >>> print(describe({"E1": 4.75, "E2": 3.5, "N1": 3.0, "N2": 1.75}))
    This is who you are.
    You are very friendly: you make friends easily and feel comfortable around people. You are a \
little sociable: more often than not, you enjoy parties, crowds and being among many people.
    You are neither particularly anxious nor particularly calm. You are even-tempered: you are \
hard to annoy and do not lose your temper.
    Answer as the person you are.
    """
    paragraphs = []
    for trait in TRAITS:
        sentences = [
            sentence_of(words[scale], mean)
            for scale, mean in means.items()
            if scale.startswith(trait) and not math.isnan(mean)
        ]
        if sentences:
            paragraphs.append(" ".join(sentences))
    if not paragraphs:
        return None
    return "\n".join([OPENING, *paragraphs, CLOSING])


def sentence_of(words: FacetWords, mean: float) -> str:
    """One facet's sentence.

    mean: of the facet's keyed answers, 1 to 5.

    >>> sentence_of(FACET_WORDS["C6"], 1.0)
    'You are very hasty: you jump into things without thinking.'
    """
    pole = words.high if mean > 3 else words.low
    for distance, degree, softened in LEVELS:
        if abs(mean - 3) >= distance:
            return f"You are {degree}{pole.quality}: {softened}{pole.habit}."
    return (
        f"You are neither particularly {words.high.quality} nor particularly {words.low.quality}."
    )


def _scale_order(facets: bool) -> tuple[str, ...]:
    """The scales in the order their means come in."""
    from personalign.inventory.keys import FACETS

    return tuple(FACETS) if facets else tuple(TRAITS)
