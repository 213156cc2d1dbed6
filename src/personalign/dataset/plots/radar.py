"""A radar of 30 facets in five coloured sectors, or of the 5 traits; of one person or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke
from matplotlib.projections.polar import PolarAxes
from matplotlib.textpath import TextToPath
from numpy.typing import ArrayLike, NDArray

from personalign.dataset.plots.style import FAINT as _FAINT
from personalign.dataset.plots.style import INK as _INK
from personalign.dataset.plots.style import TRAIT_COLOURS
from personalign.errors import PeopleError
from personalign.inventory.keys import FACETS, TRAITS

LINE_COLOURS = ("#2b2f36", "#c2255c", "#1971c2", "#e8590c")
"""Colours of the profiles laid over each other, first to last."""

_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))  # told apart in grey too

_TITLE: dict[str, Any] = {"color": _INK, "weight": "bold"}
_LOW, _HIGH = 1.0, 5.0  # the answer scale
_CENTRE, _EDGE = 0.5, 5.5  # the circle's centre and rim on that scale
_SECTOR = 2 * np.pi / len(TRAITS)


def radar(
    profiles: ArrayLike | Mapping[str, ArrayLike], *, title: str | None = None, size: float = 8.0
) -> Figure:
    """Draw keyed means as a radar.

    Arguments:
        profiles: (30,) facet means or (5,) trait means, 1-5, in the order of `FACETS` or `TRAITS`,
            NaN where unknown; or several by name, laid over each other with a legend.
        title: a line above the picture.
        size: width and height, in inches.

    Returns the figure; see `write_figure` and `figure_svg` of the package.

    Raises PeopleError for another number of values, or none.
    """
    named = profiles if isinstance(profiles, Mapping) else {"": profiles}
    values = {name: np.asarray(profile, dtype=np.float64) for name, profile in named.items()}
    shapes = {profile.shape for profile in values.values()}
    if shapes not in ({(len(FACETS),)}, {(len(TRAITS),)}):
        raise PeopleError(
            f"A radar cannot be drawn of values of the shapes {sorted(shapes)}; every profile "
            f"needs {len(FACETS)} facet means or {len(TRAITS)} trait means."
        )
    per_trait = shapes.pop()[0] // len(TRAITS)  # 6 facets, or the trait itself
    share = 0.66 if per_trait > 1 else 0.84  # facet names need room around the circle
    figure = Figure(figsize=(size, size), facecolor="white")
    axes = figure.add_axes(((1 - share) / 2, 0.49 - share / 2, share, share), projection="polar")
    assert isinstance(axes, PolarAxes)
    _grid(axes, per_trait)
    points = size * 72 * share / 2 / (_EDGE - _CENTRE)  # points on paper per unit of the scale
    _labels(axes, per_trait, points)
    alone = len(values) == 1
    for place, (name, profile) in enumerate(values.items()):
        which = place % len(LINE_COLOURS)
        _profile(axes, profile, name, which, filled=alone)
    if title:
        figure.text(0.5, 0.98, title, ha="center", va="top", size=1.9 * size, **_TITLE)
    if not alone:
        figure.legend(
            loc="lower left",  # the corners are free, and facet names reach down in the middle
            frameon=False,
            fontsize=1.3 * size,
            labelcolor=_INK,
        )
    return figure


def _angles(count: int) -> NDArray[np.float64]:
    """Angle of each spoke, in radians; spokes stand in the middle of their share of the circle."""
    return 2 * np.pi * (np.arange(count) + 0.5) / count


def _grid(axes: PolarAxes, per_trait: int) -> None:
    """Pale sectors with a band of the trait's colour, rings at the five answers, spokes."""
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set_ylim(_CENTRE, _EDGE)
    axes.set_axis_off()
    around = np.linspace(0, 2 * np.pi, 361)
    for place, colour in enumerate(TRAIT_COLOURS.values()):
        start, end = place * _SECTOR, (place + 1) * _SECTOR
        arc = np.linspace(start, end, 121)
        axes.fill_between(arc, _CENTRE, _HIGH, color=colour, alpha=0.08, lw=0)
        axes.fill_between(arc, _HIGH + 0.08, _EDGE, color=colour, lw=0)
        axes.plot([start, start], [_CENTRE, _EDGE], color="white", lw=3, zorder=2.5)
    for ring in range(1, 6):
        middle = ring == 3
        width, dashes = (1.1, "--") if middle else (0.6, "-")
        level = np.full_like(around, ring)
        axes.plot(around, level, color=_FAINT, alpha=0.8, lw=width, ls=dashes)
    for angle in _angles(per_trait * len(TRAITS)):
        axes.plot([angle, angle], [_LOW, _HIGH], color=_FAINT, lw=0.5, alpha=0.5)
    for ring in range(1, 6):
        number = axes.text(
            0, ring, str(ring), size=8, color="#5c636d", ha="center", va="center", zorder=6
        )
        number.set_path_effects([withStroke(linewidth=3, foreground="white")])


