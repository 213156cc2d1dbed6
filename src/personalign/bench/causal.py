"""Causal effects of methods: tables, JSON and figures of `evaluation/causal.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.patches import Rectangle

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
from personalign.bench.table import AGAINST
from personalign.dataset.plots.style import people_count
from personalign.errors import EvaluationError
from personalign.evaluation.causal import Effects, compare_effects
from personalign.evaluation.statistics import Interval
from personalign.inventory.keys import TRAITS

Found = Mapping[str, Effects]
"""The effects of every method, by its name, on the same people."""

DOWN_TO_UP = LinearSegmentedColormap.from_list("effects", ["#1f4a8a", "#eef1f5", "#b43a09"])
"""Blue where a trait fell, pale where it stayed, orange where it rose."""

LIGHT, DARK = "#ffffff", "#000000"
"""Text on dark and on pale cells; cells have colours of their own, whatever the page's are."""


def effects_table(found: Found, *, seed: int = 0, command: str | None = None) -> Table:
    """One row a method, largest total first; then what the answers themselves moved by.

    seed: of the intervals of differences. command: what makes the table again.
    """
    first = _first(found)
    against = found.get(AGAINST) if len(found) > 1 else None
    columns = ["", "total", *TRAITS, *([] if against is None else [f"minus {AGAINST}"])]
    rows: list[tuple[Cell, ...]] = []
    for name, effects in _largest_first(found).items():
        row: list[Cell] = [name, interval_cell(effects.total)]
        row += [interval_cell(interval) for interval in effects.traits]
        if against is not None:
            difference = compare_effects(effects, against, seed=seed).interval
            row.append(None if effects is against else interval_cell(difference))
        rows.append(tuple(row))
    for name, rise in (("answers seen", first.dose), ("a perfect copy", first.ceiling)):
        cells = [_cell(value) for value in (sum(rise), *rise)]
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
        title=f"One trait raised alone, {_people(_first(found))}",
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
    first = _first(found)
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


def effects_figure(found: Found, name: str = "effects") -> str:
    """As the paper's Figure 14: a dot a method for the total effect, a line for its interval.

    The dashed line is a perfect copy of these people. name: as for `inline_svg`.
    """
    first = _first(found)
    ordered = list(_largest_first(found).items())[::-1]
    figure = new_figure(WIDE, 0.38 * len(ordered) + 1.15)
    axes = figure.add_subplot()
    plain_axes(axes, grid="x")
    ceiling = first.total_ceiling
    axes.axvline(ceiling, color=MUTED, lw=1.4, ls=(0, (4, 3)))
    axes.annotate(
        f"a perfect copy {ceiling:.2f}",
        (ceiling, len(ordered) + 0.05),
        (-5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=MUTED,
        size=TEXT_SIZE,
    )
    for y, (_, effects) in enumerate(ordered):
        total = effects.total
        if math.isnan(total.mean):
            continue
        if math.isfinite(total.low):
            axes.plot(total.ends, (y, y), color=ACCENT, lw=2.4, solid_capstyle="round")
        axes.plot(total.mean, y, "o", ms=8.5, color=ACCENT, markeredgecolor=PAPER)
        axes.annotate(
            f"{total.mean:.2f}",
            (total.mean, y),
            (0, 8),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=INK,
            size=TEXT_SIZE,
        )
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set_yticks(range(len(ordered)), [name_ for name_, _ in ordered])
    axes.set_ylim(-0.5, len(ordered) + 0.35)
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, -0.3), max(right, ceiling + 0.25))
    axes.set_xlabel("effect of raising every answer by one, five traits added")
    listed = ", ".join(f"{name_} {e.total.mean:.2f}" for name_, e in ordered[::-1])
    return inline_svg(
        figure, name, f"Total effect by method: {listed}; a perfect copy {ceiling:.2f}"
    )


