"""Wins, ties and losses as stacked bars with intervals: the paper's Figures 6 and 8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from personalign.bench import svg
from personalign.dataset.plots import style
from personalign.evaluation.contest import Shares
from personalign.evaluation.statistics import Interval

WIDE = 5.2
"""Width in inches, as of the report's other figures over a whole column."""

ROOM = 0.1
"""Smallest share of a bar its own percentage is written into."""


@dataclass(frozen=True)
class Bar:
    """One bar."""

    label: str
    """What stands left of it."""
    shares: Shares
    """What it shows."""


@dataclass(frozen=True)
class _Colours:
    won: str
    tied: str
    lost: str
    ink: str
    on_dark: str


_PAGE = _Colours(svg.ACCENT, svg.FAINT, svg.SECOND, svg.INK, svg.PAPER)
_PRINT = _Colours(style.CHOSEN, "#dfe2e7", "#2f72b8", style.INK, "white")


def outcomes_svg(bars: Sequence[Bar], name: str, *, axis: str) -> str:
    """The bars from top to bottom as an inline <svg>: won, tied and lost add up to 100%.

    A line with ends is the 95% interval: above a bar of the share won, read from the left; below it
    of the share lost, read from the right. name: letters and dashes, the figure's own. axis: what
    is counted.
    """
    figure = svg.new_figure(WIDE, 0.5 * len(bars) + 0.95)
    axes = figure.add_subplot()
    svg.plain_axes(axes, grid=None)
    _draw(axes, bars, axis, _PAGE, svg.TEXT_SIZE)
    listed = "; ".join(
        f"{bar.label}: won {bar.shares.win.mean:.0%}, tied {bar.shares.tie.mean:.0%}, lost "
        f"{bar.shares.loss.mean:.0%}"
        for bar in bars
    )
    return svg.inline_svg(figure, name, f"Share won, tied and lost. {listed}")


def outcomes_figure(bars: Sequence[Bar], title: str, caption: str, *, axis: str) -> Figure:
    """The same as a figure of its own, for a file."""
    height = 0.55 * len(bars) + 1.9
    figure = style.framed(7.6, height, title, caption)
    axes = figure.add_axes((0.27, 0.62 / height, 0.69, style.below(figure) - 0.85 / height))
    style.bare(axes)
    _draw(axes, bars, axis, _PRINT, 9.5)
    return figure


def share_text(interval: Interval) -> str:
    """ "38% (31–45%)", without brackets where there is no interval.

    >>> share_text(Interval(0.38, 0.312, 0.449, people=5))
    '38% (31–45%)'
    """
    if not np.isfinite(interval.low):
        return f"{interval.mean:.0%}"
    low, high = _within(interval.ends)
    return f"{interval.mean:.0%} ({100 * low:.0f}–{high:.0%})"


def _draw(axes: Axes, bars: Sequence[Bar], axis: str, colours: _Colours, size: float) -> None:
    for y, bar in enumerate(bars[::-1]):
        won, tied, lost = bar.shares.win.mean, bar.shares.tie.mean, bar.shares.loss.mean
        for left, width, colour, ink in (
            (0.0, won, colours.won, colours.on_dark),
            (won, tied, colours.tied, colours.ink),
            (won + tied, lost, colours.lost, colours.on_dark),
        ):
            axes.barh(y, width, left=left, height=0.5, color=colour, linewidth=0)
            if width >= ROOM:
                text = f"{width:.0%}"
                middle = left + width / 2
                axes.text(middle, y, text, ha="center", va="center", color=ink, size=size)
        _whisker(axes, y + 0.34, _within(bar.shares.win.ends), colours.won)
        low, high = _within(bar.shares.loss.ends)
        _whisker(axes, y - 0.34, (1 - high, 1 - low), colours.lost)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars[::-1]])
    axes.set_ylim(-0.55, len(bars) - 0.45)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.set_xlabel(axis, color=colours.ink)
    top = axes.get_xaxis_transform()
    axes.text(0.0, 1.01, "won", ha="left", color=colours.won, size=size, transform=top)
    axes.text(0.5, 1.01, "tied", ha="center", color=colours.ink, size=size, transform=top)
    axes.text(1.0, 1.01, "lost", ha="right", color=colours.lost, size=size, transform=top)


def _within(ends: tuple[float, float]) -> tuple[float, float]:
    """Ends of a share's interval, kept between 0 and 1; NaN stays."""
    low, high = np.clip(ends, 0.0, 1.0)
    return float(low), float(high)


def _whisker(axes: Axes, y: float, ends: tuple[float, float], colour: str) -> None:
    """A line with ends at this height; nothing where there is no interval."""
    if np.isfinite(ends).all():
        axes.plot(ends, (y, y), color=colour, lw=1.6, marker="|", ms=6, clip_on=False)
