"""The open-ended task shown: tables, JSON, the figure of wins, and examples to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from personalign.bench.outcomes import Bar, outcomes_svg, share_text
from personalign.bench.summary import number
from personalign.bench.table import interval_text, plain_table
from personalign.dataset.plots.style import people_count
from personalign.evaluation.contest import Contest, MeanLevel, Shares
from personalign.evaluation.criterion import LEVELS, target_value
from personalign.evaluation.lengths import Lengths
from personalign.evaluation.open_ended_summary import OpenEnded
from personalign.evaluation.statistics import Interval


def wins_table(found: OpenEnded) -> Table:
    """One row a method `focus` was compared with: won, tied, lost, and by how much."""
    shown = plain_table(
        f"Texts of {found.focus} against others', {people_count(found.people)}\n"
        f"judge: {found.judge}"
    )
    shown.add_column("against", min_width=10, overflow="fold")
    for heading in ("won (95%)", "tied", "lost (95%)", "level by (95%)", "statements", "left out"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in found.contests:
        low, high = one.difference.interval.ends
        ends = f" ({low:+.2f} to {high:+.2f})" if low == low else ""
        shown.add_row(
            escape(one.other),
            share_text(one.shares.win),
            f"{one.shares.tie.mean:.0%}",
            share_text(one.shares.loss),
            f"{one.difference.mean:+.2f}{ends}",
            f"{one.statements:,}",
            f"{one.left_out:,}",
        )
    return shown


def levels_table(found: OpenEnded) -> Table:
    """One row a method: mean level, lengths, and what was not judged."""
    shown = plain_table(
        f"Levels given (1-6, 6 is perfectly aligned), and lengths\njudge: {found.judge}"
    )
    shown.add_column("", min_width=10, overflow="fold")
    for heading in (
        "level",
        "95%",
        "tokens",
        "words",
        "words with level (95%)",
        "parts",
        "unjudged",
    ):
        shown.add_column(heading, justify="right", no_wrap=True)
    lengths = {one.method: one for one in found.lengths}
    for one in found.levels:
        length = lengths[one.method]
        shown.add_row(
            escape(one.method),
            "–" if one.level is None else f"{one.level.mean:.2f}",
            "–" if one.level is None else interval_text(one.level),
            "–" if length.tokens is None else f"{length.tokens.mean:.1f}",
            f"{length.words.mean:.1f}",
            correlation_text(length.with_level),
            f"{length.parts:.1f} of 4",
            f"{one.unjudged:,} of {one.judged + one.unjudged:,}",
        )
    return shown


def notes(found: OpenEnded) -> list[str]:
    """What belongs under the tables: how far to trust the judge, and what it left unjudged."""
    lines = []
    if found.judge.startswith("likelihood"):
        lines.append(
            f"The judge is no reader: its level is the {found.judge} after reading the text, in "
            "six equal steps."
        )
    bias = correlation_text(found.length_bias)
    lines.append(f"Words with the level over all texts (Spearman, 95%): {bias}.")
    if found.position_bias is not None:
        position = found.position_bias
        lines.append(
            f"Shown two texts in both orders ({position.pairs:,} pairs), it gave the same "
            f"preference on {share_text(position.consistent)}; the text shown first was chosen "
            f"more often than the second by {signed_text(position.first)}."
        )
    if found.agreement is not None:
        agreement = found.agreement
        kappa = "no kappa, all levels being the same"
        if agreement.kappa is not None:
            kappa = f"quadratic kappa {correlation_text(agreement.kappa)}"
        lines.append(
            f"{agreement.judges[1]} on the same {agreement.texts:,} texts: {kappa}, the same level "
            f"on {agreement.same:.0%}."
        )
    lines += [
        f"Texts of {one.method} have {one.parts:.1f} of the four parts asked for: mostly, it did "
        "not do the task, and its levels say little."
        for one in found.lengths
        if one.parts < 2
    ]
    for one in found.levels:
        lines += [f"{one.method}, {count} unjudged: {reason}" for reason, count in one.reasons[:3]]
    return lines


def wins_svg(found: OpenEnded, name: str = "open-ended") -> str:
    """The figure of wins, ties and losses, as the paper's Figure 6, with intervals."""
    bars = [Bar(f"against {one.other}", one.shares) for one in found.contests]
    return outcomes_svg(bars, name, axis=f"statements, texts of {found.focus}")


