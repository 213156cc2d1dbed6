"""The profile as a picture (PNG) and as a document (PDF), drawn in memory and kept nowhere.

The first page is the picture: the radar, and a bar for each trait and facet. The pages after it say
the same in words. Drawing takes most of a second of a core, so that it is done one at a time.
"""

from __future__ import annotations

import io
import threading
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from personalign.dataset.plots.style import FAINT, INK, MUTED, TRAIT_COLOURS
from personalign.inventory.keys import FACETS, TRAITS
from personalign.web.profile.axis import Axis, axis_of, mark_of
from personalign.web.profile.scores import Scale
from personalign.web.profile.words import Words

A4 = (8.27, 11.69)
"""Inches."""

_DRAWING = threading.Lock()
_LINE = 0.0165  # height of a line of text, a share of the page
_LINES = 54  # on a page
_SIZE = 9.5  # of letters, points
_WIDTH = 72 * (A4[0] - 1.5)  # of a line, points
_DOTS = 150  # an inch


def png(words: Words, title: str) -> bytes:
    """The picture as a PNG file."""
    with _DRAWING:
        buffer = io.BytesIO()
        picture(words, title).savefig(buffer, format="png", dpi=_DOTS, metadata={"Software": None})
        return buffer.getvalue()


def pdf(words: Words, title: str) -> bytes:
    """The picture and the words as a PDF file."""
    told = {"Title": title, "Creator": "Personalign", "Producer": None, "CreationDate": None}
    with _DRAWING, matplotlib.rc_context({"pdf.fonttype": 42}):
        buffer = io.BytesIO()
        with PdfPages(buffer, metadata=told) as pages:
            for figure in (picture(words, title), *text_pages(words, title)):
                pages.savefig(figure)
        return buffer.getvalue()


def picture(words: Words, title: str) -> Figure:
    """Radar and bars on one page."""
    figure = Figure(figsize=A4, facecolor="white")
    figure.text(0.07, 0.965, title, size=17, weight="bold", color=INK, va="top")
    for y, text in ((0.935, words.compared()), (0.572, words.axis())):
        lines = "\n".join(_broken(text, 9))
        figure.text(0.07, y, lines, size=9, color=MUTED, va="top", linespacing=1.4)
    _radar(figure, words)
    axes = figure.add_axes((0.30, 0.045, 0.45, 0.483))
    _bars(axes, words)
    return figure


def text_pages(words: Words, title: str) -> list[Figure]:
    """The words, on as many pages as they need; what belongs together stays on one."""
    blocks = [[(title, "title"), ("", "")]]
    for trait in words.scores.traits:
        block = [(words.name(trait.code), trait.code)]
        block += _wrapped(f"{words.sentence(trait)} {words.meaning(trait)}")
        for facet in words.scores.facets(trait.code):
            block += _wrapped(f"{words.name(facet.code)}: {words.sentence(facet)}", indent="   ")
        blocks.append([*block, ("", "")])
    for paragraph in (words.compared(), *words.careless(), *words.notes()):
        blocks.append([*_wrapped(paragraph), ("", "")])
    pages: list[list[tuple[str, str]]] = [[]]
    for block in blocks:
        if len(pages[-1]) + len(block) > _LINES:
            pages.append([])
        pages[-1] += block
    return [_text_page(lines) for lines in pages]


def _wrapped(text: str, indent: str = "") -> list[tuple[str, str]]:
    return [(indent + line, "") for line in _broken(text, _SIZE)]


def _broken(text: str, size: float) -> list[str]:
    """A text in lines of the page's width, by the width of its letters."""

    def width(of: str) -> float:
        return float(text_to_path.get_text_width_height_descent(of, font, ismath=False)[0])

    font = FontProperties(size=size)
    space = width("m m") - width("mm")
    lines: list[list[str]] = [[]]
    left = _WIDTH
    for word in text.split():
        needed = width(word) + space
        if needed > left and lines[-1]:
            lines.append([])
            left = _WIDTH
        lines[-1].append(word)
        left -= needed
    return [" ".join(line) for line in lines]


