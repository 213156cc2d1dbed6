"""How long the texts are, and whether length is what the judge rewards (the paper's Table 4).

The paper gives a mean length a method and does not say in what unit; here it is tokens, of the
model's own tokenizer, and words. Judges are known to like long texts, so beside every mean stands
the rank correlation of words with the judge's level; over all methods it is the judge's length
bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalign.errors import EvaluationError
from personalign.evaluation.resampling import bootstrap_people, spearman
from personalign.evaluation.statistics import Interval, bootstrap_mean

Rows = Sequence[Mapping[str, Any]]
"""Raw rows."""


@dataclass(frozen=True)
class Lengths:
    """The texts of one method."""

    method: str
    """Whose."""
    tokens: Interval | None
    """Mean tokens over people; None where they were not counted (behind an API)."""
    words: Interval
    """Mean words over people."""
    with_level: Interval | None
    """Spearman correlation of words with the judge's level, over its texts; None without verdicts,
    or where all are equal."""
    parts: float
    """Mean number of the four headings a text has; far below 4, the task was not done."""
    texts: int
    """Texts there are."""


def lengths(texts: Rows, verdicts: Rows = (), *, seed: int = 0) -> list[Lengths]:
    """Every method's lengths, in the order in which methods first appear.

    texts: rows of `open_ended.WrittenText`. verdicts: rows of `judge.Verdict` by one judge, or
        none. Raises EvaluationError where a text has two verdicts.
    """
    found = []
    for method in dict.fromkeys(row["method"] for row in texts):
        own = [row for row in texts if row["method"] == method]
        judged = [row for row in verdicts if row["method"] == method]
        found.append(
            Lengths(
                method=method,
                tokens=None
                if any(row["tokens"] is None for row in own)
                else _mean_over_people(own, "tokens", seed),
                words=_mean_over_people(own, "words", seed),
                with_level=length_bias(own, judged, seed=seed) if judged else None,
                parts=float(np.mean([row["parts"] for row in own])),
                texts=len(own),
            )
        )
    return found


def length_bias(texts: Rows, verdicts: Rows, *, seed: int = 0) -> Interval | None:
    """Spearman correlation of words with the level over all these texts, with its interval.

    Positive: longer texts were given higher levels. That is a bias only as far as longer texts are
    not better. None where it does not exist: no verdicts, or all lengths or levels equal.
    Raises EvaluationError where a text has two verdicts.
    """
    level: dict[tuple[str, int, str], int | None] = {}
    for row in verdicts:
        key = (row["person"], row["item"], row["method"])
        if key in level:
            raise EvaluationError(
                f"The text of {key[2]} about item {key[1]} for person {key[0]} has two verdicts; "
                "give those of one judge."
            )
        level[key] = row["score"]
    judged = [
        (row["person"], row["words"], given)
        for row in texts
        if (given := level.get((row["person"], row["item"], row["method"]))) is not None
    ]
    words = np.array([one[1] for one in judged], dtype=float)
    levels = np.array([one[2] for one in judged], dtype=float)
    found = bootstrap_people(
        [one[0] for one in judged],
        lambda rows: spearman(words[rows], levels[rows]),
        seed=seed,
    )
    return found if np.isfinite(found.mean) else None


def _mean_over_people(rows: Rows, name: str, seed: int) -> Interval:
    by_person: dict[str, list[int]] = {}
    for row in rows:
        by_person.setdefault(row["person"], []).append(row[name])
    return bootstrap_mean([float(np.mean(own)) for own in by_person.values()], seed=seed)
