"""k-means on the first two principal components: the paper's Figure 3."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from personalign.dataset.people import Respondents
from personalign.dataset.plots.style import ALL, INK, MUTED, bare, below, framed, people_count
from personalign.dataset.select import Selection, standardised_items

DRAWN = 20_000
"""People drawn as dots at most; a random part of more, and every chosen one."""

_GOLD, _RED = "#f2b705", "#b3202c"  # the paper's colours: one light, one dark in grey


def cluster_map(people: Respondents, selection: Selection, *, among: int | None = None) -> Figure:
    """People as dots, centroids as red crosses, the chosen as gold diamonds joined to them.

    Arguments:
        people: those the selection was made from.
        among: how many people these were drawn from, where they are only a part; for the caption.
    """
    features = standardised_items(people, selection.features)
    axis, shares = _principal_components(features)
    dots = features @ axis
    centres = selection.centroids @ axis
    chosen = selection.parts[0]
    rows = np.arange(len(people))
    if len(rows) > DRAWN:
        rows = np.sort(np.random.default_rng(0).choice(len(people), DRAWN, replace=False))
    caption = (
        f"{people_count(len(people))}, {selection.items} items, "
        f"two components: {100 * shares.sum():.0f}% of the variance"
    )
    if len(rows) < len(people):
        caption += f"; {len(rows):,} drawn"
    if among is not None and among > len(people):
        caption += f"; drawn at random from {among:,}"
    figure = framed(8, 7.2, f"k-means, {selection.k} clusters", caption)
    axes = figure.add_axes((0.08, 0.075, 0.89, below(figure) - 0.13))
    size = float(np.clip(12_000 / len(rows), 1.5, 22))
    axes.scatter(
        dots[rows, 0], dots[rows, 1], s=size, color=ALL, lw=0, label="people", rasterized=True
    )
    joins = np.stack([centres, dots[chosen]], axis=1)  # (k, the two ends, components)
    axes.plot(joins[:, :, 0].T, joins[:, :, 1].T, color=MUTED, lw=0.5, zorder=3)
    mark = 16 if selection.k > 100 else 30
    axes.scatter(
        dots[chosen, 0],
        dots[chosen, 1],
        s=mark,
        marker="D",
        color=_GOLD,
        edgecolors=INK,
        linewidths=0.5,
        label="nearest person, chosen",
        zorder=4,
    )
    axes.scatter(
        centres[:, 0],
        centres[:, 1],
        s=1.2 * mark,
        marker="x",
        color=_RED,
        linewidths=1.1,
        label="centroid",
        zorder=5,
    )
    bare(axes)
    axes.grid(color=ALL, lw=0.4, alpha=0.6)
    axes.set_xlabel(f"component 1 ({100 * shares[0]:.0f}% of the variance)", size=9, color=MUTED)
    axes.set_ylabel(f"component 2 ({100 * shares[1]:.0f}% of the variance)", size=9, color=MUTED)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0.07, below(figure)),
        ncols=3, frameon=False, fontsize=9, labelcolor=INK, markerscale=1.4, columnspacing=1.5,
    )  # fmt: skip
    return figure


def _principal_components(
    features: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(features, 2) the first two directions, and each one's share of the variance.

    A direction points to where its largest weight is positive, so that the picture never flips.
    """
    values, vectors = np.linalg.eigh((features.T @ features).astype(np.float64))
    axis = vectors[:, [-1, -2]] if len(values) > 1 else np.repeat(vectors, 2, axis=1)
    axis = axis * np.sign(axis[np.abs(axis).argmax(axis=0), [0, 1]])
    shares = values[[-1, -2]] if len(values) > 1 else values[[0, 0]]
    return axis.astype(np.float32), shares / max(values.sum(), 1e-12)
