"""An evaluation as a table for the terminal: methods above, reference rows below, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from personalign.bench.summary import setting
from personalign.dataset.split import is_tuning_part
from personalign.evaluation.statistics import Interval
from personalign.inventory.keys import TRAITS
from personalign.methods.reference import left_out

if TYPE_CHECKING:
    from personalign.bench.evaluate import Evaluation, Row

HEADINGS = ("composite", "95%\ninterval", *TRAITS, "swapped", "s per\nperson", "un-\nparsed")
"""Column headings; broken so that the table fits into 80 characters."""


def table(evaluation: Evaluation, *, narrow: bool = False) -> Table:
    """The rich table of an evaluation.

    Columns: composite (sum of the five traits, lower is closer), its 95% interval over people, the
    five traits, the composite with somebody else's persona, seconds per person, unparsed answers.
    `narrow` leaves less room between them, for 80 characters.
    """
    shown = Table(
        title="Distance from the people's own answers: 0 is none, lower is better",
        caption=escape(setting(evaluation)),
        box=SIMPLE_HEAD,
        padding=(0, 0 if narrow else 1, 0, 0),
        show_edge=False,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="dim",
        header_style="bold",
    )
    shown.add_column("", overflow="fold", min_width=10)
    for name in HEADINGS:
        shown.add_column(name, justify="right", vertical="bottom", no_wrap=True)
    for row in best_first(evaluation.methods):
        shown.add_row(*_cells(row), style="" if row.protocol == "honest" else "yellow")
    shown.add_section()
    for row in best_first(evaluation.references):
        shown.add_row(*_cells(row), style="dim")
    return shown


def notes(evaluation: Evaluation) -> list[str]:
    """Lines that belong under the table: what the columns mean, and what a row was fitted on."""
    lines = ["swapped: the same people scored with somebody else's persona; it must be higher."]
    fitted = dict.fromkeys(row.fitted_on for row in evaluation.references if row.fitted_on)
    for population in fitted:
        names = [row.name for row in evaluation.references if row.fitted_on == population]
        lines.append(f"{', '.join(names)}: fitted on {population}.")
    if evaluation.references:
        names = [row.name for row in evaluation.references]
        lines += left_out(names, evaluation.people.inventory)
    if is_tuning_part(evaluation.people):
        lines.insert(
            0,
            "These are people of the tuning part, on whom methods are developed: these scores "
            "choose settings. Report scores of the other part.",
        )
    paper = [row.name for row in evaluation.methods if row.protocol == "paper"]
    if paper:
        lines.append(
            f"{', '.join(paper)}: the paper's released protocol, which tunes on the scored items. "
            "For comparison with the paper only."
        )
    return lines


def best_first(rows: Sequence[Row]) -> list[Row]:
    """The rows by composite, lowest first."""
    return sorted(rows, key=lambda row: row.score.composite)


def interval_text(interval: Interval) -> str:
    """ "2.31-2.67", or a dash where one person has no interval.

    >>> interval_text(Interval(2.5, 2.31, 2.674, people=9))
    '2.31–2.67'
    """
    return "–" if math.isnan(interval.low) else f"{interval.low:.2f}–{interval.high:.2f}"


def seconds_text(seconds: float) -> str:
    """Seconds with two digits that matter.

    >>> [seconds_text(s) for s in (0.0004, 0.0312, 1.27, 48.2)]
    ['<0.01', '0.03', '1.3', '48']
    """
    if seconds < 0.01:
        return "<0.01"
    if seconds < 1:
        return f"{seconds:.2f}"
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"


def _cells(row: Row) -> list[str]:
    marked = f"{row.name} (paper)" if row.protocol == "paper" else row.name
    return [
        escape(marked),
        f"{row.score.composite:.2f}",
        interval_text(row.score.interval),
        *(f"{value:.2f}" for value in row.score.traits.values()),
        "–" if row.swap is None else f"{row.swap.swapped.composite:.2f}",
        "–" if row.reference else seconds_text(row.seconds_per_person),
        str(row.score.unparsed),
    ]
