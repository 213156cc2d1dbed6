"""Figures of people: n in every caption, what is drawn is what is known, no text on another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from personalign.dataset.describe import describe, trait_scores
from personalign.dataset.people import Respondents, demographics_table
from personalign.dataset.plots import (
    age_pyramid,
    cluster_map,
    correlation_heat_map,
    country_bars,
    figure_svg,
    person_among_people,
    person_radar,
    radar_sheet,
    trait_histograms,
    write_figure,
)
from personalign.dataset.plots.traits import histogram
from personalign.dataset.select import select_representatives
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError

PEOPLE = simulate(1234, seed=6)
WHOLE = describe(PEOPLE)
CHOSEN = describe(PEOPLE.select(slice(0, 50)))
MAKERS: dict[str, Callable[[], Figure]] = {
    "traits": lambda: trait_histograms(WHOLE),
    "traits of two": lambda: trait_histograms(WHOLE, CHOSEN),
    "pyramid": lambda: age_pyramid(PEOPLE),
    "countries": lambda: country_bars(WHOLE),
    "correlations": lambda: correlation_heat_map(WHOLE),
    "clusters": lambda: cluster_map(PEOPLE, select_representatives(PEOPLE, 20)),
    "person": lambda: person_radar(np.full(30, 3.5), WHOLE, name="Person 7"),
    "standing": lambda: person_among_people(np.full(5, 3.5), WHOLE, name="Person 7"),
    "sheet": lambda: radar_sheet(PEOPLE),
}


def _texts(figure: Figure) -> list[Text]:
    """What is written on the figure; labels of ticks beyond an axis are made but never drawn."""
    beyond = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    found = figure.findobj(Text)
    shown = [text for text in found if isinstance(text, Text) and id(text) not in beyond]
    return [text for text in shown if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", MAKERS)
def test_the_number_of_people_is_said(name: str) -> None:
    assert any("1,234" in text.get_text() for text in _texts(MAKERS[name]()))


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "person"])
def test_no_text_lies_on_another_or_outside(name: str) -> None:
    figure = MAKERS[name]()
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in _texts(figure)]
    boxes = [(words, box) for words, box in boxes if box.width > 0]
    width, height = figure.canvas.get_width_height()
    for place, (words, box) in enumerate(boxes):
        assert box.x0 >= -1, words
        assert box.y0 >= -1, words
        assert box.x1 <= width + 1, words
        assert box.y1 <= height + 1, words
        for others, other in boxes[place + 1 :]:
            apart = (
                box.x1 <= other.x0 + 1
                or other.x1 <= box.x0 + 1
                or box.y1 <= other.y0 + 1
                or other.y1 <= box.y0 + 1
            )
            assert apart, (words, others)


@pytest.mark.parametrize("name", ["traits of two", "clusters", "sheet"])
def test_the_same_data_gives_the_same_svg(name: str) -> None:
    assert figure_svg(MAKERS[name]()) == figure_svg(MAKERS[name]())


def test_png_and_svg_are_written(tmp_path: Path) -> None:
    write_figure(MAKERS["pyramid"](), tmp_path / "p.png")
    write_figure(MAKERS["pyramid"](), tmp_path / "p.svg")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "p.svg").read_text(encoding="utf-8")


def test_a_histogram_counts_everybody_once() -> None:
    scores = np.array([1.0, 3.3, 3.3 - 1e-13, 5.0, np.nan])
    shares = histogram(scores, np.linspace(1, 5, 41))
    assert shares.sum() == 1
    assert shares[0] == shares[-1] == 0.25
    assert shares[23] == 0.5


def test_the_pyramid_has_a_bar_a_band_and_sex() -> None:
    table = demographics_table(["female", "female", "male", None], [21, 24, 30, 40], [None] * 4)
    people = Respondents(PEOPLE.responses[:4], tuple("abcd"), table)
    figure = age_pyramid(people)
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert sorted(w for w in widths if w) == [-2, 1]
    assert any("3 people" in text.get_text() for text in figure.texts)


def test_everybody_is_in_the_country_bars() -> None:
    names = [f"Country {place % 30}" for place in range(300)]
    table = demographics_table([None] * 300, [None] * 300, names)
    figure = country_bars(describe(Respondents(PEOPLE.responses[:300], PEOPLE.ids[:300], table)))
    (axes,) = figure.axes
    assert sum(bar.get_width() for bar in axes.patches) == 300  # type: ignore[attr-defined]
    assert "15 more" in [label.get_text() for label in axes.get_yticklabels()]


def test_chosen_people_stand_where_their_answers_put_them() -> None:
    selection = select_representatives(PEOPLE, 20)
    (axes,) = cluster_map(PEOPLE, selection).axes
    people, chosen, centres = (
        np.asarray(drawn.get_offsets())
        for drawn in axes.collections
        if isinstance(drawn, PathCollection)
    )
    assert len(people) == len(PEOPLE)
    assert chosen == pytest.approx(people[selection.parts[0]], abs=1e-5)
    assert len(centres) == 20


def test_a_sheet_has_sixty_people_and_the_last_the_others() -> None:
    people = PEOPLE.select(slice(0, 130))

    def pentagons(sheet: int) -> int:
        (axes,) = radar_sheet(people, sheet=sheet).axes
        rims = [drawn for drawn in axes.collections if isinstance(drawn, PolyCollection)]
        return len(rims[0].get_paths())

    assert [pentagons(1), pentagons(2), pentagons(3)] == [60, 60, 10]
    for sheet in (0, 4):
        with pytest.raises(PeopleError, match=f"no sheet {sheet}: 130 people fill 3"):
            radar_sheet(people, sheet=sheet)


def test_people_without_answers_are_drawn_with_gaps() -> None:
    responses = PEOPLE.responses[:3].copy()
    responses[1] = 0
    people = Respondents(responses, tuple("abc"))
    figure_svg(radar_sheet(people))
    figure_svg(person_among_people(trait_scores(people)[1], describe(people)))
    figure_svg(trait_histograms(describe(people)))


def test_figures_of_what_nobody_told_are_refused() -> None:
    people = Respondents(PEOPLE.responses[:5], tuple("abcde"))
    with pytest.raises(PeopleError, match="sex and age are known"):
        age_pyramid(people)
    with pytest.raises(PeopleError, match="country is known"):
        country_bars(describe(people))
    with pytest.raises(PeopleError, match="5 trait means"):
        person_among_people(np.ones(4), WHOLE)
