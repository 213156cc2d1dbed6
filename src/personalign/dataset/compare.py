"""The chosen beside all: how far a selection stands for the people it was taken from.

A standardised difference is (chosen - all) / standard deviation among all: for a score or an age
in its own deviations, for a share p (of a sex, a country) in deviations sqrt(p (1 - p)). The
yardstick is chance: a random sample of m people is off by about 1 / sqrt(m), and by more than
1.96 / sqrt(m) once in twenty.

k-means gives every region of the answers a person, also regions with few people, so spreads need
not be kept where means are: the ratio of standard deviations stands beside every mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalign.dataset.describe import Description, plain
from personalign.errors import PeopleError
from personalign.inventory.keys import TRAITS

COMMON = 0.01
"""Countries of at least this share of all people are compared; rarer ones are chance alone."""


@dataclass(frozen=True)
class Difference:
    """One figure, of all people and of the chosen."""

    name: str
    """Such as "Openness" or "country: USA"."""
    all: float
    """Among all: a mean, or a share."""
    chosen: float
    """Among the chosen."""
    standardised: float
    """(chosen - all) / standard deviation among all; NaN where nothing varies."""
    sd_ratio: float | None
    """Standard deviation among the chosen / among all; None for a share."""


@dataclass(frozen=True)
class Comparison:
    """All people and the chosen, figure by figure."""

    people: int
    """How many people there are in all."""
    chosen: int
    """How many were chosen."""
    differences: tuple[Difference, ...]
    """Traits, then age, sex and common countries, where they are known."""
    correlation_differences: dict[str, float]
    """"O-C" and so on -> correlation among the chosen less that among all."""

    @property
    def largest(self) -> Difference | None:
        """The largest standardised difference, of either sign; None where none is known."""
        known = [one for one in self.differences if not math.isnan(one.standardised)]
        return max(known, key=lambda one: abs(one.standardised), default=None)

    @property
    def by_chance(self) -> float:
        """What 19 in 20 random samples of this size stay below, for any one figure."""
        return 1.96 / math.sqrt(self.chosen)

    @property
    def sentence(self) -> str:
        """The largest difference, beside chance, in words."""
        worst = self.largest
        if worst is None:
            return "Nothing can be compared: the two groups share no figure that varies."
        return (
            f"The largest standardised difference is {worst.standardised:+.2f}, {worst.name}; 19 "
            f"in 20 random samples of {self.chosen:,} stay within {self.by_chance:.2f} on any one "
            "figure."
        )

    @property
    def correlation_sentence(self) -> str | None:
        """The largest difference of a correlation between traits, in words; None if unknown."""
        known = {p: r for p, r in self.correlation_differences.items() if not math.isnan(r)}
        if not known:
            return None
        pair = max(known, key=lambda name: abs(known[name]))
        return (
            f"Correlations between traits differ by {abs(known[pair]):.2f} at the most, {pair} "
            f"({known[pair]:+.2f})."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        worst = self.largest
        return {
            "people": self.people,
            "chosen": self.chosen,
            "largest": worst.name if worst else None,
            "largest_standardised_difference": plain(worst.standardised, 4) if worst else None,
            "random_sample_within": round(self.by_chance, 4),
            "differences": {
                one.name: {
                    "all": plain(one.all, 4),
                    "chosen": plain(one.chosen, 4),
                    "standardised": plain(one.standardised, 4),
                    "sd_ratio": plain(one.sd_ratio, 4),
                }
                for one in self.differences
            },
            "correlation_differences": {
                pair: plain(value, 4) for pair, value in self.correlation_differences.items()
            },
        }


def compare(everybody: Description, chosen: Description) -> Comparison:
    """Set the chosen beside all; PeopleError where they filled in different forms.

    >>> from personalign.dataset.describe import describe
    >>> from personalign.dataset.simulate import simulate
    >>> people = describe(simulate(100, seed=1))
    >>> compare(people, people).largest.standardised
    0.0
    """
    if everybody.inventory != chosen.inventory:
        raise PeopleError(
            f"All people filled in {everybody.inventory} and the chosen {chosen.inventory}; only "
            "people who filled in the same form can be compared."
        )
    found = [
        _of_means(own.name, whole.mean, whole.sd, own.mean, own.sd)
        for whole, own in zip(everybody.traits, chosen.traits, strict=True)
    ]
    if everybody.ages and chosen.ages:
        whole, own = everybody.ages, chosen.ages
        found.append(_of_means("age", whole["mean"], whole["sd"], own["mean"], own["sd"]))
    found += _of_shares("sex", everybody.sexes, chosen.sexes, only=("female",))
    found += _of_shares("country", everybody.countries, chosen.countries)
    codes = list(TRAITS)
    shifts = chosen.correlations - everybody.correlations
    return Comparison(
        people=everybody.people,
        chosen=chosen.people,
        differences=tuple(found),
        correlation_differences={
            f"{codes[i]}-{codes[j]}": float(shifts[i, j])
            for i in range(len(codes))
            for j in range(i + 1, len(codes))
        },
    )


def _of_means(name: str, mean: float, sd: float, own: float, own_sd: float) -> Difference:
    varies = sd > 1e-9
    return Difference(
        name=name,
        all=mean,
        chosen=own,
        standardised=(own - mean) / sd if varies else float("nan"),
        sd_ratio=own_sd / sd if varies else float("nan"),
    )


def _of_shares(
    kind: str, everybody: dict[str, int], chosen: dict[str, int], only: tuple[str, ...] = ()
) -> list[Difference]:
    """Differences of shares among people of whom it is known."""
    totals = [sum(n for name, n in counts.items() if name != "unknown") for counts in
              (everybody, chosen)]  # fmt: skip
    if not all(totals):
        return []
    names = only or [
        name
        for name, count in everybody.items()
        if name != "unknown" and count >= COMMON * totals[0]
    ]
    found = []
    for name in names:
        share, own = everybody.get(name, 0) / totals[0], chosen.get(name, 0) / totals[1]
        spread = float(np.sqrt(share * (1 - share)))
        standardised = (own - share) / spread if spread > 0 else float("nan")
        found.append(Difference(f"{kind}: {name}", share, own, standardised, None))
    return found
