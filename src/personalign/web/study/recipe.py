"""What a study's pairs are made from, where the site writes the replies itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from personalign.evaluation.assistants import CONDITIONS
from personalign.evaluation.blind import check_contrasts
from personalign.evaluation.general_prompts import Prompt
from personalign.web.chat.asking import TEMPERATURE
from personalign.web.study.problems import Wrong

MOST_PROMPTS, LONGEST_PROMPT = 60, 2000
"""Prompts of one study, and characters of one."""

FEWEST_TOKENS, MOST_TOKENS = 8, 320
"""How long a reply may be asked to be."""

SOURCES = ("simulated", "mine", "raters")
"""Whose values the aligned assistant shares: a made-up person's, the researcher's own, or those of
the rater who judges it."""


@dataclass(frozen=True)
class Recipe:
    """Prompts, contrasts, and whose values; seeds are none of it, they stand in the key alone."""

    prompts: tuple[tuple[str, str], ...]
    """(id, text)."""
    contrasts: tuple[tuple[str, str], ...]
    """Of assistants.CONDITIONS."""
    source: str
    """One of SOURCES."""
    model: str
    """What this site calls the model."""
    tokens: int
    """Longest reply."""
    temperature: float = TEMPERATURE
    """At which words are drawn: the most probable ones anybody could have the model say again."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.prompts) <= MOST_PROMPTS:
            raise Wrong("many_prompts", prompts=len(self.prompts), most=MOST_PROMPTS)
        for place, (_, text) in enumerate(self.prompts, 1):
            if len(text) > LONGEST_PROMPT:
                raise Wrong(
                    "long_prompt", place=place, characters=len(text), longest=LONGEST_PROMPT
                )
        if not FEWEST_TOKENS <= self.tokens <= MOST_TOKENS:
            raise Wrong("tokens", tokens=self.tokens, fewest=FEWEST_TOKENS, most=MOST_TOKENS)
        if self.source not in SOURCES:
            raise Wrong("source", source=self.source, known=", ".join(SOURCES))
        check_contrasts(self.contrasts, CONDITIONS)

    @property
    def conditions(self) -> list[str]:
        """The conditions its contrasts name, in the usual order."""
        named = {condition for contrast in self.contrasts for condition in contrast}
        return [condition for condition in CONDITIONS if condition in named]

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def recipe_for(
    prompts: Sequence[Prompt],
    contrasts: Sequence[tuple[str, str]],
    *,
    source: str,
    model: str,
    tokens: int,
) -> Recipe:
    """A recipe; Wrong where something in it is not possible here."""
    asked = tuple((prompt.id, prompt.text) for prompt in prompts)
    return Recipe(asked, tuple(contrasts), source, model, tokens)


def recipe_in(text: str) -> Recipe:
    """What `Recipe.text` gave."""
    record: dict[str, Any] = json.loads(text)
    for pairs in ("prompts", "contrasts"):
        record[pairs] = tuple((one, other) for one, other in record[pairs])
    return Recipe(**record)