def _text_page(lines: list[tuple[str, str]]) -> Figure:
    figure = Figure(figsize=A4, facecolor="white")
    looks: dict[str, dict[str, Any]] = {
        "title": {"size": 15, "weight": "bold", "color": INK},
        "": {"size": _SIZE, "color": INK},
    }
    for trait, colour in TRAIT_COLOURS.items():
        looks[trait] = {"size": 11, "weight": "bold", "color": colour}
    for place, (line, kind) in enumerate(lines):
        figure.text(0.08, 0.95 - place * _LINE, line, va="top", **looks[kind])
    return figure


def _radar(figure: Figure, words: Words) -> None:
    axis, basis = axis_of(words.scores.basis), words.scores.basis
    axes = figure.add_axes((0.25, 0.575, 0.46, 0.325), projection="polar")
    axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
    axes.set_theta_direction(-1)  # type: ignore[attr-defined]
    axes.set_ylim(-0.1, 1.12)
    axes.set_axis_off()
    around = np.linspace(0, 2 * np.pi, 181)
    for tick in axis.ticks:
        middle = tick == axis.middle
        level = np.full_like(around, axis.share(tick))
        axes.plot(around, level, color=FAINT, lw=1.2 if middle else 0.5, ls="--" if middle else "-")
        axes.text(0, axis.share(tick), f"{tick:g}", size=7, color=MUTED, ha="center", va="center")
    angles = 2 * np.pi * (np.arange(len(FACETS)) + 0.5) / len(FACETS)
    marks = [mark_of(words.scores.scales[code], basis) for code in FACETS]
    values = np.array([(m.low, m.place, m.high) if m else (np.nan,) * 3 for m in marks])
    closed, turn = np.vstack([values, values[:1]]), np.append(angles, angles[0] + 2 * np.pi)
    axes.fill_between(turn, closed[:, 0], closed[:, 2], color=MUTED, alpha=0.18, lw=0)
    axes.plot(turn, closed[:, 1], color=INK, lw=1.2)
    for angle, code, value in zip(angles, FACETS, values, strict=True):
        colour = TRAIT_COLOURS[code[0]]
        axes.plot([angle], [value[1]], "o", color=colour, ms=5, mec="white", mew=0.7)
        axes.text(angle, 1.1, code, size=8, color=colour, weight="bold", ha="center", va="center")


def _bars(axes: Axes, words: Words) -> None:
    axis = axis_of(words.scores.basis)
    axes.set_xlim(0, 1)
    place = 0.0
    ends = "means" if words.scores.basis == "means" else "norms"
    axes.text(-0.03, 1.2, words.say("profile.table.scale"), size=8, color=MUTED, ha="right")
    axes.text(1.03, 1.2, words.say(f"profile.table.{ends}"), size=8, color=MUTED)
    if ends == "norms":
        axes.text(0.5, 1.2, words.say("profile.table.t"), size=8, color=MUTED, ha="center")
    for trait in words.scores.traits:
        place -= 0.55
        for scale in (trait, *words.scores.facets(trait.code)):
            place -= 1
            _bar(axes, words, scale, axis, place)
    for tick in axis.ticks:
        share = axis.share(tick)
        axes.plot([share, share], [place - 0.6, 0], color=FAINT, lw=0.5, zorder=0,
                  ls="--" if tick == axis.middle else "-")  # fmt: skip
        axes.text(share, 0.25, f"{tick:g}", size=7, color=MUTED, ha="center")
    axes.set_ylim(place - 0.8, 1.6)
    axes.set_axis_off()


def _bar(axes: Axes, words: Words, scale: Scale, axis: Axis, place: float) -> None:
    whole = scale.code in TRAITS
    colour, weight = TRAIT_COLOURS[scale.code[0]], "bold" if whole else "normal"
    label = words.name(scale.code) if whole else f"{scale.code} {words.name(scale.code)}"
    axes.text(-0.03, place, label, size=9, color=INK, weight=weight, ha="right", va="center")
    mark = mark_of(scale, words.scores.basis)
    if mark is not None:
        height = 0.62 if whole else 0.46
        axes.barh(place, mark.high - mark.low, height, mark.low, color=colour, alpha=0.35, lw=0)
        axes.plot([mark.place] * 2, [place - height / 2, place + height / 2], color=colour, lw=2.4)
    numbers = f"{words.number(scale)}  ({words.range(scale)})"
    axes.text(1.03, place, numbers, size=9, color=INK, weight=weight, va="center")
