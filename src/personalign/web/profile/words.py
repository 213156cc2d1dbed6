"""A profile in words: names, a sentence a scale, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from personalign.inventory.keys import TRAITS
from personalign.inventory.norms import OLDEST, YOUNGEST
from personalign.web.profile.scores import Scale, Scores
from personalign.web.texts import number

LEAST, MOST = 1, 99
"""Percentiles that stand for everything beyond, too: the norms tell no more."""

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
        if scale.percentile is None:
            return "–"
        return {LEAST: f"≤ {LEAST}", MOST: f"≥ {MOST}"}.get(scale.percentile, str(scale.percentile))

    def range(self, scale: Scale) -> str:
        """How far it is certain, as it stands in tables."""
        if self.scores.basis == "means":
            return "–" if scale.mean_error is None else f"±{number(self.say, scale.mean_error)}"
        if scale.range is None:
            return "–"
        low, high = scale.range
        return f"≤ {high}" if low == LEAST else f"≥ {low}" if high == MOST else f"{low}–{high}"

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
        return self.say(
            "profile.sentence.norms",
            percentile=self._span(scale.percentile, scale.percentile),
            range=self._span(*scale.range),
        )

    def meaning(self, trait: Scale) -> str:
        """What such a score on a trait tends to mean; without a comparison, what was answered; ""
        where there is no score."""
        if self.scores.basis == "means":
            name = self.name(trait.code)
            return self.say(f"profile.leaning.{trait.leaning}", trait=name) if trait.leaning else ""
        return self.say(f"profile.{trait.level}.{trait.code}") if trait.level else ""

    def axis(self) -> str:
        """What the axis of the pictures is, in a sentence."""
        return self.say(f"profile.axis.{'means' if self.scores.basis == 'means' else 't'}")

    def compared(self) -> str:
        """With whom, or that it is with nobody."""
        scores = self.scores
        if scores.basis == "norms":
            return self.say(
                f"profile.compared.{scores.about.sex or 'both'}",
                ages=self._ages(),
                items=scores.norm_items,
            )
        return self.say(f"profile.compared.{scores.basis}")

    def notes(self) -> list[str]:
        """What to know about the numbers, a paragraph each."""
        keys = [f"errors.{'model' if self.scores.basis == 'model' else 'measurement'}"]
        keys += ["norms"] if self.scores.basis == "norms" else []
        keys += ["translated"] if self.translated and self.scores.basis == "norms" else []
        keys += ["adaptive"] if self.scores.adaptive else []
        return [self.say(f"profile.note.{key}") for key in (*keys, "limits")]

    def careless(self) -> list[str]:
        """Signs of careless answering, kindly; none where there are none."""
        return [self.say(f"profile.careless.{sign}") for sign in self.scores.careless]

    def _span(self, low: int, high: int) -> str:
        """From one percentile to another, of which the ends of the scale are open."""
        if low == LEAST:
            return self.say("profile.percentile.least", high=high)
        if high == MOST:
            return self.say("profile.percentile.most", low=low)
        if low == high:
            return self.say("profile.percentile.about", percentile=low)
        return self.say("profile.percentile.between", low=low, high=high)

    def _ages(self) -> str:
        """The ages of the people in the norm table."""
        assert self.scores.norm_ages is not None, "norms have ages"
        low, high = self.scores.norm_ages
        if low == YOUNGEST:
            return self.say("profile.ages.least", high=high)
        if high == OLDEST:
            return self.say("profile.ages.most", low=low)
        return self.say("profile.ages.between", low=low, high=high)
