"""An evaluation as a table for the terminal: methods above, reference rows below, best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from personalign.bench.summary import setting
from personalign.bench.traces import Training, training
from personalign.dataset.split import is_tuning_part
from personalign.evaluation.statistics import Interval
from personalign.inventory.keys import TRAITS
from personalign.methods.reference import left_out
from personalign.model.loading import POCKET

if TYPE_CHECKING:
    from personalign.bench.rows import Evaluation, Row
    from personalign.evaluation.aligned import AlignedScore

AGAINST = "pas"
"""The method every other is compared with, person by person, where it was run."""

FULL = 140
"""Characters one table of all columns needs; below, it is split in two."""

NARROW = 94
"""Characters below which less room is left between the columns."""

_Cells = dict[str, Callable[["Row"], str]]


def tables(evaluation: Evaluation, *, width: int) -> list[Table]:
    """The evaluation as one table, or as two, one below the other, where `width` is too small.

    First how close each row came: composite (sum of the five traits, lower is closer), its 95%
    interval over people, the five traits, the composite with somebody else's persona, unparsed
    answers. Then what it took: the composite minus that of `pas`, person by person, with its
    interval, the composite on the items it learnt from, seconds per person and peak memory.
    """
    title = "Distance from the people's own answers: 0 is none, lower is better"
    close, beside = _closeness(), _beside(evaluation)
    if width >= FULL:
        return [_table(evaluation, {**close, **beside}, title, width)]
    first = _table(evaluation, close, title, width, caption=False)
    return [first, _table(evaluation, beside, "Beside each other, and what it took", width)]


def training_table(evaluation: Evaluation) -> Table | None:
    """What training changed, for every method that trains; None where none does."""
    trained = [(row, told) for row in best_first(evaluation.methods) if (told := trainings(row))]
    if not trained:
        return None
    shown = plain_table("What training changed: first and last tenth of each person's curve")
    shown.add_column("", overflow="fold", min_width=10)
    for name in ("", "start", "end", "better\nfor", "own items", "plain\nmodel", "better\nfor"):
        shown.add_column(name, justify="right", vertical="bottom", no_wrap=True)
    for row, told in trained:
        improved, closer = moved(row, evaluation)
        plain = _plain(evaluation)
        shown.add_row(
            escape(row.name),
            told[0].measure,
            f"{np.mean([one.start for one in told]):.3g}",
            f"{np.mean([one.end for one in told]):.3g}",
            f"{improved} of {len(told)}",
            "–" if row.tuning is None else f"{row.tuning.composite:.2f}",
            "–" if plain is None else f"{plain.composite:.2f}",
            "–" if closer is None else f"{closer} of {len(row.responses)}",
        )
    return shown


def trainings(row: Row) -> list[Training]:
    """The trainings of a row's people, those who have one."""
    return [told for record in row.records if (told := training(record)) is not None]


def moved(row: Row, evaluation: Evaluation) -> tuple[int, int | None]:
    """For how many people training improved its measure, and on how many it is closer than `none`
    on the items it learnt from; None where one of the two was not asked those."""
    improved = sum(told.improved for told in trainings(row))
    plain = _plain(evaluation)
    if row.tuning is None or plain is None:
        return improved, None
    return improved, int((row.tuning.per_person < plain.per_person).sum())


def _plain(evaluation: Evaluation) -> AlignedScore | None:
    return next((row.tuning for row in evaluation.methods if row.name == "none"), None)


def notes(evaluation: Evaluation) -> list[str]:
    """Lines that belong under the table: what the columns mean, and what a row was fitted on."""
    lines = ["swapped: the same people scored with somebody else's persona; it must be higher."]
    if any(row.name == AGAINST for row in evaluation.methods):
        lines.append(
            f"minus {AGAINST}: the same people's composites, person by person; below 0 is closer "
            f"than {AGAINST}."
        )
    if any(row.tuning is not None for row in evaluation.methods):
        lines.append(
            f"own items: the composite on the {len(evaluation.people.inventory.tuning)} items a "
            "method learnt from, beside the plain model's: whether it moved at all."
        )
    lines.append(
        "peak: memory beyond the loaded model, for one person, or for as many as a method makes at "
        "once."
    )
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
    if evaluation.model == POCKET:
        lines.append(
            f"{POCKET}: trained on simulated people, and to be pushed as pas pushes; these rows "
            "show that the chain works, not how methods compare on other models."
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


def scaled_text(value: float | None, unit: int) -> str:
    """A number of bytes in units, with two digits that matter; a dash without one.

    >>> scaled_text(3_500_000, 2**20), scaled_text(2**31, 2**20), scaled_text(None, 1)
    ('3.3', '2,048', '–')
    """
    if value is None:
        return "–"
    scaled = value / unit
    return f"{scaled:.1f}" if scaled < 10 else f"{scaled:,.0f}"


def difference_texts(row: Row, against: str = AGAINST) -> tuple[str, str]:
    """The composite minus another's, signed, and its interval; dashes for the row itself."""
    if against not in row.paired:
        return "–", "–"
    interval = row.paired[against].interval
    ends = "–" if math.isnan(interval.low) else f"{interval.low:+.2f} {interval.high:+.2f}"
    return f"{interval.mean:+.2f}", ends


def plain_table(title: str) -> Table:
    """An empty table in the house's look: a bold title on the left, a line under the heads."""
    return Table(
        title=title,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )


def _table(
    evaluation: Evaluation, columns: _Cells, title: str, width: int, *, caption: bool = True
) -> Table:
    shown = Table(
        title=title,
        caption=escape(setting(evaluation)) if caption else None,
        box=SIMPLE_HEAD,
        padding=(0, 0 if width < NARROW else 1, 0, 0),
        show_edge=False,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="dim",
        header_style="bold",
    )
    shown.add_column("", overflow="fold", min_width=10)
    for heading in columns:
        shown.add_column(heading.rstrip(), justify="right", vertical="bottom", no_wrap=True)
    for rows in (evaluation.methods, evaluation.references):
        for row in best_first(rows):
            marked = f"{row.name} (paper)" if row.protocol == "paper" else row.name
            style = "dim" if row.reference else "yellow" if row.protocol == "paper" else ""
            cells = [cell(row) for cell in columns.values()]
            shown.add_row(escape(marked), *cells, style=style)
        shown.add_section()
    return shown


def _closeness() -> _Cells:
    """Heading -> what a row has there."""
    traits: _Cells = {
        trait: lambda row, trait=trait: f"{row.score.traits[trait]:.2f}"  # type: ignore[misc]
        for trait in TRAITS
    }
    return {
        "composite": lambda row: f"{row.score.composite:.2f}",
        "95%\ninterval": lambda row: interval_text(row.score.interval),
        **traits,
        "swapped": lambda row: "–" if row.swap is None else f"{row.swap.swapped.composite:.2f}",
        "un-\nparsed": lambda row: str(row.score.unparsed),
    }


def _beside(evaluation: Evaluation) -> _Cells:
    compared: _Cells = {}
    if any(row.name == AGAINST for row in evaluation.methods):
        compared = {
            f"minus\n{AGAINST}": lambda row: difference_texts(row)[0],
            "95%\ninterval ": lambda row: difference_texts(row)[1],
        }
    return {
        **compared,
        "own\nitems": lambda row: "–" if row.tuning is None else f"{row.tuning.composite:.2f}",
        "s per\nperson": lambda row: "–" if row.reference else seconds_text(row.seconds_per_person),
        "peak\nMiB": lambda row: "–" if row.reference else scaled_text(row.peak_bytes, 2**20),
    }
