"""The figures of a report, each a function from an evaluation's numbers to inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from personalign.bench.svg import (
    ACCENT,
    FAINT,
    INK,
    MUTED,
    PAPER,
    SECOND,
    TEXT_SIZE,
    inline_svg,
    new_figure,
    plain_axes,
)
from personalign.bench.table import best_first
from personalign.bench.traces import AlphaCurve, HeadMap
from personalign.inventory.keys import TRAITS

if TYPE_CHECKING:
    from personalign.bench.rows import Row

WIDE = 5.2
"""Width of a figure over the whole column, in inches: on a phone its text is still 10 pixels."""

HEAT = LinearSegmentedColormap.from_list("heat", ["#e9eef6", "#9db7dd", "#4f7fc0", "#1f4a8a"])
"""Probe accuracy, pale for chance: readable on light and on dark pages."""


def composites(rows: Sequence[Row], name: str = "composites") -> str:
    """All rows, best on top: a dot for the composite, a line for its 95% interval."""
    ordered = best_first(rows)[::-1]
    figure = new_figure(WIDE, 0.33 * len(ordered) + 0.65)
    axes = figure.add_subplot()
    plain_axes(axes, grid="x")
    for y, row in enumerate(ordered):
        colour = MUTED if row.reference else ACCENT
        if np.isfinite(row.score.interval.low):
            axes.plot(row.score.ci95, (y, y), color=colour, lw=2.4, solid_capstyle="round")
        axes.plot(
            row.score.composite,
            y,
            "o",
            ms=8.5,
            color=PAPER if row.reference else colour,
            markeredgecolor=colour,
            markeredgewidth=1.8,
        )
        high = row.score.interval.high
        edge = high if np.isfinite(high) else row.score.composite
        axes.annotate(
            f"{row.score.composite:.2f}",
            (edge, y),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            size=TEXT_SIZE,
        )
    axes.set_yticks(range(len(ordered)), [row.name for row in ordered])
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    left, right = axes.get_xlim()
    axes.set_xlim(max(0, left - 0.05), right + 0.35 * max(0.4, (right - left) / 3))
    axes.set_xlabel("composite (lower is closer to the person)")
    listed = ", ".join(f"{row.name} {row.score.composite:.2f}" for row in ordered[::-1])
    return inline_svg(figure, name, f"Composite of every row with its interval: {listed}")


def alpha_overview(curves: Sequence[AlphaCurve], name: str = "alphas") -> str:
    """Everybody's error on the tuning items against alpha, thin; the mean, thick; chosen alphas."""
    figure = new_figure(WIDE, 3.1)
    axes = figure.add_subplot()
    plain_axes(axes)
    for curve in curves:
        axes.plot(curve.alphas, curve.errors, color=ACCENT, lw=1, alpha=0.35)
        axes.plot(curve.chosen, _at(curve), "o", ms=6, color=ACCENT, markeredgecolor=PAPER)
    shared = [a for a in curves[0].alphas if all(np.isclose(c.alphas, a).any() for c in curves)]
    means = [np.mean([np.interp(a, c.alphas, c.errors) for c in curves]) for a in shared]
    axes.plot(shared, means, color=INK, lw=2.2)
    axes.set_xlabel("alpha (0 is the plain model)")
    axes.set_ylabel("error on the tuning items")
    axes.set_ylim(error_limits(curves))
    return inline_svg(
        figure,
        name,
        f"Error on the tuning items against alpha for {len(curves)} people, and their mean",
    )


def error_limits(curves: Sequence[AlphaCurve]) -> tuple[float, float]:
    """Ends of the error axis that show every trough well; far too large alphas run out on top."""
    lowest = min(float(curve.errors.min()) for curve in curves)
    start = max(float(curve.errors[0]) for curve in curves)
    room = max(start - lowest, 0.1 * start, 0.05)
    return max(0.0, lowest - 0.35 * room), start + 0.6 * room


def alpha_curve_figure(
    curve: AlphaCurve, name: str, limits: tuple[float, float], last: float
) -> str:
    """One person's curve, the chosen alpha marked.

    limits: ends of the error axis. last: the largest alpha shown. The same for all cards.
    """
    figure = new_figure(3.1, 2.0)
    axes = figure.add_subplot()
    plain_axes(axes)
    axes.plot(curve.alphas, curve.errors, color=MUTED, lw=1.4, marker="o", ms=2.6)
    chosen = _at(curve)
    axes.plot([curve.chosen] * 2, [limits[0], chosen], color=ACCENT, lw=1.2, ls=(0, (3, 2)))
    axes.plot(curve.chosen, chosen, "o", ms=8, color=ACCENT, markeredgecolor=PAPER)
    axes.set_ylim(limits)
    axes.set_xlim(-0.03 * last, 1.03 * last)
    axes.set_xlabel("alpha")
    axes.set_title("error on the tuning items", size=TEXT_SIZE, color=INK, loc="left")
    return inline_svg(
        figure,
        name,
        f"Error on the tuning items against alpha: {curve.errors[0]:.2f} at {curve.alphas[0]:g}, "
        f"{chosen:.2f} at the chosen {curve.chosen:g}",
    )


