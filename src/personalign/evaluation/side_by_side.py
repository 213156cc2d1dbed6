"""Two texts side by side, in both orders: who is preferred, and whether the order decides.

A judge that scores texts one by one has no order to be biased by. One that is shown two may prefer
the first, or the second, whatever they say. Here every pair is shown both ways; a text wins where
it is preferred both times, and the pair is a tie where the two replies contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np

from personalign.errors import EvaluationError
from personalign.evaluation.criterion import Choice, comparison_question, read_choice
from personalign.evaluation.judge import ApiJudge, Progress, Settled
from personalign.evaluation.statistics import Interval, bootstrap_mean


class Compared(TypedDict):
    """One raw row: two texts about one statement, shown to a judge in both orders."""

    person: str
    """The person's id."""
    item: int
    """The statement's number."""
    a: str
    """The method of one text."""
    b: str
    """The method of the other."""
    judge: str
    """Who judged."""
    a_first: Choice | None
    """What was chosen with a's text shown first: "A" is a's text, "B" is b's."""
    b_first: Choice | None
    """What was chosen with b's text shown first: "A" is b's text, "B" is a's."""
    reason: str | None
    """Why a choice is missing; None where both are there."""
    requests: int
    """Questions put for the two, those answered from disk included."""


def compare(
    judge: ApiJudge,
    texts: Sequence[Mapping[str, Any]],
    a: str,
    b: str,
    *,
    progress: Progress | None = None,
) -> list[Compared]:
    """Show the judge both methods' texts about each statement, in both orders.

    texts: rows of `open_ended.WrittenText`; pairs are those of one person and item, in the order of
        a's. Statements only one of the two wrote about are left out.
    Raises EvaluationError where a and b are one method, or have no pair.
    """
    of_b = {(row["person"], row["item"]): row for row in texts if row["method"] == b}
    pairs = [
        (row, of_b[row["person"], row["item"]])
        for row in texts
        if row["method"] == a and (row["person"], row["item"]) in of_b
    ]
    if a == b or not pairs:
        raise EvaluationError(
            f"The methods {a} and {b} have no two texts about one statement and person; name two "
            f"of {', '.join(sorted({row['method'] for row in texts})) or 'none'}."
        )
    questions = []
    for one, other in pairs:
        shown = (one["statement"], one["target"])
        questions += [
            comparison_question(*shown, one["text"], other["text"]),
            comparison_question(*shown, other["text"], one["text"]),
        ]
    settled: list[Settled[Choice]] = judge.settle(questions, read_choice, progress=progress)
    return [
        Compared(
            person=one["person"],
            item=one["item"],
            a=a,
            b=b,
            judge=judge.name,
            a_first=ahead.value,
            b_first=behind.value,
            reason=ahead.reason or behind.reason,
            requests=ahead.requests + behind.requests,
        )
        for (one, _), ahead, behind in zip(pairs, settled[::2], settled[1::2], strict=True)
    ]


def outcome(row: Mapping[str, Any]) -> Literal["win", "tie", "loss"] | None:
    """How a's text fared against b's over both orders; None where a choice is missing.

    >>> outcome({"a_first": "A", "b_first": "B"}), outcome({"a_first": "A", "b_first": "A"})
    ('win', 'tie')
    """
    ahead, behind = row["a_first"], row["b_first"]
    if ahead is None or behind is None:
        return None
    points = (ahead == "A") - (ahead == "B") + (behind == "B") - (behind == "A")
    both = {2: "win", -2: "loss"}
    return both.get(points, "tie")  # type: ignore[return-value]


@dataclass(frozen=True)
class PositionBias:
    """How much the order in which texts are shown decides."""

    judge: str
    """Who judged."""
    first: Interval
    """Share of showings in which the text shown first was chosen, minus that of the second: 0 is no
    bias, 1 is always the first. Mean and interval over people."""
    consistent: Interval
    """Share of pairs on which both orders give the same preference."""
    pairs: int
    """Pairs with both choices."""
    unjudged: int
    """Pairs without."""


def position_bias(rows: Sequence[Mapping[str, Any]], *, seed: int = 0) -> PositionBias:
    """The bias of one judge, from pairs shown in both orders.

    Whatever the texts are, swapping them swaps what a judge without bias chooses, so `first` is 0
    for it. Raises EvaluationError where no pair has both choices.
    """
    first: dict[str, list[float]] = {}
    consistent: dict[str, list[float]] = {}
    swapped = {"A": "B", "B": "A", "tie": "tie"}
    for row in rows:
        ahead, behind = row["a_first"], row["b_first"]
        if ahead is None or behind is None:
            continue
        leaning = [(choice == "A") - (choice == "B") for choice in (ahead, behind)]
        first.setdefault(row["person"], []).append(float(np.mean(leaning)))
        consistent.setdefault(row["person"], []).append(float(ahead == swapped[behind]))
    if not first:
        raise EvaluationError(
            f"None of the {len(rows)} pairs was judged in both orders, so there is no bias to give."
        )
    judged = sum(map(len, first.values()))
    return PositionBias(
        judge=rows[0]["judge"],
        first=bootstrap_mean([np.mean(values) for values in first.values()], seed=seed),
        consistent=bootstrap_mean([np.mean(values) for values in consistent.values()], seed=seed),
        pairs=judged,
        unjudged=len(rows) - judged,
    )
