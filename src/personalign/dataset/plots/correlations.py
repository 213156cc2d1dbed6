"""Correlations between traits as a heat map whose cells say their numbers."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from personalign.dataset.describe import Description
from personalign.dataset.plots.style import INK, bare, below, framed, people_count
from personalign.inventory.keys import TRAITS

# Both ends are equally dark in grey, so the sign stands in every cell.
_COLOURS = LinearSegmentedColormap.from_list("correlations", ["#8f3b3b", "#ffffff", "#2c5f8a"])


def correlation_heat_map(people: Description) -> Figure:
    """The five traits' correlations; blue and + are positive, red and - negative."""
    complete = int((~np.isnan(people.scores).any(axis=1)).sum())
    caption = f"{people_count(complete)}; r between trait scores"
    figure = framed(6, 4.6, "Correlations between traits", caption)
    axes = figure.add_axes((0.27, 0.03, 0.7, below(figure) - 0.1))
    values = people.correlations
    axes.imshow(values, cmap=_COLOURS, vmin=-1, vmax=1, aspect="auto")
    for row in range(len(TRAITS)):
        for place in range(len(TRAITS)):
            r = values[row, place]
            text = "-" if np.isnan(r) else "1" if row == place else f"{r:+.2f}".replace("-", "−")
            axes.text(
                place, row, text, ha="center", va="center", size=11,
                color="white" if abs(r) > 0.55 else INK,
            )  # fmt: skip
    names = list(TRAITS.values())
    bare(axes)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(names)), list(TRAITS))
    axes.set_yticks(range(len(names)), [f"{n} {c}" for c, n in TRAITS.items()])
    edges = np.arange(len(names) + 1) - 0.5
    axes.hlines(edges, -0.5, len(names) - 0.5, color="white", lw=2)
    axes.vlines(edges, -0.5, len(names) - 0.5, color="white", lw=2)
    return figure
