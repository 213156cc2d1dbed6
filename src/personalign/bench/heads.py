"""How many heads, how far, whose: tables and figure of `evaluation/heads.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from rich.table import Table

from personalign.bench.summary import number
from personalign.bench.table import plain_table
from personalign.dataset.plots.style import INK, MUTED, bare, below, framed, people_count
from personalign.evaluation.heads import Agreement, ByHeads
from personalign.inventory.keys import TRAITS

FEW_TO_MANY = LinearSegmentedColormap.from_list("heads", ["#f0a35e", "#c2410c", "#4c1d0a"])
"""K, from few to many: darker is more."""

PALE_TO_DARK = LinearSegmentedColormap.from_list("map", ["#ffffff", "#9db7dd", "#1f4a8a"])


def heads_table(found: Sequence[ByHeads], method: str) -> Table:
    """One row a K: composite with everybody's own alpha, and at every fixed alpha."""
    people = people_count(found[0].own.people)
    shown = plain_table(f"{method} with K heads, {people}: composite")
    shown.add_column("K", justify="right")
    for heading in ("own alpha (95%)", "mean alpha", *(f"at {a:g}" for a in found[0].alphas)):
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        low, high = one.own.ci95
        shown.add_row(
            str(one.heads),
            f"{one.own.composite:.2f} ({low:.2f}-{high:.2f})",
            f"{one.own_alpha:.2f}",
            *(f"{composite:.2f}" for composite in one.composites),
        )
    return shown


def agreement_lines(agreement: Agreement) -> list[str]:
    """What the heads have in common, in sentences."""
    layers = agreement.chosen.sum(axis=1) / agreement.chosen.sum()
    listed = ", ".join(f"{layer} {share:.0%}" for layer, share in enumerate(layers) if share)
    off = ~np.eye(len(TRAITS), dtype=bool)
    return [
        f"Two people share {agreement.shared:.0%} of their {agreement.heads} heads; chance would "
        f"give {agreement.by_chance:.0%}.",
        f"Heads by layer: {listed}.",
        f"Which heads are accurate agrees between halves of one trait at r = "
        f"{np.nanmean(np.diag(agreement.traits)):.2f}, between two traits at "
        f"{np.nanmean(agreement.traits[off]):.2f}.",
    ]


def heads_json(found: Sequence[ByHeads], agreement: Agreement) -> dict[str, Any]:
    """Every number."""
    return {
        "by_heads": [
            {
                "heads": one.heads,
                "alphas": list(one.alphas),
                "composites": [number(value) for value in one.composites],
                "own_alpha_composite": number(one.own.composite),
                "own_alpha_ci95": [number(end) for end in one.own.ci95],
                "own_alpha": number(one.own_alpha),
            }
            for one in found
        ],
        "accuracy": [[number(value) for value in row] for row in agreement.accuracy.tolist()],
        "chosen": agreement.chosen.tolist(),
        "shared_between_people": number(agreement.shared),
        "shared_by_chance": number(agreement.by_chance),
        "between_traits": {
            trait: {other: number(agreement.traits[i, j]) for j, other in enumerate(TRAITS)}
            for i, trait in enumerate(TRAITS)
        },
    }


def heads_figure(
    found: Sequence[ByHeads], agreement: Agreement, *, model: str, method: str
) -> Figure:
    """Composite over alpha for every K; how often each head is chosen; traits against traits."""
    people = found[0].own.people
    figure = framed(
        13.0,
        4.9,
        f"How many heads, how far, and whose: {method} on {model}",
        f"{people_count(people)}. Left: everybody at the same alpha, on the held-out items, which "
        "chose nothing. Middle and right: PAS's probes on the tuning items.",
    )
    room = below(figure) - 0.19
    _curves(figure.add_axes((0.055, 0.14, 0.4, room)), found)
    _map(figure.add_axes((0.52, 0.14, 0.2, room)), agreement)
    _traits(figure.add_axes((0.78, 0.14, 0.2, room)), agreement)
    return figure


def _curves(axes: Axes, found: Sequence[ByHeads]) -> None:
    bare(axes, grid="y")
    lowest = min(min(one.composites) for one in found)
    start = max(one.composites[0] for one in found)
    bottom, top = lowest - 0.1, start + 0.3 * (start - lowest) + 0.1
    heights = _apart([one.composites[-1] for one in found], 0.05 * (top - bottom))
    for place, one in enumerate(found):
        colour = FEW_TO_MANY(place / max(len(found) - 1, 1))
        axes.plot(one.alphas, one.composites, "-", color=colour, lw=1.8)
        axes.plot(one.own_alpha, one.own.composite, "o", color=colour, ms=7, mec="white")
        axes.annotate(
            f"K = {one.heads}",
            (one.alphas[-1], heights[place]),
            (5, -3),
            textcoords="offset points",
            size=9,
            color=colour,
        )
    axes.set_ylim(bottom, top)
    axes.set_xlim(found[0].alphas[0], found[0].alphas[-1] * 1.12)
    axes.set_xlabel("alpha; dots: each person's own, at its mean", color=MUTED)
    axes.set_title("composite (lower is closer)", size=10, color=INK, loc="left")


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, moved up as little as keeps them `gap` apart, in their order from below.

    >>> _apart([1.0, 3.0, 1.1], 0.5)
    [1.0, 3.0, 1.5]
    """
    moved = list(heights)
    below = -np.inf
    for place in np.argsort(heights, kind="stable"):
        moved[place] = max(moved[place], below + gap)
        below = moved[place]
    return moved


def _map(axes: Axes, agreement: Agreement) -> None:
    bare(axes)
    share = agreement.chosen / agreement.people
    axes.imshow(share, cmap=PALE_TO_DARK, vmin=0, vmax=1, aspect="auto", origin="lower")
    layers, heads = share.shape
    if max(layers, heads) <= 12:
        for layer in range(layers):
            for head in range(heads):
                dark = share[layer, head] > 0.5
                axes.text(
                    head,
                    layer,
                    f"{share[layer, head]:.0%}",
                    ha="center",
                    va="center",
                    size=8.5,
                    color="white" if dark else INK,
                )
    axes.set_xlabel("head", color=MUTED)
    axes.set_ylabel("layer", color=MUTED)
    axes.set_title(f"how often among the {agreement.heads}", size=10, color=INK, loc="left")


def _traits(axes: Axes, agreement: Agreement) -> None:
    bare(axes)
    axes.imshow(agreement.traits, cmap=PALE_TO_DARK, vmin=0, vmax=1, aspect="auto")
    for i in range(len(TRAITS)):
        for j in range(len(TRAITS)):
            value = agreement.traits[i, j]
            axes.text(
                j,
                i,
                f"{value:.2f}",
                ha="center",
                va="center",
                size=8.5,
                color="white" if value > 0.5 else INK,
            )
    axes.set_xticks(range(5), list(TRAITS))
    axes.set_yticks(range(5), list(TRAITS))
    axes.set_title("heads' accuracies by trait, r", size=10, color=INK, loc="left")
