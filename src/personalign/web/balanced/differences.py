"""Where answers differ, as far as counting words can tell; nothing here is a model's opinion."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

MOST_WORDS = 8
"""Words shown as somebody's own."""

SHORTEST = 4
"""Letters of a word that may tell something; shorter ones are and, the, for."""


@dataclass(frozen=True)
class Pairing:
    """How alike two answers are."""

    one: str
    other: str
    alike: float
    """Distinct words that both have, among those that either has; 0 none, 1 all."""

    @property
    def percent(self) -> int:
        """The same in percent."""
        return round(100 * self.alike)


@dataclass(frozen=True)
class Differences:
    """What tells some answers apart."""

    own_words: dict[str, list[str]]
    """Speaker -> words that only this speaker uses, the most used first, then as they are said."""
    pairings: list[Pairing]
    """Every two speakers, in their order."""
    lengths: dict[str, int]
    """Speaker -> words said."""

    @property
    def nearest(self) -> Pairing:
        """The two that are most alike."""
        return max(self.pairings, key=lambda pairing: pairing.alike)

    @property
    def farthest(self) -> Pairing:
        """The two that are least alike."""
        return min(self.pairings, key=lambda pairing: pairing.alike)

    def between(self, one: str, other: str) -> Pairing:
        """How alike two are, in either order."""
        return next(p for p in self.pairings if {p.one, p.other} == {one, other})


def differences(texts: Mapping[str, str]) -> Differences | None:
    """Compare answers; texts: speaker -> what was said. None for fewer than two of them.

    >>> found = differences({"a": "Stay at home.", "b": "Leave home, leave at once!"})
    >>> found.own_words, found.pairings[0].percent
    ({'a': ['stay'], 'b': ['leave', 'once']}, 40)
    """
    if len(texts) < 2:
        return None
    said = {speaker: words(text) for speaker, text in texts.items()}
    used_by = Counter(word for spoken in said.values() for word in set(spoken))
    own = {}
    for speaker, spoken in said.items():
        counted = Counter(w for w in spoken if used_by[w] == 1 and len(w) >= SHORTEST)
        own[speaker] = [word for word, _ in counted.most_common(MOST_WORDS)]
    pairings = []
    for one, other in combinations(said, 2):
        either, both = set(said[one]) | set(said[other]), set(said[one]) & set(said[other])
        pairings.append(Pairing(one, other, len(both) / len(either) if either else 1.0))
    return Differences(own, pairings, {speaker: len(spoken) for speaker, spoken in said.items()})


def words(text: str) -> list[str]:
    """The words of a text, in small letters.

    >>> words("Don't worry, Zoë: 3 of them!")
    ["don't", 'worry', 'zoë', 'of', 'them']
    """
    return re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text.lower())
