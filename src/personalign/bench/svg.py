"""Matplotlib figures as inline SVG that follows the page: its fonts, and its light or dark colours.

A figure is drawn in stand-in colours, one for each role (`INK`, `ACCENT`, ...), which become CSS
variables of the page in the SVG text. Text stays text, so that it is sharp, small and can be found.
Nothing in the result points outside the page, and the same figure gives the same text.
"""

from __future__ import annotations

import html
import io
import re

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010101"
"""Text and what must be seen first."""
FAINT = "#020202"
"""Grid lines and frames."""
MUTED = "#030303"
"""Second-rank text and marks: the reference rows, the people's own answers."""
ACCENT = "#040404"
"""The method in the foreground."""
SECOND = "#050505"
"""What it is compared with."""
PAPER = "#060606"
"""The page itself, for marks that must cut out of something."""

_VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    MUTED: "--muted",
    ACCENT: "--accent",
    SECOND: "--second",
    PAPER: "--paper",
}

TEXT_SIZE = 11.0
"""Size of text in points at the figure's own size."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, without a background, drawn without a display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def plain_axes(axes: Axes, *, grid: str | None = "y") -> None:
    """Axes in the page's colours: no box, a faint grid along one axis, quiet ticks."""
    axes.patch.set_alpha(0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=TEXT_SIZE, length=0, pad=5)
    axes.xaxis.label.set(color=INK, size=TEXT_SIZE)
    axes.yaxis.label.set(color=INK, size=TEXT_SIZE)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis=grid, color=FAINT, linewidth=0.8)  # type: ignore[arg-type]


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element for an HTML page.

    Args:
        figure: drawn in the colours above; another colour stays as it is.
        name: letters and dashes, different for every figure of a page; all ids begin with it.
        description: what the figure shows, read out where it cannot be seen.
    """
    buffer = io.StringIO()
    quiet = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=quiet, transparent=False)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = text.replace("xlink:href", "href")
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text).groups()  # type: ignore[union-attr]
    body = text[text.index(">") + 1 :]
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r" ?font-family: [^;\"]*;?", "", body)  # the page chooses the font
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    body = re.sub(r"\n\s*", "\n", body)
    widest = round(float(width) * 4 / 3 * 1.2)  # points to CSS pixels, and a little larger
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" class="figure {name.split("-")[0]}" '
        f'style="max-width:{widest}px">\n<title>{html.escape(description)}</title>{body.strip()}'
    )
