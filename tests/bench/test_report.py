"""A report stands alone, holds every number of the table, and shows every person."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from personalign.bench.figures import error_limits, head_map_figure
from personalign.bench.report import (
    TextSample,
    describe_person,
    foreground,
    report_html,
    write_report,
)
from personalign.bench.rows import Evaluation
from personalign.bench.traces import AlphaCurve, HeadMap, alpha_curve, head_map

VOID = {"meta", "br", "path", "use", "circle", "rect", "link", "img", "hr", "line"}
SAMPLE = TextSample("sim3-0", "high openness", "Why <so>?", "As & is.", {"sketch": "Because."})


class Reader(HTMLParser):
    """Checks nesting, collects ids and the addresses a browser would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._read(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._read(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def _read(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href", "srcset", "data"):
                self.addresses.append(str(value))


@pytest.fixture(scope="module")
def html(evaluation: Evaluation) -> str:
    return report_html(evaluation, title="A & B", samples=[SAMPLE], caveats=["Simulated people."])


def test_it_is_one_sound_page_that_asks_for_nothing(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert all(address.startswith("#") for address in reader.addresses)
    assert "<image" not in html and "<img" not in html
    assert "http" not in html and "@import" not in html and "url(http" not in html
    assert "<script" not in html
    assert "prefers-color-scheme: dark" in html and 'name="viewport"' in html


def test_every_number_of_the_table_is_there(html: str, evaluation: Evaluation) -> None:
    body = re.search(r"<table>.*?</table>", html, flags=re.S)
    assert body is not None
    rows = re.findall(r"<tr class=.*?</tr>", body.group(), flags=re.S)
    assert len(rows) == len(evaluation.methods) + len(evaluation.references)
    for row in (*evaluation.methods, *evaluation.references):
        (text,) = [found for found in rows if f">{row.name}</th>" in found]
        for value in (row.score.composite, *row.score.traits.values()):
            assert f"<td>{value:.2f}</td>" in text or f'composite">{value:.2f}<' in text


def test_it_says_what_the_numbers_mean_and_what_they_do_not(html: str) -> None:
    for part in (
        "What the numbers mean",
        "Reference rows",
        "somebody else’s persona",
        "Simulated people.",
        "never counted as a 0",
        "How hard to push: alpha",
        "the heads",
        "before and after",
    ):
        assert part in html


def test_text_is_escaped(html: str) -> None:
    assert "A &amp; B" in html and "Why &lt;so&gt;?" in html and "As &amp; is." in html


def test_every_person_has_a_card_with_a_radar_and_a_curve(
    html: str, evaluation: Evaluation
) -> None:
    assert html.count('<section class="card">') == 4
    assert html.count('class="figure radar"') == html.count('class="figure curve"') == 4
    for name in evaluation.people.ids:
        assert f"<h3>{name}</h3>" in html


def test_without_personas_or_samples_their_parts_are_left_out(evaluation: Evaluation) -> None:
    only_plain = replace(evaluation, methods=evaluation.methods[:1])
    html = report_html(only_plain)
    assert foreground(only_plain) is None
    for part in ("How hard to push", "before and after", 'class="figure curve"'):
        assert part not in html
    assert html.count('class="figure radar"') == 4


def test_it_is_written_whole(evaluation: Evaluation, tmp_path: Path) -> None:
    path = write_report(tmp_path / "new" / "report.html", evaluation)
    assert path.read_text(encoding="utf-8") == report_html(evaluation)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_traces_are_read_from_records(evaluation: Evaluation) -> None:
    records = evaluation.row("sketch").records
    curve = alpha_curve(records[0])
    assert curve is not None and curve.chosen == curve.alphas[curve.errors.argmin()]
    heads = head_map(records)
    assert heads is not None and heads.people == 4 and heads.chosen.sum() == 8
    expected = np.mean([r["provenance"]["head_accuracy"] for r in records], axis=0)
    np.testing.assert_allclose(heads.accuracy, expected)
    layer, head, best = heads.best
    assert best == heads.accuracy[layer, head] == heads.accuracy.max()
    plain = evaluation.row("none").records
    assert alpha_curve(plain[0]) is None and head_map(plain) is None


def test_the_error_axis_shows_the_trough_and_not_the_ruin() -> None:
    curve = AlphaCurve(np.array([0.0, 2.0, 10.0]), np.array([3.0, 2.0, 9.0]), chosen=2.0)
    low, high = error_limits([curve])
    assert 0 <= low < 2.0 and 3.0 < high < 9.0


def test_a_large_models_heads_fit_too() -> None:
    accuracy = np.random.default_rng(0).uniform(0.5, 0.9, (32, 32))
    chosen = np.zeros((32, 32), dtype=np.int64)
    chosen[3, 4] = 7
    text = head_map_figure(HeadMap(accuracy, chosen, people=10))
    assert text.startswith("<svg") and "<image" not in text


def test_a_person_is_described_by_what_stands_out() -> None:
    norms = np.tile([[3.0], [4.0], [2.0]], (1, 5))
    assert (
        describe_person(np.array([3, 3, 4.5, 3, 1.0]), norms)
        == "low neuroticism, high extraversion"
    )