def matrix_figure(effects: Effects, method: str, name: str = "specificity") -> str:
    """The 5 x 5 effects as a heat map, the traits that were raised framed.

    Bold: the interval leaves 0 out. name: as for `inline_svg`.
    """
    means = np.array([[cell.mean for cell in row] for row in effects.matrix])
    most = max(1.0, float(np.nanmax(np.abs(means), initial=0.0)))
    figure = new_figure(WIDE, 3.7)
    axes = figure.add_subplot()
    plain_axes(axes, grid=None)
    axes.spines["bottom"].set_visible(False)
    edges = np.arange(len(TRAITS) + 1) - 0.5
    colours = Normalize(-most, most)
    axes.pcolormesh(
        edges, edges, means, cmap=DOWN_TO_UP, norm=colours, edgecolors=PAPER, linewidth=2
    )
    for raised, row in enumerate(effects.matrix):
        for measured, cell in enumerate(row):
            clear = cell.low > 0 or cell.high < 0
            axes.text(
                measured,
                raised,
                _cell(cell.mean) or "-",
                ha="center",
                va="center",
                size=TEXT_SIZE,
                weight="bold" if clear else "normal",
                color=INK
                if math.isnan(cell.mean)
                else _legible_on(DOWN_TO_UP(float(colours(cell.mean)))),
            )
        axes.add_patch(
            Rectangle((raised - 0.47, raised - 0.47), 0.94, 0.94, fill=False, ec=INK, lw=1.6)
        )
    axes.set_xticks(range(5), list(TRAITS))
    axes.set_yticks(range(5), [f"{full} +1" for full in TRAITS.values()])
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.set_title(f"{method}: measured trait", size=TEXT_SIZE, color=INK)
    described = "; ".join(
        f"{letter} raised: "
        + " ".join(f"{t} {_cell(m) or '-'}" for t, m in zip(TRAITS, row, strict=True))
        for letter, row in zip(TRAITS, means, strict=True)
    )
    return inline_svg(figure, name, f"Effect of raising one trait on each, {method}. {described}")


def interval_cell(interval: Interval, *, signed: bool = True) -> str | None:
    """ "+0.52 (0.40 to 0.64)"; None where there is no mean, the mean alone for one person.

    >>> interval_cell(Interval(0.521, -0.0001, 0.64, people=9))
    '+0.52 (0.00 to 0.64)'
    """
    mean = _cell(interval.mean, signed)
    if mean is None or math.isnan(interval.low):
        return mean
    return f"{mean} ({_cell(interval.low, False)} to {_cell(interval.high, False)})"


def _cell(value: float, signed: bool = True) -> str | None:
    """The value to two digits; what is shown as nought has no sign."""
    if math.isnan(value):
        return None
    shown = round(value, 2) or 0.0
    return f"{shown:+.2f}" if signed and shown else f"{shown:.2f}"


def _legible_on(colour: Any) -> str:
    """`LIGHT` or `DARK`, whichever has the higher contrast (WCAG 2) on the colour."""
    return max((LIGHT, DARK), key=lambda text: contrast(text, colour))


def contrast(one: Any, other: Any) -> float:
    """Contrast ratio of two colours, 1 to 21, as WCAG 2 defines it.

    >>> contrast("#ffffff", "#000000")
    21.0
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Any) -> float:
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _first(found: Found) -> Effects:
    if not found:
        raise EvaluationError("There are no effects to show; measure one method at least.")
    return next(iter(found.values()))


def _people(effects: Effects) -> str:
    return people_count(len(effects.ids))


def _largest_first(found: Found) -> dict[str, Effects]:
    return dict(sorted(found.items(), key=lambda pair: -_sortable(pair[1].total.mean)))


def _sortable(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": number(interval.mean), "ci95": [number(end) for end in interval.ends]}


def _by_trait(values: tuple[float, ...]) -> dict[str, float | None]:
    return dict(zip(TRAITS, map(number, values), strict=True))
