"""Sex by age as a pyramid; countries as bars."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from personalign.dataset.describe import Description, column
from personalign.dataset.people import Respondents
from personalign.dataset.plots.style import INK, MUTED, bare, below, framed, people_count
from personalign.errors import PeopleError

_WIDTH = 5  # years a bar of the pyramid
_SEXES = (("female", "#8a5a83"), ("male", "#7fb0c9"))  # one dark, one light, also in grey


def age_pyramid(people: Respondents) -> Figure:
    """Women to the left, men to the right, by five years of age.

    Raises PeopleError where nobody's sex and age are both known.
    """
    sex, age = column(people, "sex").to_list(), column(people, "age").to_list()
    ages = {
        name: np.array([a for s, a in zip(sex, age, strict=True) if s == name and a is not None])
        for name, _ in _SEXES
    }
    known = sum(len(values) for values in ages.values())
    if not known:
        raise PeopleError(
            "A pyramid needs people whose sex and age are known, and there is nobody here; choose "
            "another figure, or a file with both."
        )
    bands = {name: np.bincount((v // _WIDTH).astype(np.int64)) for name, v in ages.items()}
    first = min(int(np.flatnonzero(counts)[0]) for counts in bands.values() if counts.any())
    last = max(len(counts) for counts in bands.values())
    caption = f"{people_count(known)} whose sex and age are known"
    if len(people) > known:
        caption += f", of {len(people):,}"
    figure = framed(6, 4.4, "Sex by age", caption)
    axes = figure.add_axes((0.11, 0.09, 0.86, below(figure) - 0.15))
    places = np.arange(first, last) * _WIDTH
    widest = max(int(counts.max(initial=0)) for counts in bands.values())
    for side, (name, colour) in zip((-1, 1), _SEXES, strict=True):
        counts = np.zeros(last, dtype=np.int64)
        counts[: len(bands[name])] = bands[name]
        axes.barh(places, side * counts[first:], height=0.86 * _WIDTH, align="edge", color=colour)
        total = int(counts.sum())
        share = f"{total:,} {name} ({100 * total / known:.0f}%)"
        axes.text(
            0.5 + side * 0.02, 1.02, share, transform=axes.transAxes,
            ha="right" if side < 0 else "left", size=10, color=INK, weight="bold",
        )  # fmt: skip
    axes.set_xlim(-1.08 * widest, 1.08 * widest)
    axes.axvline(0, color="white", lw=1.5)
    bare(axes, grid="x")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter(lambda count, _: f"{abs(count):,.0f}")
    axes.set_yticks(places[:: 1 if len(places) <= 12 else 2])
    axes.set_ylabel("age", size=9, color=MUTED)
    return figure


def country_bars(people: Description, *, most: int = 15) -> Figure:
    """The most frequent countries, with counts and shares; the others together.

    Raises PeopleError where nobody's country is known.
    """
    counts = dict(people.countries)
    unknown = counts.pop("unknown", 0)
    known = sum(counts.values())
    if not known:
        raise PeopleError(
            "Bars of countries need people whose country is known, and there is nobody here; "
            "choose another figure, or a file with countries."
        )
    shown = dict(list(counts.items())[:most])
    others = len(counts) - len(shown)
    if others:
        rest = known - sum(shown.values())
        shown[f"{others} more" if others > 1 else "1 more"] = rest
    caption = f"{people_count(known)} whose country is known"
    if unknown:
        caption += f", of {known + unknown:,}"
    figure = framed(6, 1.1 + 0.3 * len(shown), "Countries", caption)
    axes = figure.add_axes((0.24, 0.02, 0.54, below(figure) - 0.02))
    places = np.arange(len(shown))[::-1]
    values = list(shown.values())
    axes.barh(places, values, height=0.72, color=["#4a6fa5"] * (len(shown) - bool(others))
              + ["#b9c0ca"] * bool(others))  # fmt: skip
    for place, count in zip(places, values, strict=True):
        axes.text(
            count + 0.01 * max(values), place, f"{count:,}  ({100 * count / known:.1f}%)",
            va="center", size=9, color=INK,
        )  # fmt: skip
    bare(axes)
    axes.set_yticks(places, [_short(name) for name in shown])
    axes.set_xticks([])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"
