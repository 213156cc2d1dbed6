"""How the five traits are distributed: a histogram each."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from personalign.dataset.describe import Description
from personalign.dataset.plots.style import (
    INK,
    MUTED,
    TRAIT_COLOURS,
    bare,
    below,
    framed,
    people_count,
)

_FEW = 200  # people; below it, bars are twice as wide


def trait_histograms(people: Description, chosen: Description | None = None) -> Figure:
    """How each trait is distributed, with its mean and standard deviation.

    Arguments:
        people: everybody, as filled bars; their mean is the dashed line.
        chosen: some of them, laid over as a line; shares are drawn, so the sizes may differ.
    """
    caption = f"Share of {people_count(people.people)} by mean of keyed answers, 1 to 5"
    if chosen is not None:
        caption += f"; dark line: share of the {people_count(chosen.people)} chosen"
    figure = framed(11, 3.5, "Traits", caption)
    axes = figure.subplots(
        1,
        5,
        sharey=True,
        gridspec_kw={"left": 0.05, "right": 0.985, "top": below(figure) - 0.13, "bottom": 0.09},
    )
    fewest = min(people.people, chosen.people if chosen is not None else people.people)
    bins = np.linspace(1, 5, 21 if fewest < _FEW else 41)
    for place, (own, scale) in enumerate(zip(axes, people.traits, strict=True)):
        colour = TRAIT_COLOURS[scale.code]
        shares = 100 * histogram(people.scores[:, place], bins)
        own.stairs(shares, bins, fill=True, color=colour, alpha=0.55)
        own.axvline(scale.mean, color=INK, lw=1.2, ls="--")
        lines = [f"mean {scale.mean:.2f}, SD {scale.sd:.2f}"]
        if chosen is not None:
            own.stairs(100 * histogram(chosen.scores[:, place], bins), bins, color=INK, lw=1.2)
            other = chosen.traits[place]
            lines.append(f"chosen {other.mean:.2f}, SD {other.sd:.2f}")
        name_height = 18 + 11 * (len(lines) - 1)
        own.set_title(scale.name, size=10, color=INK, weight="bold", loc="left", pad=name_height)
        own.text(
            0, 1.03, "\n".join(lines), transform=own.transAxes, size=8, color=MUTED, va="bottom"
        )
        own.set_xlim(1, 5)
        own.set_xticks(range(1, 6))
        bare(own, grid="y")
        own.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        own.yaxis.set_major_formatter(lambda share, _: f"{share:.0f}%")
    return figure


def histogram(scores: NDArray[np.float64], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """(bins - 1,) share of the known scores from 1 to 5 in each of equally wide bins."""
    known = scores[~np.isnan(scores)]
    # A mean such as 3.3 may be a rounding error below its bin's edge.
    places = ((known - 1) / 4 * (len(bins) - 1) + 1e-6).astype(np.int64)
    counts = np.bincount(np.minimum(places, len(bins) - 2), minlength=len(bins) - 1)
    return counts / max(len(known), 1)
