"""A profile in words: names, a sentence a scale, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from personalign.inventory.keys import TRAITS
from personalign.web.profile.scores import Scale, Scores
from personalign.web.texts import number

Say = Callable[..., str]
"""Key and values -> text in the reader's language."""


@dataclass(frozen=True)
class Words:
    """What is said of one profile."""

    say: Say
    scores: Scores
    translated: bool = False
    """Whether the statements were not the English ones the norms are of."""

    def name(self, code: str) -> str:
        """The name of a trait or a facet."""
        return self.say(f"profile.{'trait' if code in TRAITS else 'facet'}.{code}")

    def number(self, scale: Scale) -> str:
        """A scale's score as it stands in tables: a percentile, or a mean."""
        if self.scores.basis == "means":
            return "–" if scale.mean is None else number(self.say, scale.mean)
        return "–" if scale.percentile is None else str(scale.percentile)

    def range(self, scale: Scale) -> str:
        """How far it is certain, as it stands in tables."""
        if self.scores.basis == "means":
            return "–" if scale.mean_error is None else f"±{number(self.say, scale.mean_error)}"
        return "–" if scale.range is None else f"{scale.range[0]}–{scale.range[1]}"

    def t_score(self, scale: Scale) -> str:
        """Its T score with its error."""
        if scale.t is None or scale.t_error is None:
            return "–"
        return f"{number(self.say, scale.t, 1)} ±{number(self.say, scale.t_error, 1)}"

    def sentence(self, scale: Scale) -> str:
        """Where the person stands on a scale, and how surely."""
        if self.scores.basis == "means":
            if scale.mean is None or scale.mean_error is None:
                return self.say("profile.sentence.none")
            mean, error = number(self.say, scale.mean), number(self.say, scale.mean_error)
            return self.say("profile.sentence.means", mean=mean, error=error)
        if scale.percentile is None or scale.range is None:
            return self.say("profile.sentence.none")
        low, high = scale.range
        return self.say("profile.sentence.norms", percentile=scale.percentile, low=low, high=high)

    def meaning(self, trait: Scale) -> str:
        """What such a score on a trait tends to mean; "" where there is no score."""
        return self.say(f"profile.{trait.level}.{trait.code}") if trait.level else ""

    def compared(self) -> str:
        """With whom, or that it is with nobody."""
        scores = self.scores
        if scores.basis == "norms":
            return self.say(
                f"profile.compared.{scores.about.sex or 'both'}",
                age=scores.about.age,
                items=scores.norm_items,
            )
        return self.say(f"profile.compared.{scores.basis}")

    def notes(self) -> list[str]:
        """What to know about the numbers, a paragraph each."""
        keys = [f"errors.{'model' if self.scores.basis == 'model' else 'measurement'}"]
        keys += ["norms"] if self.scores.basis == "norms" else []
        keys += ["translated"] if self.translated and self.scores.basis == "norms" else []
        return [self.say(f"profile.note.{key}") for key in (*keys, "limits")]

    def careless(self) -> list[str]:
        """Signs of careless answering, kindly; none where there are none."""
        return [self.say(f"profile.careless.{sign}") for sign in self.scores.careless]
