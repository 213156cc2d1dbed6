"""Whether two judges say the same of the same texts.

Cohen's kappa with quadratic weights: 1 is the same level everywhere, 0 what chance would give two
judges with these frequencies; a difference of two levels weighs four times one of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalign.errors import EvaluationError
from personalign.evaluation.resampling import bootstrap_people
from personalign.evaluation.statistics import Interval


@dataclass(frozen=True)
class JudgeAgreement:
    """Two judges on the texts both have judged."""

    judges: tuple[str, str]
    """Their names."""
    kappa: Interval | None
    """Quadratic weighted kappa with its interval over people; None where it does not exist: both
    gave one and the same level to everything."""
    same: float
    """Share of texts given the same level."""
    texts: int
    """Texts both have judged."""


def judge_agreement(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], *, seed: int = 0
) -> JudgeAgreement:
    """The agreement of two judges, whatever the order of their rows.

    one, other: rows of `judge.Verdict`, each by one judge.
    Raises EvaluationError where they have judged no text both.

    >>> def rows(judge, *scores):
    ...     return [{"person": "a", "item": i, "method": "pas", "judge": judge, "score": s}
    ...             for i, s in enumerate(scores)]
    >>> judge_agreement(rows("x", 1, 2, 6), rows("y", 1, 2, 6)).kappa.mean
    1.0
    """
    theirs = {_text(row): row["score"] for row in other if row["score"] is not None}
    both = [
        (row["person"], row["score"], theirs[_text(row)])
        for row in one
        if row["score"] is not None and _text(row) in theirs
    ]
    if not both:
        raise EvaluationError(
            f"The two judges have judged {len(one)} and {len(other)} texts, and none of them both; "
            "let both judge the same texts."
        )
    levels = np.array([pair[1:] for pair in both])  # (texts, 2)
    kappa = bootstrap_people(
        [pair[0] for pair in both],
        lambda rows: weighted_kappa(levels[rows, 0], levels[rows, 1]),
        seed=seed,
    )
    return JudgeAgreement(
        judges=(one[0]["judge"], other[0]["judge"]),
        kappa=kappa if np.isfinite(kappa.mean) else None,
        same=float((levels[:, 0] == levels[:, 1]).mean()),
        texts=len(both),
    )


def weighted_kappa(one: Any, other: Any) -> float:
    """Cohen's kappa of two judges' levels, quadratic weights; NaN where both are one same level.

    1 - observed / expected mean squared difference, the latter over all pairs of their levels. It
    is `sklearn.metrics.cohen_kappa_score(..., weights="quadratic")`, a hundred times faster.

    >>> round(weighted_kappa([1, 2, 6, 4], [1, 3, 6, 4]), 3)
    0.964
    """
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    expected = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(1 - ((a - b) ** 2).mean() / expected) if expected > 0 else float("nan")


def _text(row: Mapping[str, Any]) -> tuple[str, int, str]:
    return (row["person"], row["item"], row["method"])