def head_map_figure(heads: HeadMap, name: str = "heads") -> str:
    """Layers by heads: colour for the mean probe accuracy, a number for how often steered."""
    layers, width = heads.accuracy.shape
    cell = 0.62 if max(layers, width) <= 10 else 0.24
    figure = new_figure(max(4.2, cell * width + 1.9), max(2.4, cell * layers + 0.9))
    axes = figure.add_subplot()
    plain_axes(axes, grid=None)
    axes.spines["bottom"].set_visible(False)
    low = min(0.5, float(np.nanmin(heads.accuracy)))
    high = max(0.9, float(np.nanmax(heads.accuracy)))
    mesh = axes.pcolormesh(
        np.arange(width + 1) - 0.5,
        np.arange(layers + 1) - 0.5,
        heads.accuracy,
        cmap=HEAT,
        vmin=low,
        vmax=high,
        edgecolors=PAPER,
        linewidth=2 if cell > 0.5 else 0.5,
    )
    for layer, head in np.argwhere(heads.chosen > 0):
        times = int(heads.chosen[layer, head])
        dark = heads.accuracy[layer, head] > (low + high) / 2
        colour = "#ffffff" if dark else "#10233f"
        if cell > 0.5:
            axes.text(
                head,
                layer,
                f"{times}×",
                ha="center",
                va="center",
                size=TEXT_SIZE,
                color=colour,
            )
        else:
            size = 0.25 + 0.6 * times / heads.people
            axes.add_patch(
                Rectangle((head - size / 2, layer - size / 2), size, size, fill=False, ec=colour)
            )
    step = 1 if cell > 0.5 else 4
    axes.set_xticks(range(0, width, step))
    axes.set_yticks(range(0, layers, step))
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    axes.set_aspect("equal")
    bar = figure.colorbar(mesh, ax=axes, shrink=0.9, pad=0.03)
    bar.solids.set(rasterized=False, edgecolor="face")  # type: ignore[union-attr]
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(labelcolor=INK, labelsize=TEXT_SIZE, length=0)
    bar.set_label("probe accuracy", color=INK, size=TEXT_SIZE)
    layer, head, best = heads.best
    return inline_svg(
        figure,
        name,
        f"Mean probe accuracy of {layers} layers by {width} heads; the best is layer {layer} head "
        f"{head} with {best:.2f}",
    )


def radar_figure(profiles: Mapping[str, NDArray[np.float64]], name: str) -> str:
    """Trait profiles over each other: the first filled (the person), the others as lines.

    profiles: name -> (5,) keyed trait means, 1-5, in the order O C E A N.
    """
    figure = new_figure(3.1, 2.75)
    axes = figure.add_subplot(projection="polar")
    axes.patch.set_alpha(0)
    axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
    axes.set_theta_direction(-1)  # type: ignore[attr-defined]
    angles = np.linspace(0, 2 * np.pi, len(TRAITS) + 1)
    for ring in (1, 2, 3, 4, 5):  # straight rings: five spokes, not a dartboard
        axes.plot(angles, [ring] * 6, color=FAINT, lw=1.1 if ring == 3 else 0.6)
    for angle in angles[:-1]:
        axes.plot([angle, angle], [1, 5], color=FAINT, lw=0.6)
    styles = ((MUTED, "-"), (ACCENT, "-"), (SECOND, (0, (2, 2))))
    for (label, means), (colour, dash) in zip(profiles.items(), styles, strict=False):
        closed = np.append(means, means[0])
        first = colour == MUTED
        axes.plot(angles, closed, color=colour, lw=1.4 if first else 2, ls=dash, label=label)
        if first:
            axes.fill(angles, closed, color=colour, alpha=0.22, lw=0)
    axes.set_ylim(0.6, 5)
    axes.set_xticks(angles[:-1], list(TRAITS))
    axes.tick_params(labelcolor=INK, labelsize=TEXT_SIZE, pad=0)
    axes.set_yticks([])
    axes.grid(False)
    axes.spines["polar"].set_visible(False)
    described = "; ".join(
        f"{label} {' '.join(f'{t} {m:.1f}' for t, m in zip(TRAITS, means, strict=True))}"
        for label, means in profiles.items()
    )
    return inline_svg(figure, name, f"Trait means 1-5: {described}")


def _at(curve: AlphaCurve) -> float:
    """The error at the chosen alpha."""
    return float(np.interp(curve.chosen, curve.alphas, curve.errors))