def open_ended_json(found: OpenEnded) -> dict[str, Any]:
    """Every number."""
    position, agreement = found.position_bias, found.agreement
    return {
        "focus": found.focus,
        "judge": found.judge,
        "people": found.people,
        "levels": {one.method: _level_json(one) for one in found.levels},
        "against": {one.other: _contest_json(one) for one in found.contests},
        "lengths": {one.method: _length_json(one) for one in found.lengths},
        "length_bias": interval_json(found.length_bias),
        "position_bias": None
        if position is None
        else {
            "first_minus_second": interval_json(position.first),
            "consistent": interval_json(position.consistent),
            "pairs": position.pairs,
            "unjudged": position.unjudged,
        },
        "agreement": None
        if agreement is None
        else {
            "judges": list(agreement.judges),
            "quadratic_kappa": interval_json(agreement.kappa),
            "same_level": number(agreement.same),
            "texts": agreement.texts,
        },
    }


@dataclass(frozen=True)
class Example:
    """One text to read, with what the person had answered and what the judge says."""

    person: str
    """The person's id."""
    statement: str
    """The statement."""
    target: str
    """The option the person ticked."""
    method: str
    """Whose persona wrote it."""
    text: str
    """The text."""
    judge: str
    """Who judged."""
    verdict: str
    """The level in words, or why there is none."""


def examples(
    texts: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]], *, number: int = 3
) -> list[list[Example]]:
    """Texts of all methods about the same statement of the same person, a few times.

    Nobody chose them for what they say: they lie evenly over what every method wrote about, in the
    order of the rows, each a statement further, for people wrote about the same ones.
    Returns one list a statement, one example a method.
    """
    methods = list(dict.fromkeys(row["method"] for row in texts))
    by_place: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
    for row in texts:
        by_place.setdefault((row["person"], row["item"]), {})[row["method"]] = row
    shared = [place for place, rows in by_place.items() if len(rows) == len(methods)]
    taken = min(number, len(shared))
    said = {(row["person"], row["item"], row["method"]): row for row in verdicts}
    return [
        [_example(by_place[place][method], said.get((*place, method))) for method in methods]
        for place in (shared[(k * len(shared) // taken + k) % len(shared)] for k in range(taken))
    ]


def correlation_text(interval: Interval | None) -> str:
    """ "+0.31 (+0.12 to +0.48)"; a dash where there is none.

    >>> correlation_text(Interval(0.31, 0.12, 0.484, people=9))
    '+0.31 (+0.12 to +0.48)'
    """
    if interval is None:
        return "–"
    ends = f" ({interval.low:+.2f} to {interval.high:+.2f})" if interval.low == interval.low else ""
    return f"{interval.mean:+.2f}{ends}"


def signed_text(interval: Interval) -> str:
    """A difference of shares, "+4% (-2% to +9%)"."""
    ends = f" ({interval.low:+.0%} to {interval.high:+.0%})" if interval.low == interval.low else ""
    return f"{interval.mean:+.0%}{ends}"


def interval_json(interval: Interval | None) -> dict[str, Any] | None:
    """Mean and ends of an interval."""
    if interval is None:
        return None
    return {
        "mean": number(interval.mean),
        "ci95": [number(end) for end in interval.ends],
        "over": interval.people,
    }


def shares_json(shares: Shares) -> dict[str, Any]:
    """Won, tied and lost."""
    return {name: interval_json(getattr(shares, name)) for name in ("win", "tie", "loss")}


def _example(row: Mapping[str, Any], verdict: Mapping[str, Any] | None) -> Example:
    told = "not judged"
    if verdict is not None:
        score = verdict["score"]
        told = f"not judged: {verdict['reason']}" if score is None else f"{score}, {LEVELS[score]}"
    return Example(
        person=row["person"],
        statement=row["statement"],
        target=target_value(row["target"]),
        method=row["method"],
        text=row["text"],
        judge="" if verdict is None else verdict["judge"],
        verdict=told,
    )


def _level_json(one: MeanLevel) -> dict[str, Any]:
    return {
        "level": interval_json(one.level),
        "judged": one.judged,
        "unjudged": one.unjudged,
        "reasons": dict(one.reasons),
    }


def _contest_json(one: Contest) -> dict[str, Any]:
    return {
        **shares_json(one.shares),
        "level_difference": {
            **(interval_json(one.difference.interval) or {}),
            "p": number(one.difference.p),
        },
        "statements": one.statements,
        "left_out": one.left_out,
    }


def _length_json(one: Lengths) -> dict[str, Any]:
    return {
        "tokens": interval_json(one.tokens),
        "words": interval_json(one.words),
        "words_with_level": interval_json(one.with_level),
        "parts": number(one.parts),
        "texts": one.texts,
    }
