"""Causal effects of methods as inline SVG: the paper's Figure 14, and one trait against another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.patches import Rectangle

from personalign.bench.causal import Found, effect_cell, first_of, largest_first
from personalign.bench.figures import WIDE
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
from personalign.evaluation.causal import Effects
from personalign.inventory.keys import TRAITS

DOWN_TO_UP = LinearSegmentedColormap.from_list("effects", ["#1f4a8a", "#eef1f5", "#b43a09"])
"""Blue where a trait fell, pale where it stayed, orange where it rose."""

LIGHT, DARK = "#ffffff", "#000000"
"""Text on dark and on pale cells; cells have colours of their own, whatever the page's are."""


def effects_figure(found: Found, name: str = "effects") -> str:
    """As the paper's Figure 14: a dot a method for the total effect, a line for its interval.

    The dashed line is a perfect copy of these people. name: as for `inline_svg`.
    """
    first = first_of(found)
    ordered = list(largest_first(found).items())[::-1]
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
                effect_cell(cell.mean) or "-",
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
        + " ".join(f"{t} {effect_cell(m) or '-'}" for t, m in zip(TRAITS, row, strict=True))
        for letter, row in zip(TRAITS, means, strict=True)
    )
    return inline_svg(figure, name, f"Effect of raising one trait on each, {method}. {described}")


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