def _labels(axes: PolarAxes, per_trait: int, points: float) -> None:
    """Trait names along their bands; facet names along their spokes, outside."""
    for place, name in enumerate(TRAITS.values()):
        _curved(axes, name, (place + 0.5) * _SECTOR, points)
    if per_trait == 1:
        return
    for angle, (code, name) in zip(_angles(len(FACETS)), FACETS.items(), strict=True):
        left = angle > np.pi
        axes.text(
            angle,
            _EDGE + 0.12,
            name,
            rotation=90 - np.degrees(angle) + (180 if left else 0),
            rotation_mode="anchor",
            ha="right" if left else "left",
            va="center",
            size=0.215 * points,
            color=TRAIT_COLOURS[code[0]],
        )


def _curved(axes: PolarAxes, text: str, centre: float, points: float) -> None:
    """Letters along the middle of the band, each turned; read from outside the lower half."""
    size = 0.27 * points
    radius = (_HIGH + 0.08 + _EDGE) / 2
    font = FontProperties(size=size, weight="bold")
    ends = [
        TextToPath().get_text_width_height_descent(text[:count], font, ismath=False)[0]
        for count in range(len(text) + 1)
    ]
    below = np.pi / 2 < centre < 3 * np.pi / 2
    for letter, start, end in zip(text, ends, ends[1:], strict=False):
        offset = 1.08 * ((start + end) / 2 - ends[-1] / 2) / points / (radius - _CENTRE)
        angle = centre - offset if below else centre + offset
        axes.text(
            angle,
            radius,
            letter,
            rotation=-np.degrees(angle) + (180 if below else 0),
            rotation_mode="anchor",
            ha="center",
            va="center_baseline",
            fontproperties=font,
            color="white",
        )


def _profile(
    axes: PolarAxes, profile: NDArray[np.float64], name: str, which: int, *, filled: bool
) -> None:
    """One closed line through the values, with gaps at NaN, and its area where it stands alone."""
    angles = _angles(len(profile))
    turn, back = np.append(angles, angles[0]), np.append(profile, profile[0])
    colour, dashes = LINE_COLOURS[which], _DASHES[which]
    axes.plot(turn, back, color=colour, lw=1.8, ls=dashes, label=name or None, zorder=4)
    traits = np.repeat(list(TRAITS), len(profile) // len(TRAITS))
    for place, (trait, own) in enumerate(TRAIT_COLOURS.items()):
        member = traits == trait
        axes.scatter(
            angles[member],
            profile[member],
            s=36,
            color=own if filled else colour,
            edgecolors="white",
            linewidths=1,
            zorder=5,
        )
        if filled:
            arc = np.linspace(place * _SECTOR, (place + 1) * _SECTOR, 301)
            area = _chord(arc, profile)
            axes.fill_between(arc, _CENTRE, area, where=~np.isnan(area), color=own, alpha=0.3, lw=0)


def _chord(theta: NDArray[np.float64], profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where straight edges between neighbouring spokes pass the angles `theta`.

    Between (r, 0) and (s, d) in polar coordinates: r s sin d / (r sin t + s sin(d - t)).
    """
    step = 2 * np.pi / len(profile)
    places = np.asarray(theta) / step - 0.5
    left = np.floor(places).astype(int)
    t = (places - left) * step
    r, s = (profile[(left + side) % len(profile)] - _CENTRE for side in (0, 1))
    return _CENTRE + r * s * np.sin(step) / (r * np.sin(t) + s * np.sin(step - t))
