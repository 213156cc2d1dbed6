"""Everything there is to say of open-ended texts and their verdicts, from raw rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from personalign.errors import EvaluationError
from personalign.evaluation.agreement import JudgeAgreement, judge_agreement
from personalign.evaluation.contest import Contest, MeanLevel, contests, mean_levels
from personalign.evaluation.lengths import Lengths, length_bias, lengths
from personalign.evaluation.side_by_side import PositionBias, outcome, position_bias
from personalign.evaluation.statistics import Interval

Rows = Sequence[Mapping[str, Any]]
"""Raw rows."""


@dataclass(frozen=True)
class OpenEnded:
    """The open-ended task over all people, before one judge."""

    focus: str
    """The method compared with every other."""
    judge: str
    """Who gave the levels."""
    people: int
    """People with texts."""
    levels: tuple[MeanLevel, ...]
    """Every method's mean level."""
    contests: tuple[Contest, ...]
    """`focus` against every other method."""
    lengths: tuple[Lengths, ...]
    """Every method's lengths."""
    length_bias: Interval | None
    """Spearman correlation of words with levels over all texts; None where there is none."""
    position_bias: PositionBias | None
    """Whether the order of two texts decides; None where none were shown side by side."""
    agreement: JudgeAgreement | None
    """With the second judge; None where there was none."""


def summarise_open_ended(
    texts: Rows,
    verdicts: Rows,
    *,
    focus: str | None = None,
    second: Rows = (),
    compared: Rows = (),
    seed: int = 0,
) -> OpenEnded:
    """Summarise the raw rows of all people.

    texts: rows of `open_ended.WrittenText`, of every method.
    verdicts: rows of `judge.Verdict` about them, by one judge.
    focus: the method that wins or loses; the first of the texts where left out.
    second: another judge's verdicts on the same texts, or none.
    compared: rows of `side_by_side.Compared`, or none.
    Raises EvaluationError for no verdicts, several judges among them, or a focus without texts.
    """
    methods: list[str] = list(dict.fromkeys(row["method"] for row in texts))
    chosen = focus if focus is not None else next(iter(methods), "")
    if chosen not in methods or not verdicts:
        raise EvaluationError(
            f"There are {len(verdicts)} verdicts and texts of {', '.join(methods) or 'no method'}; "
            f"comparing {chosen or 'one'} with others needs its texts and verdicts on them."
        )
    both = [row for row in compared if outcome(row) is not None]
    return OpenEnded(
        focus=chosen,
        judge=verdicts[0]["judge"],
        people=len({row["person"] for row in texts}),
        levels=tuple(mean_levels(verdicts, seed=seed)),
        contests=tuple(contests(verdicts, chosen, seed=seed)),
        lengths=tuple(lengths(texts, verdicts, seed=seed)),
        length_bias=length_bias(texts, verdicts, seed=seed),
        position_bias=position_bias(compared, seed=seed) if both else None,
        agreement=judge_agreement(verdicts, second, seed=seed) if second else None,
    )
