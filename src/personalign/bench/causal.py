"""Causal effects of methods as tables and as JSON; the figures are in `causal_figures.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from personalign.bench.export_table import Cell, Table
from personalign.bench.summary import number
from personalign.bench.table import AGAINST
from personalign.dataset.plots.style import people_count
from personalign.errors import EvaluationError
from personalign.evaluation.causal import Effects, compare_effects
from personalign.evaluation.statistics import Interval
from personalign.inventory.keys import TRAITS

Found = Mapping[str, Effects]
"""The effects of every method, by its name, on the same people."""


def effects_table(found: Found, *, seed: int = 0, command: str | None = None) -> Table:
    """One row a method, largest total first; then what the answers themselves moved by.

    seed: of the intervals of differences. command: what makes the table again.
    """
    first = first_of(found)
    against = found.get(AGAINST) if len(found) > 1 else None
    columns = ["", "total", *TRAITS, *([] if against is None else [f"minus {AGAINST}"])]
    rows: list[tuple[Cell, ...]] = []
    for name, effects in largest_first(found).items():
        row: list[Cell] = [name, interval_cell(effects.total)]
        row += [interval_cell(interval) for interval in effects.traits]
        if against is not None:
            difference = compare_effects(effects, against, seed=seed).interval
            row.append(None if effects is against else interval_cell(difference))
        rows.append(tuple(row))
    for name, rise in (("answers seen", first.dose), ("a perfect copy", first.ceiling)):
        cells = [effect_cell(value) for value in (sum(rise), *rise)]
        rows.append((name, *cells, *([] if against is None else [None])))
    return Table(
        title=f"Average treatment effect of raising every answer by one, {_people(first)}",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(effects_notes(found)),
        command=command,
    )


def specificity_table(found: Found, *, command: str | None = None) -> Table:
    """One row a method: effect on the trait raised alone, and on the four that were not."""
    ordered = sorted(found.items(), key=lambda pair: -_sortable(pair[1].specific.mean))
    return Table(
        title=f"One trait raised alone, {_people(first_of(found))}",
        columns=("", "that trait", "the others", "size of the others", "that minus size", "p"),
        rows=tuple(
            (
                name,
                interval_cell(effects.own),
                interval_cell(effects.others),
                interval_cell(effects.spill, signed=False),
                interval_cell(effects.specific.interval),
                None if math.isnan(effects.specific.p) else f"{effects.specific.p:.4f}",
            )
            for name, effects in ordered
        ),
        notes=(
            "Each of the five traits is raised in turn. Size: signs taken away person by person, "
            "so noise alone is above 0.",
        ),
        command=command,
    )


def matrix_table(effects: Effects, method: str, *, command: str | None = None) -> Table:
    """Five rows, the trait raised alone, by five columns, the trait measured."""
    return Table(
        title=f"{method}: effect of raising one trait (row) on each trait (column), "
        f"{_people(effects)}",
        columns=("raised", *TRAITS),
        rows=tuple(
            (f"{letter} {TRAITS[letter]}", *(interval_cell(cell) for cell in row))
            for letter, row in zip(TRAITS, effects.matrix, strict=True)
        ),
        command=command,
    )


def effects_notes(found: Found) -> list[str]:
    """Lines that belong under the tables."""
    first = first_of(found)
    lines = [
        "Effects are of keyed trait means (1-5) over the answers to held-out items, after minus "
        "before; the total adds the five up. In brackets: 95% over people.",
        f"An answer at the end of the scale cannot be raised: those a method saw moved by "
        f"{np.nanmean(first.dose):.2f} on average, the held-out ones of a perfect copy by "
        f"{np.nanmean(first.ceiling):.2f}.",
    ]
    for name, effects in found.items():
        if effects.unparsed:
            lines.append(
                f"{name}: {effects.unparsed:,} of {effects.answers:,} answers name no option and "
                "are left out."
            )
        if effects.people < len(effects.ids):
            lines.append(
                f"{name}: {len(effects.ids) - effects.people} of {len(effects.ids)} people have no "
                "total, because some trait has no answer that could be read."
            )
    return lines


def effects_json(found: Found, *, seed: int = 0) -> dict[str, Any]:
    """Every number, by method; a number that does not exist is None."""
    against = found.get(AGAINST)
    return {
        name: {
            "people": effects.people,
            "total": _interval(effects.total),
            "traits": dict(zip(TRAITS, map(_interval, effects.traits), strict=True)),
            "before": _by_trait(effects.before),
            "after": _by_trait(effects.after),
            "one_trait_raised": {
                raised: dict(zip(TRAITS, map(_interval, row), strict=True))
                for raised, row in zip(TRAITS, effects.matrix, strict=True)
            },
            "own": _interval(effects.own),
            "others": _interval(effects.others),
            "size_of_others": _interval(effects.spill),
            "own_minus_size_of_others": {
                **_interval(effects.specific.interval),
                "p": number(effects.specific.p),
            },
            "total_minus_pas": None
            if against is None or effects is against
            else _interval(compare_effects(effects, against, seed=seed).interval),
            "answers_seen_moved": _by_trait(effects.dose),
            "perfect_copy": _by_trait(effects.ceiling),
            "unparsed": effects.unparsed,
            "answers": effects.answers,
        }
        for name, effects in found.items()
    }


def interval_cell(interval: Interval, *, signed: bool = True) -> str | None:
    """ "+0.52 (0.40 to 0.64)"; None where there is no mean, the mean alone for one person.

    >>> interval_cell(Interval(0.521, -0.0001, 0.64, people=9))
    '+0.52 (0.00 to 0.64)'
    """
    mean = effect_cell(interval.mean, signed)
    if mean is None or math.isnan(interval.low):
        return mean
    return f"{mean} ({effect_cell(interval.low, False)} to {effect_cell(interval.high, False)})"


def effect_cell(value: float, signed: bool = True) -> str | None:
    """The value to two digits; what is shown as nought has no sign."""
    if math.isnan(value):
        return None
    shown = round(value, 2) or 0.0
    return f"{shown:+.2f}" if signed and shown else f"{shown:.2f}"


def first_of(found: Found) -> Effects:
    """The first method's effects; EvaluationError where there is none."""
    if not found:
        raise EvaluationError("There are no effects to show; measure one method at least.")
    return next(iter(found.values()))


def _people(effects: Effects) -> str:
    return people_count(len(effects.ids))


def largest_first(found: Found) -> dict[str, Effects]:
    """The methods by total effect; those without one last."""
    return dict(sorted(found.items(), key=lambda pair: -_sortable(pair[1].total.mean)))


def _sortable(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": number(interval.mean), "ci95": [number(end) for end in interval.ends]}


def _by_trait(values: tuple[float, ...]) -> dict[str, float | None]:
    return dict(zip(TRAITS, map(number, values), strict=True))
