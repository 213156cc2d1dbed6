"""The costs of methods as a figure: bars on logarithmic axes, each with how many times PAS it is.

As in the paper's Figures 5 and 17, but in seconds, tokens and bytes rather than multiples alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from personalign.bench.cost_table import (
    compared,
    count_text,
    times_text,
)
from personalign.bench.table import AGAINST, scaled_text, seconds_text
from personalign.dataset.plots.style import ALL, CHOSEN, INK, bare, below, framed, people_count
from personalign.evaluation.cost import MethodCost

PANELS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("seconds", "seconds, made and answered", seconds_text),
    ("forward_tokens", "tokens forward", count_text),
    ("backward_tokens", "tokens backward", count_text),
    ("peak_bytes", "peak memory, MiB", lambda value: scaled_text(value, 2**20)),
    ("stored_bytes", "stored, KiB", lambda value: scaled_text(value, 2**10)),
)
"""Quantity, heading, how its values are written."""


def cost_figure(costs: Sequence[MethodCost], *, model: str, against: str = AGAINST) -> Figure:
    """A panel a quantity, a bar a method; cheapest in wall time on top.

    model: its name, for the caption. against: the method whose multiples stand at the bars.
    """
    base = compared(costs, against)
    ordered = sorted(costs, key=lambda cost: cost.mean("seconds") or 0.0, reverse=True)
    height = 1.5 + 0.34 * len(ordered)
    figure = framed(
        13.0,
        height,
        "What one more person costs",
        f"Mean of {people_count(len(base.people))} on {model}, made one at a time. At the bars: "
        f"the value, and how many times {against} it is. Logarithmic axes.",
    )
    left, gap, top = 0.125, 0.018, below(figure) - 0.3 / height
    panels = [panel for panel in PANELS if any(cost.mean(panel[0]) for cost in costs)]
    width = (0.985 - left - gap * (len(panels) - 1)) / len(panels)
    for place, (quantity, heading, written) in enumerate(panels):
        axes = figure.add_axes(
            (left + place * (width + gap), 0.25 / height, width, top - 0.25 / height)
        )
        bare(axes)
        axes.set_title(heading, size=10, color=INK, loc="left")
        values = [cost.mean(quantity) for cost in ordered]
        there = [value for value in values if value]
        low, high = (min(there) / 3, max(there)) if there else (1.0, 10.0)
        for y, (cost, value) in enumerate(zip(ordered, values, strict=True)):
            if value:
                axes.barh(
                    y, value - low, left=low, color=CHOSEN if cost is base else ALL, height=0.66
                )
            ratio = cost.ratio(quantity, base)
            times = "" if not value or ratio is None or cost is base else f" · {times_text(ratio)}×"
            label = "–" if value is None else written(value) if value else "0"
            axes.annotate(
                label + times,
                (value or low, y),
                (4, 0),
                textcoords="offset points",
                va="center",
                size=8.5,
                color=INK,
            )
        axes.set_xscale("log")
        span = high / low
        axes.set_xlim(low, high * span**0.75)  # room for the words beside the longest bar
        axes.set_xticks([])
        axes.minorticks_off()
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.set_yticks(range(len(ordered)), [c.name for c in ordered] if place == 0 else [])
    return figure
