"""The page about people: every table and figure in one file that needs nothing else."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from personalign.bench import people_report
from personalign.bench.people_report import people_html, pictured, write_people_report
from personalign.dataset.people import Respondents
from personalign.dataset.select import select_representatives
from personalign.dataset.simulate import simulate
from personalign.inventory.keys import FACETS, TRAITS

PEOPLE = simulate(150, seed=2)
PICTURE = re.compile(r'src="data:image/svg\+xml;base64,([^"]+)"')


@pytest.fixture(scope="module")
def page() -> str:
    return people_html(PEOPLE, selection=select_representatives(PEOPLE, 15))


def test_every_scale_and_figure_is_there(page: str) -> None:
    for name in (*TRAITS.values(), *FACETS.values()):
        assert name in page
    pictures = [base64.b64decode(found) for found in PICTURE.findall(page)]
    assert len(pictures) == 7 + 1  # one sheet of the 15 chosen
    for picture in pictures:
        assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "largest standardised difference" in page


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert all(source.startswith("data:") for source in sources)
    assert "<script" not in page
    assert "@import" not in page


def test_what_nobody_told_is_left_out(tmp_path: Path) -> None:
    bare = Respondents(PEOPLE.responses[:30], PEOPLE.ids[:30], source="<a & b>")
    steps: list[tuple[int, int]] = []
    path = write_people_report(
        tmp_path / "page.html", bare, progress=lambda done, total: steps.append((done, total))
    )
    text = path.read_text(encoding="utf-8")
    assert len(PICTURE.findall(text)) == 5 + 1
    assert steps == [(done, 6) for done in range(1, 7)]
    assert "&lt;a &amp; b&gt;" in text
    assert "Sex by age" not in text
    assert "Chosen against all" not in text


def test_of_many_people_a_random_part_is_pictured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_report, "CLUSTERED", 50)
    shown, selection = pictured(PEOPLE)
    assert (len(shown), selection.k) == (50, 5)
    assert pictured(PEOPLE)[0].ids == shown.ids
    assert pictured(PEOPLE, k=30)[1].k == 30
