"""How personas reason: tables, JSON and a figure like the paper's Figure 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.markup import escape
from rich.table import Table

from personalign.bench import svg
from personalign.bench.summary import number
from personalign.bench.table import plain_table, seconds_text
from personalign.dataset.plots.style import CHOSEN, INK, MUTED, bare, below, framed
from personalign.evaluation.reasoning.summary import ALL, PeopleScore, Reasoning, TaskScore
from personalign.evaluation.reasoning.tasks import TASKS
from personalign.evaluation.statistics import Interval

COLUMNS = 4
"""Panels beside each other in the figure."""

COLOURS = ("#2f72b8", CHOSEN, "#2f9567", "#7b5aa6", "#cf7f14", "#cc4758")
"""One a persona, in their order."""


def accuracy_table(found: Reasoning) -> Table:
    """One row a task, one column a persona: accuracy, standard error, and the change, paired."""
    shown = plain_table(f"Reasoning, {found.prompting} chain of thought: accuracy in percent")
    shown.add_column("", no_wrap=True)
    shown.add_column("questions", justify="right")
    for persona in found.personas:
        shown.add_column(escape(persona), justify="right", no_wrap=True)
    for task in _rows(found):
        scores = [found.score(task, persona) for persona in found.personas]
        shown.add_row(_title(task), f"{scores[0].samples:,}", *map(_accuracy_text, scores))
    return shown


def replies_table(found: Reasoning) -> Table:
    """One row a task, two columns a persona: replies without an answer, seconds a question."""
    shown = plain_table("Replies in which no answer could be read, and seconds a question")
    shown.add_column("", no_wrap=True)
    for persona in found.personas:
        shown.add_column(f"{escape(persona)}\nunreadable", justify="right", vertical="bottom")
        shown.add_column("seconds", justify="right", vertical="bottom")
    for task in _rows(found):
        scores = [found.score(task, persona) for persona in found.personas]
        cells = []
        for score in scores:
            seconds = "–" if score.seconds is None else seconds_text(score.seconds)
            cells += [f"{score.unreadable / score.samples:.1%}", seconds]
        shown.add_row(_title(task), *cells)
    return shown


def people_table(people: Sequence[PeopleScore]) -> Table:
    """One row a task, one column a group of people: mean accuracy, mean change, intervals."""
    groups = list(dict.fromkeys(one.group for one in people))
    count = people[0].accuracy.people
    shown = plain_table(
        f"Reasoning as people, mean over {count}: accuracy in percent, and minus the plain model's"
    )
    shown.add_column("", no_wrap=True)
    for group in groups:
        shown.add_column(escape(group), justify="right", no_wrap=True)
    for task in dict.fromkeys(one.task for one in people):
        cells = [
            one for group in groups for one in people if (one.task, one.group) == (task, group)
        ]
        shown.add_row(
            _title(task),
            *(f"{_span(one.accuracy)}  {_span(one.difference, sign='+')}" for one in cells),
        )
    return shown


def notes(found: Reasoning) -> list[str]:
    """Lines that belong under the tables."""
    lines = [
        f"± is one standard error. Behind it: accuracy minus that of {found.base}, and the exact "
        "McNemar p of the questions that only one of the two answered rightly. Unreadable replies "
        "count as wrong.",
    ]
    if any(one.seconds is None for one in found.scores):
        lines.append("Seconds were not measured where personas shared batches.")
    if found.prompting == "few-shot":
        lines.append("Questions that stand among the worked examples are left out.")
    return lines


def reasoning_json(found: Reasoning, people: Sequence[PeopleScore] = ()) -> dict[str, Any]:
    """Every number, by task and persona; a number that does not exist is None."""
    tasks: dict[str, Any] = {}
    for task in _rows(found):
        tasks[task] = {
            persona: _score_json(found.score(task, persona)) for persona in found.personas
        }
    groups: dict[str, Any] = {}
    for one in people:
        groups.setdefault(one.group, {})[one.task] = {
            "people": one.accuracy.people,
            "accuracy": _interval_json(one.accuracy),
            "difference": _interval_json(one.difference),
        }
    return {"prompting": found.prompting, "base": found.base, "tasks": tasks, "people": groups}


def reasoning_figure(found: Reasoning, *, model: str) -> Figure:
    """One panel a task: personas with standard errors, the plain model as a dashed line."""
    columns = min(COLUMNS, len(found.tasks))
    rows = -(-len(found.tasks) // columns)
    width = max(7.8, 3.1 * columns)
    figure = framed(
        width,
        2.4 * rows + 1.2,
        f"Reasoning as a persona: {model}",
        f"Accuracy in percent, {found.prompting} chain of thought, ± one standard error. "
        "Dashed and in brackets: the plain model.",
    )
    top = below(figure) - 0.3 / figure.get_figheight()
    grid = figure.add_gridspec(
        rows, columns, left=0.45 / width, right=0.985, top=top, bottom=0.08, hspace=0.45
    )
    for place, task in enumerate(found.tasks):
        axes = figure.add_subplot(grid[place // columns, place % columns])
        bare(axes, grid="y")
        _panel(axes, found, task, COLOURS, ink=INK, muted=MUTED, paper="white")
    return figure


def reasoning_inline(found: Reasoning, name: str = "reasoning") -> str:
    """The same as an <svg> for a report, two panels beside each other."""
    columns = min(2, len(found.tasks))
    rows = -(-len(found.tasks) // columns)
    figure = svg.new_figure(2.6 * columns, 2.3 * rows)
    for place, task in enumerate(found.tasks):
        axes = figure.add_subplot(rows, columns, place + 1)
        svg.plain_axes(axes)
        colours = (svg.ACCENT, svg.SECOND)
        _panel(axes, found, task, colours, ink=svg.INK, muted=svg.MUTED, paper=svg.PAPER)
    listed = "; ".join(
        f"{_title(task)} "
        + ", ".join(f"{who} {found.score(task, who).accuracy:.1%}" for who in found.personas)
        for task in found.tasks
    )
    return svg.inline_svg(figure, name, f"Accuracy of every persona on every task: {listed}")


def _panel(
    axes: Axes,
    found: Reasoning,
    task: str,
    colours: Sequence[str],
    *,
    ink: str,
    muted: str,
    paper: str,
) -> None:
    plain = found.score(task, found.base)
    others = [found.score(task, name) for name in found.personas if name != found.base]
    base, spread = 100 * plain.accuracy, 100 * np.nan_to_num(plain.stderr)
    axes.axhspan(base - spread, base + spread, color=muted, alpha=0.12, lw=0)
    axes.axhline(base, color=muted, lw=1.2, ls=(0, (4, 3)))
    for place, score in enumerate(others):
        colour = colours[place % len(colours)]
        share, error = 100 * score.accuracy, 100 * np.nan_to_num(score.stderr)
        axes.errorbar(place, share, error, fmt="o", ms=7, color=colour, elinewidth=1.8, mec=paper)
        axes.annotate(
            f"{share:.1f}",
            (place, share + error),
            (0, 5),
            textcoords="offset points",
            ha="center",
            size=9,
            color=ink,
        )
    scores = [plain, *others]
    low = min(100 * (one.accuracy - np.nan_to_num(one.stderr)) for one in scores)
    high = max(100 * (one.accuracy + np.nan_to_num(one.stderr)) for one in scores)
    room = max(0.12 * (high - low), 2.0)
    axes.set_ylim(max(low - room, -1), high + 2 * room)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=2))
    axes.set_yticks([tick for tick in axes.get_yticks() if max(low - room, 0) <= tick <= 100])
    axes.set_xlim(-0.6, max(len(others), 2) - 0.4)
    axes.set_xticks(range(len(others)), [one.persona for one in others])
    axes.set_title(f"{_title(task)} ({base:.1f})", size=10, color=ink, loc="left")


def _rows(found: Reasoning) -> list[str]:
    return list(dict.fromkeys(one.task for one in found.scores))


def _title(task: str) -> str:
    """What a task is called in tables.

    >>> _title("date"), _title("all")
    ('BIG-bench date', 'all questions')
    """
    if task == ALL:
        return "all questions"
    return TASKS[task].title if task in TASKS else task


def _accuracy_text(score: TaskScore) -> str:
    error = "–" if np.isnan(score.stderr) else f"{100 * score.stderr:.1f}"
    text = f"{100 * score.accuracy:.1f} ±{error}"
    if score.versus is None or score.difference is None:
        return text
    return f"{text}  {100 * score.difference.mean:+z.1f} (p {score.versus.p:.2g})"


def _span(interval: Interval, sign: str = "") -> str:
    """An interval of shares in percent.

    >>> _span(Interval(0.5, 0.4, 0.62, people=9)), _span(Interval(0.5, float("nan"), 0.6, people=1))
    ('50.0 (40.0 to 62.0)', '50.0')
    """
    mean = f"{100 * interval.mean:{sign}z.1f}"
    if np.isnan(interval.low):
        return mean
    return f"{mean} ({100 * interval.low:{sign}z.1f} to {100 * interval.high:{sign}z.1f})"


def _score_json(score: TaskScore) -> dict[str, Any]:
    return {
        "samples": score.samples,
        "right": score.right,
        "accuracy": number(score.accuracy),
        "stderr": number(score.stderr),
        "unreadable": score.unreadable,
        "original_accuracy": number(score.original_right / score.samples),
        "seconds_per_sample": None if score.seconds is None else number(score.seconds),
        "base_seconds_per_sample": None
        if score.base_seconds is None
        else number(score.base_seconds),
        "mcnemar": None if score.versus is None else asdict(score.versus),
        "difference": None if score.difference is None else _interval_json(score.difference),
    }


def _interval_json(interval: Interval) -> dict[str, Any]:
    return {"mean": number(interval.mean), "ci95": [number(end) for end in interval.ends]}
