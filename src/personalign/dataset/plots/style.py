"""What every figure shares: colours, bare axes, a title with n below it, SVG and PNG files.

Figures are matplotlib objects made without pyplot, so they need no screen, hold no global state and
may be drawn in any thread. The same data gives the same SVG, byte for byte. Nothing is told by
colour alone: lightness, marks and words say the same in print.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from personalign.dataset.files import replacing
from personalign.errors import PeopleError

TRAIT_COLOURS: dict[str, str] = {
    "O": "#7b5aa6",
    "C": "#2f72b8",
    "E": "#cf7f14",
    "A": "#2f9567",
    "N": "#cc4758",
}
"""One colour a trait, told apart in print and by colour-blind readers beside their labels."""

INK, MUTED, FAINT = "#2b2f36", "#5c636d", "#9aa1ab"
"""Of lines and words that matter, of words that explain, of grids."""

ALL, CHOSEN = "#b9c0ca", "#c2410c"
"""Of everybody, and of the chosen few laid over them: a light and a dark one, also in grey."""


def framed(width: float, height: float, title: str, caption: str) -> Figure:
    """An empty figure of this many inches with a bold title and a grey caption on top.

    The caption is where n stands. Axes go below 1 - 0.75 / height of the figure; `below` says so.
    """
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.text(0.02, 1 - 0.12 / height, title, va="top", size=13, color=INK, weight="bold")
    figure.text(0.02, 1 - 0.42 / height, caption, va="top", size=9, color=MUTED)
    return figure


def below(figure: Figure) -> float:
    """Where the room for axes ends, under the caption of `framed`; a share of the height."""
    return 1 - 0.85 / float(figure.get_figheight())


def bare(axes: Axes, *, grid: str | None = None) -> None:
    """Take away the box and ticks; `grid` "x" or "y" draws faint lines across that axis."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    axes.set_axisbelow(True)
    if grid == "x":
        axes.grid(axis="x", color=FAINT, lw=0.5, alpha=0.5)
    elif grid == "y":
        axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.5)


def people_count(n: int) -> str:
    """ "1 person", "307,313 people".

    >>> people_count(307313)
    '307,313 people'
    """
    return "1 person" if n == 1 else f"{n:,} people"


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as .svg or .png, by the ending; PeopleError for another ending."""
    target = Path(path)
    known_figure_ending(target)
    with replacing(target) as temporary:
        if target.suffix == ".svg":
            temporary.write_text(figure_svg(figure), encoding="utf-8")
        else:
            figure.savefig(temporary, dpi=150)


def known_figure_ending(path: Path) -> None:
    """Refuse a figure's file name early, before anything is computed; PeopleError."""
    if path.suffix not in (".svg", ".png"):
        raise PeopleError(
            f"A figure cannot be written as {path.name!r}; its name ends in .svg or .png."
        )


def figure_svg(figure: Figure) -> str:
    """The figure as SVG text, the same for the same figure."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "personalign", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
