"""The radar of thirty facets as points and paths of an SVG; the template draws them.

Facets go clockwise from the top, trait by trait; the band is one standard error each way.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

from personalign.inventory.keys import FACETS
from personalign.web.profile.axis import Mark, axis_of, mark_of
from personalign.web.profile.scores import Scores

SIZE, RADIUS, HOLE = 360, 138, 14
"""Width and height; where the axis ends, and where it begins, from the middle."""


@dataclass(frozen=True)
class Spoke:
    """One facet."""

    code: str
    trait: str
    """Lower-case letter: the class that colours it."""
    end: tuple[float, float]
    label: tuple[float, float]
    dot: tuple[float, float] | None
    """None where it has no score."""


@dataclass(frozen=True)
class Ring:
    """One value of the axis."""

    radius: float
    value: str
    middle: bool


@dataclass(frozen=True)
class Radar:
    """The whole picture."""

    size: int
    centre: float
    rings: tuple[Ring, ...]
    spokes: tuple[Spoke, ...]
    band: str
    """Path between one standard error below and above."""
    line: str
    """Path through the scores; broken where there is none."""


def radar_of(scores: Scores) -> Radar:
    """The picture of a profile."""
    axis = axis_of(scores.basis)
    marks = [mark_of(scores.scales[code], scores.basis) for code in FACETS]
    spokes = tuple(
        Spoke(
            code,
            code[0].lower(),
            _point(place, 1.0),
            _point(place, 1.09),
            None if mark is None else _point(place, mark.place),
        )
        for place, (code, mark) in enumerate(zip(FACETS, marks, strict=True))
    )
    rings = tuple(
        Ring(round(HOLE + (RADIUS - HOLE) * axis.share(tick), 1), f"{tick:g}", tick == axis.middle)
        for tick in axis.ticks
    )
    return Radar(SIZE, SIZE / 2, rings, spokes, _band(marks), _line(marks))


def _point(place: int, share: float) -> tuple[float, float]:
    """Where a share of the axis lies on a facet's spoke."""
    angle = 2 * pi * (place + 0.5) / len(FACETS)
    radius = HOLE + (RADIUS - HOLE) * share
    return round(SIZE / 2 + radius * sin(angle), 1), round(SIZE / 2 - radius * cos(angle), 1)


def _line(marks: list[Mark | None]) -> str:
    """From each score to the next one round the circle, where both are known."""
    steps = []
    for place, mark in enumerate(marks):
        following = marks[(place + 1) % len(marks)]
        if mark is not None and following is not None:
            ends = _point(place, mark.place), _point((place + 1) % len(marks), following.place)
            steps.append(f"M{_text(ends[0])}L{_text(ends[1])}")
    return "".join(steps)


def _band(marks: list[Mark | None]) -> str:
    """A strip from each facet to the next one."""
    strips = []
    for place, mark in enumerate(marks):
        after = (place + 1) % len(marks)
        following = marks[after]
        if mark is not None and following is not None:
            corners = (
                _point(place, mark.low),
                _point(after, following.low),
                _point(after, following.high),
                _point(place, mark.high),
            )
            strips.append("M" + "L".join(_text(corner) for corner in corners) + "Z")
    return "".join(strips)


def _text(point: tuple[float, float]) -> str:
    return f"{point[0]:g} {point[1]:g}"
