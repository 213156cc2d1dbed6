"""Sixty people's five traits on one sheet: the paper's Figures 26 to 30."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from personalign.dataset.describe import trait_scores
from personalign.dataset.people import Respondents
from personalign.dataset.plots.style import FAINT, INK, MUTED, framed, people_count
from personalign.errors import PeopleError
from personalign.inventory.keys import TRAITS

PER_SHEET = 60
"""People on a sheet: 10 rows of 6."""

_COLUMNS = 6
_CELL, _RADIUS = 1.7, 0.6  # inches


def radar_sheet(people: Respondents, *, sheet: int = 1) -> Figure:
    """The `sheet`-th 60 people, each a pentagon of trait means: the centre is 1, the rim 5.

    Raises PeopleError for a sheet beyond the last.
    """
    sheets = max(-(-len(people) // PER_SHEET), 1)
    if not 1 <= sheet <= sheets or not len(people):
        raise PeopleError(
            f"There is no sheet {sheet}: {len(people):,} people fill {sheets if len(people) else 0}"
            f" of {PER_SHEET} each, counted from 1. Ask for one of those."
        )
    first = (sheet - 1) * PER_SHEET
    shown = people.select(slice(first, first + PER_SHEET))
    scores = trait_scores(shown)
    rows = -(-len(shown) // _COLUMNS)
    row_height = 2 * _RADIUS + 0.45
    height = 1.0 + rows * row_height
    span = f"{first + 1} to {first + len(shown)}" if len(shown) > 1 else f"{first + 1}"
    width = _COLUMNS * _CELL + 0.6
    figure = framed(
        width,
        height,
        f"Traits of people {span}",
        f"{people_count(len(shown))} of {len(people):,}. Centre 1, rim 5, dashed ring 3. "
        + ", ".join(f"{code} {name}" for code, name in TRAITS.items()),
    )
    # One pair of axes in inches: sixty polar ones take ten times as long.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    places = np.arange(len(shown))
    centres = np.stack(
        [
            0.3 + (places % _COLUMNS + 0.5) * _CELL,
            height - 0.95 - (places // _COLUMNS) * row_height - 0.32 - _RADIUS,
        ],
        axis=1,
    )
    _draw(axes, centres, scores, shown.ids)
    return figure


def _draw(
    axes: Axes, centres: NDArray[np.float64], scores: NDArray[np.float64], names: tuple[str, ...]
) -> None:
    angles = 2 * np.pi * np.arange(len(TRAITS)) / len(TRAITS)
    spokes = np.stack([np.sin(angles), np.cos(angles)], axis=1)  # (traits, x and y), clockwise
    rim = centres[:, None] + _RADIUS * spokes
    lengths = _RADIUS * (scores - 1) / 4  # (people, traits)
    corners = centres[:, None] + lengths[..., None] * spokes
    whole = ~np.isnan(scores).any(axis=1)
    axes.add_collection(PolyCollection(list(rim), facecolors="none", edgecolors=FAINT, lw=0.8))
    lines = np.stack([np.broadcast_to(centres[:, None], rim.shape), rim], axis=2)
    axes.add_collection(LineCollection(list(lines.reshape(-1, 2, 2)), colors=FAINT, lw=0.4))
    axes.add_collection(
        PolyCollection(list(corners[whole]), facecolors=(*to_rgb(INK), 0.22), edgecolors=INK, lw=1)
    )
    axes.scatter(corners[..., 0], corners[..., 1], s=5, color=INK, zorder=3)
    middle = centres[:, None] + _RADIUS / 2 * spokes
    axes.add_collection(
        PolyCollection(list(middle), facecolors="none", edgecolors=MUTED, lw=0.6, ls="--", zorder=4)
    )
    for centre, name in zip(centres, names, strict=True):
        for spoke, letter in zip(spokes, TRAITS, strict=True):
            x, y = centre + (_RADIUS + 0.09) * spoke
            axes.text(x, y, letter, ha="center", va="center", size=7, color=MUTED)
        label = name if len(name) <= 18 else name[:17] + "…"
        axes.text(centre[0], centre[1] + _RADIUS + 0.21, label, ha="center", size=8, color=INK)
