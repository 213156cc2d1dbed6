"""From verdicts to figures: mean levels, and one method's wins, ties and losses against another.

The paper compares "the scores of different methods for the same statement" (Appendix C.3, Figure
6): a text wins where its level is higher. A statement counts where both texts have a verdict. Every
share is a mean over a person's statements first and over people then, with intervals over people,
so that nobody weighs more by having answered more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalign.errors import EvaluationError
from personalign.evaluation.statistics import (
    Interval,
    PairedDifference,
    bootstrap_mean,
    paired_difference,
)

Rows = Sequence[Mapping[str, Any]]
"""Raw rows."""


@dataclass(frozen=True)
class Shares:
    """How often one side won, tied and lost; the three means sum to 1."""

    win: Interval
    """Share won."""
    tie: Interval
    """Share tied."""
    loss: Interval
    """Share lost."""


@dataclass(frozen=True)
class MeanLevel:
    """What one judge gives one method."""

    method: str
    """Whose texts."""
    level: Interval | None
    """Mean level over people, 1-6; None where nothing was judged."""
    judged: int
    """Texts with a verdict."""
    unjudged: int
    """Texts without."""
    reasons: tuple[tuple[str, int], ...]
    """Why, and how often, most frequent first."""


@dataclass(frozen=True)
class Contest:
    """One method against another, before one judge."""

    focus: str
    """The method that wins or loses."""
    other: str
    """What it is compared with."""
    shares: Shares
    """Of statements, over people."""
    difference: PairedDifference
    """Mean level of the one minus that of the other, person by person, over these statements."""
    statements: int
    """Statements compared, over all people."""
    left_out: int
    """Statements both wrote about, but one text has no verdict."""


def mean_levels(verdicts: Rows, *, seed: int = 0) -> list[MeanLevel]:
    """Every method's mean level, in the order in which methods first appear.

    verdicts: rows of `judge.Verdict`, all by one judge. Raises EvaluationError otherwise.
    """
    _one_judge(verdicts)
    found = []
    for method in dict.fromkeys(row["method"] for row in verdicts):
        own = [row for row in verdicts if row["method"] == method]
        by_person: dict[str, list[int]] = {}
        for row in own:
            if row["score"] is not None:
                by_person.setdefault(row["person"], []).append(row["score"])
        missing = Counter(str(row["reason"]) for row in own if row["score"] is None)
        means = [float(np.mean(scores)) for scores in by_person.values()]
        found.append(
            MeanLevel(
                method=method,
                level=bootstrap_mean(means, seed=seed) if means else None,
                judged=sum(map(len, by_person.values())),
                unjudged=missing.total(),
                reasons=tuple(missing.most_common()),
            )
        )
    return found


def contest(verdicts: Rows, focus: str, other: str, *, seed: int = 0) -> Contest | None:
    """`focus` against `other`, statement by statement; None where no statement has both verdicts.

    verdicts: rows of `judge.Verdict`, all by one judge.
    Raises EvaluationError for two judges, or a method without rows.

    >>> rows = [{"person": "a", "item": 1, "method": m, "judge": "j", "score": s}
    ...         for m, s in (("pas", 5), ("none", 2))]
    >>> contest(rows, "pas", "none").shares.win.mean
    1.0
    """
    _one_judge(verdicts)
    levels: dict[str, dict[tuple[str, int], int | None]] = {focus: {}, other: {}}
    for row in verdicts:
        if row["method"] in levels:
            levels[row["method"]][row["person"], row["item"]] = row["score"]
    for method, given in levels.items():
        if not given:
            known = ", ".join(dict.fromkeys(row["method"] for row in verdicts)) or "none"
            raise EvaluationError(f"No text of {method} was judged; the methods are {known}.")
    shared = [key for key in levels[focus] if key in levels[other]]
    pairs: dict[str, list[tuple[int, int]]] = {}
    for key in shared:
        one, two = levels[focus][key], levels[other][key]
        if one is not None and two is not None:
            pairs.setdefault(key[0], []).append((one, two))
    if not pairs:
        return None
    compared = sum(map(len, pairs.values()))
    arrays = [np.array(own, dtype=float) for own in pairs.values()]  # a person: (statements, 2)
    return Contest(
        focus=focus,
        other=other,
        shares=shares_of([np.sign(own[:, 0] - own[:, 1]) for own in arrays], seed=seed),
        difference=paired_difference(
            [own[:, 0].mean() for own in arrays], [own[:, 1].mean() for own in arrays], seed=seed
        ),
        statements=compared,
        left_out=len(shared) - compared,
    )


def shares_of(signs: Sequence[Any], *, seed: int = 0) -> Shares:
    """Shares of +1 (won), 0 (tied) and -1 (lost): one array a person, then over people."""
    win, tie, loss = (
        bootstrap_mean([float(np.mean(np.asarray(own) == sign)) for own in signs], seed=seed)
        for sign in (1, 0, -1)
    )
    return Shares(win, tie, loss)


def contests(verdicts: Rows, focus: str, *, seed: int = 0) -> list[Contest]:
    """The method `focus` against every other, in their order, where anything can be compared."""
    others = [m for m in dict.fromkeys(row["method"] for row in verdicts) if m != focus]
    found = [contest(verdicts, focus, other, seed=seed) for other in others]
    return [one for one in found if one is not None]


def _one_judge(verdicts: Rows) -> None:
    judges = list(dict.fromkeys(row["judge"] for row in verdicts))
    if len(judges) != 1:
        raise EvaluationError(
            f"The verdicts are by {len(judges)} judges ({', '.join(judges)}); levels of different "
            "judges cannot be mixed. Summarise one judge at a time."
        )
