"""Inline figures take the page's colours and fonts, and nothing from outside."""

from __future__ import annotations

import re

from personalign.bench import svg
from personalign.bench.svg import inline_svg, new_figure, plain_axes


def drawn(name: str = "one") -> str:
    figure = new_figure(3, 2)
    axes = figure.add_subplot()
    plain_axes(axes)
    axes.plot([0, 1], [1, 2], color=svg.ACCENT, marker="o", markeredgecolor=svg.PAPER)
    axes.fill_between([0, 1], [1, 2], color=svg.MUTED)
    axes.set_title("5 < 6 & more", color=svg.INK)
    return inline_svg(figure, name, 'what it shows: "5 < 6"')


def test_colours_become_variables_of_the_page() -> None:
    text = drawn()
    for colour, variable in svg._VARIABLES.items():
        assert colour not in text
        if colour != svg.SECOND:
            assert f"var({variable})" in text
    assert "#ffffff" not in text


def test_text_stays_text_in_the_pages_font() -> None:
    text = drawn()
    assert "5 &lt; 6 &amp; more" in text
    assert "font-family" not in text and "DejaVu" not in text and "font-size: 11px" in text


def test_nothing_points_outside_the_page() -> None:
    text = drawn()
    assert "http" not in text and "<!DOCTYPE" not in text and "<?xml" not in text
    assert text.startswith("<svg ") and text.endswith("</svg>")


def test_ids_are_the_figures_own_and_every_reference_is_met() -> None:
    text = drawn("two")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) and all(name.startswith("two-") for name in ids)
    wanted = re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
    assert wanted and set(wanted) <= set(ids)


def test_the_same_figure_gives_the_same_text() -> None:
    assert drawn() == drawn()
    assert (
        drawn("two").replace("two", "one") != ""
        and "<title>what it shows: &quot;5 &lt; 6" in drawn()
    )
