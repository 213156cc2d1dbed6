"""A score by sex, age and country: tables, JSON and figure of `evaluation/fairness.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from personalign.bench.export_table import Cell, Table
from personalign.bench.figures import WIDE
from personalign.bench.summary import number
from personalign.bench.svg import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    TEXT_SIZE,
    inline_svg,
    new_figure,
    plain_axes,
)
from personalign.dataset.plots.style import people_count
from personalign.errors import EvaluationError
from personalign.evaluation.fairness import OTHERS, PERMUTATIONS, Split
from personalign.evaluation.statistics import Interval

Found = Mapping[str, Sequence[Split]]
"""The splits of every method's score, by its name, on the same people."""


def groups_table(found: Found, *, score: str = "composite", command: str | None = None) -> Table:
    """One row a group, one column a method: mean, 95% over the group's people.

    score: what the score is called. command: what makes the table again.
    """
    _needs_some(found)
    rows: list[tuple[Cell, ...]] = []
    for by in _splits(found):
        names = dict.fromkeys(name for split in _of(found, by) for name in split.groups)
        for name in names:
            there = [split.groups.get(name) for split in _of(found, by)]
            sizes = sorted({interval.people for interval in there if interval is not None})
            size = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"
            rows.append((by, name, size, *(_cell(interval) for interval in there)))
    return Table(
        title=f"{score} by group (95% over the group's people)",
        columns=("by", "group", "people", *found),
        rows=tuple(rows),
        notes=tuple(fairness_notes(found)),
        command=command,
    )


def gaps_table(found: Found, *, score: str = "composite", command: str | None = None) -> Table:
    """One row a split and method: the largest gap between two groups, and its p."""
    _needs_some(found)
    rows: list[tuple[Cell, ...]] = []
    for by in _splits(found):
        for method, split in zip(found, _of(found, by), strict=True):
            gap = split.gap
            if gap is None:
                rows.append((by, method, None, None, None, None))
            else:
                difference, p = f"{gap.difference:.2f}", f"{gap.p:.4f}"
                rows.append((by, method, difference, gap.high, gap.low, p))
    return Table(
        title=f"Largest gap in {score} between two groups",
        columns=("by", "method", "gap", "highest", "lowest", "p"),
        rows=tuple(rows),
        notes=(
            f"p: share of {PERMUTATIONS:,} random deals of the scores to the same groups with a "
            "gap as large between any two; not corrected for the number of rows.",
        ),
        command=command,
    )


def fairness_notes(found: Found) -> list[str]:
    """Who is not shown, and why; the same for all methods, so told of the first."""
    _needs_some(found)
    lines = []
    for split in next(iter(found.values())):
        told = []
        if split.pooled:
            told.append(f"counted as {OTHERS}: {_listed(split.pooled)}")
        if split.left_out:
            told.append(f"too few to be shown: {_listed(split.left_out)}")
        if split.unknown:
            told.append(f"unknown: {split.unknown}")
        if told:
            lines.append(f"By {split.by}, {'; '.join(told)}.")
    unscored = {
        name: splits[0].unscored for name, splits in found.items() if splits and splits[0].unscored
    }
    lines += [f"{name}: {people_count(n)} without a score." for name, n in unscored.items()]
    return lines


def fairness_json(found: Found) -> dict[str, Any]:
    """Every number, by method and split; a number that does not exist is None."""
    return {
        method: {
            split.by: {
                "groups": {
                    name: {
                        "mean": number(interval.mean),
                        "ci95": [number(end) for end in interval.ends],
                        "people": interval.people,
                    }
                    for name, interval in split.groups.items()
                },
                "gap": None
                if split.gap is None
                else {
                    "highest": split.gap.high,
                    "lowest": split.gap.low,
                    "difference": number(split.gap.difference),
                    "p": number(split.gap.p),
                },
                "pooled_as_other": split.pooled,
                "left_out": split.left_out,
                "unknown": split.unknown,
                "unscored": split.unscored,
            }
            for split in splits
        }
        for method, splits in found.items()
    }


def fairness_figure(
    splits: Sequence[Split],
    method: str,
    name: str = "fairness",
    *,
    score: str = "composite (lower is closer to the person)",
) -> str:
    """One method: a dot a group with its interval, split below split, sizes beside the names.

    name: as for `inline_svg`. score: label of the axis.
    Raises EvaluationError where no group is large enough to be shown.
    """
    lines = [
        (split, group, interval) for split in splits for group, interval in split.groups.items()
    ]
    if not lines:
        raise EvaluationError(
            f"No group of {method} is large enough to be drawn; score more people."
        )
    heights: list[float] = []
    for place, (split, _, _) in enumerate(lines):
        new = place > 0 and split is not lines[place - 1][0]
        heights.append((heights[-1] + (1.7 if new else 1.0)) if heights else 0.0)
    figure = new_figure(WIDE, 0.3 * (heights[-1] + 1.8) + 0.6)
    axes = figure.add_subplot()
    plain_axes(axes, grid="x")
    for y, (_, _, interval) in zip(heights, lines, strict=True):
        if math.isfinite(interval.low):
            axes.plot(interval.ends, (y, y), color=ACCENT, lw=2.4, solid_capstyle="round")
        axes.plot(interval.mean, y, "o", ms=8, color=ACCENT, markeredgecolor=PAPER)
    left, right = axes.get_xlim()
    for place, (y, (split, _, _)) in enumerate(zip(heights, lines, strict=True)):
        if place == 0 or split is not lines[place - 1][0]:
            axes.annotate(
                _heading(split),
                (0, y - 0.78),
                xycoords=("axes fraction", "data"),
                va="center",
                color=MUTED,
                size=TEXT_SIZE,
            )
    axes.set_xlim(left, right)
    axes.set_yticks(heights, [f"{group} ({interval.people})" for _, group, interval in lines])
    axes.set_ylim(heights[-1] + 0.6, -1.2)
    axes.set_xlabel(score)
    axes.set_title(method, size=TEXT_SIZE, color=INK, loc="left")
    listed = ", ".join(f"{group} {interval.mean:.2f}" for _, group, interval in lines)
    return inline_svg(figure, name, f"{method} by group, with intervals: {listed}")


def _heading(split: Split) -> str:
    """ "by sex: gap 0.31, p 0.0200"."""
    if split.gap is None:
        return f"by {split.by}"
    return f"by {split.by}: largest gap {split.gap.difference:.2f}, p {split.gap.p:.4f}"


def _cell(interval: Interval | None) -> str | None:
    """ "2.31 (2.10 to 2.52)"."""
    if interval is None:
        return None
    return f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _splits(found: Found) -> list[str]:
    return [split.by for split in next(iter(found.values()))]


def _of(found: Found, by: str) -> list[Split]:
    """Every method's split by one thing, in the methods' order."""
    return [next(split for split in splits if split.by == by) for splits in found.values()]


def _listed(groups: Mapping[str, int]) -> str:
    """ "Norway (3), Chile (2)"; the largest eight by name."""
    named = [f"{name} ({people})" for name, people in list(groups.items())[:8]]
    rest = list(groups.values())[8:]
    if rest:
        named.append(f"{len(rest)} more ({sum(rest)})")
    return ", ".join(named)


def _needs_some(found: Found) -> None:
    if not found:
        raise EvaluationError("There are no scores to split; give one method at least.")
