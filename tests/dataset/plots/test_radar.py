"""Radars: drawn for facets and traits, with gaps, the same each time; refused when malformed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from personalign.dataset.plots import TRAIT_COLOURS, figure_svg, radar, write_figure
from personalign.dataset.plots.radar import _chord
from personalign.errors import PeopleError
from personalign.inventory.keys import FACETS, TRAITS

FACET_MEANS = np.linspace(1, 5, 30)


def _texts(figure: object) -> list[str]:
    (axes,) = figure.axes  # type: ignore[attr-defined]
    return [text.get_text() for text in axes.texts]


def test_every_facet_is_named_and_every_trait_coloured() -> None:
    texts = _texts(radar(FACET_MEANS))
    assert set(FACETS.values()) <= set(texts)
    assert list(TRAIT_COLOURS) == list(TRAITS)
    assert "Imagination" not in _texts(radar(np.full(5, 3.0)))


def test_values_stand_on_their_spokes() -> None:
    (axes,) = radar(FACET_MEANS).axes
    dots = [drawn for drawn in axes.collections if isinstance(drawn, PathCollection)]
    points = np.concatenate([np.asarray(drawn.get_offsets()) for drawn in dots])
    assert points[:, 1] == pytest.approx(FACET_MEANS)
    assert points[:, 0] == pytest.approx(2 * np.pi * (np.arange(30) + 0.5) / 30)


def test_edges_between_spokes_are_straight() -> None:
    profile = np.array([2.0, 4.0, 3.0, 5.0, 1.0])
    spokes = 2 * np.pi * (np.arange(5) + 0.5) / 5
    assert _chord(spokes, profile) == pytest.approx(profile)
    between = np.linspace(spokes[0], spokes[1], 9)
    radius = _chord(between, profile) - 0.5
    points = np.stack([radius * np.cos(between), radius * np.sin(between)], axis=1)
    along = (points - points[0]) @ [[0, 1], [-1, 0]] @ (points[-1] - points[0])
    assert along == pytest.approx(0, abs=1e-9)


def test_svg_is_well_formed_and_the_same_each_time(tmp_path: Path) -> None:
    means = FACET_MEANS.copy()
    means[4] = np.nan
    first, second = (figure_svg(radar(means, title="Me & <you>")) for _ in range(2))
    assert first == second
    assert ElementTree.fromstring(first).tag.endswith("svg")
    write_figure(radar(means, title="Me & <you>"), tmp_path / "radar.svg")
    assert (tmp_path / "radar.svg").read_text(encoding="utf-8") == first


def test_png_of_several_profiles(tmp_path: Path) -> None:
    figure = radar({"person": np.full(5, 2.0), "model": np.full(5, 4.0)}, size=4)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["person", "model"]
    write_figure(figure, tmp_path / "radar.png")
    assert (tmp_path / "radar.png").read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["radar.png"]


@pytest.mark.parametrize(
    "profiles", [np.ones(29), {}, {"a": np.ones(30), "b": np.ones(5)}, np.ones((2, 30))]
)
def test_profiles_that_cannot_be_drawn(profiles: object) -> None:
    with pytest.raises(PeopleError, match="A radar cannot be drawn"):
        radar(profiles)  # type: ignore[arg-type]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PeopleError, match=r"'radar\.pdf'"):
        write_figure(radar(FACET_MEANS), tmp_path / "radar.pdf")
    assert list(tmp_path.iterdir()) == []
