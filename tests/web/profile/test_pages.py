"""The profile's page and files say the same, to their owner alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from matplotlib.figure import Figure

from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.profile import profile_of
from personalign.web.profile.drawing import picture, text_pages
from personalign.web.profile.pages import _profile
from personalign.web.profile.words import Words
from tests.web.conftest import LiveSite
from tests.web.questionnaire.filling import begin, consenting, finished, place, plain
from tests.web.visiting import Person, words_of


def file(person: Person, sitting: str, ending: str, status: int = 200) -> httpx.Response:
    answer = person.http.get(f"/profile/{sitting}.{ending}")
    assert answer.status_code == status, answer.text[:500]
    return answer


def words_for(live: LiveSite, person: Person, sitting: str) -> Words:
    from personalign.web.accounts.sessions import member_of

    member = member_of(live.site, person.cookie or "")
    assert member is not None
    return _profile(live.site, member, sitting)[1]


def rows_of(page: str) -> dict[str, list[str]]:
    """A scale's code -> the numbers of its table row; a trait's row comes first in its table."""
    found: dict[str, list[str]] = {}
    for trait, table in re.findall(
        r'aria-labelledby="trait-(\w)">.*?<tbody>(.*?)</tbody>', page, re.S
    ):
        for row in re.findall(r"<tr.*?</tr>", table, re.S):
            code = re.search(r'class="code">(\w\d)<', row)
            cells = re.findall(r'<td class="number[^"]*">(.*?)</td>', row)
            found[code[1] if code else trait] = cells
    return found


def inside(percentile: int) -> str:
    """A percentile as it stands in tables: what the norms end at is a bound."""
    return {1: "≤ 1", 99: "≥ 99"}.get(percentile, str(percentile))


def between(scale: dict[str, Any]) -> str:
    low, high = scale["percentile_range"]
    return f"≤ {high}" if low == 1 else f"≥ {low}" if high == 99 else f"{low}–{high}"


def told_on(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_page_json_picture_and_pdf_hold_the_same_numbers(live: LiveSite, tmp_path: Path) -> None:
    person = consenting(live)
    sitting = finished(person, age="34", sex="female")
    scales = {one["code"]: one for one in file(person, sitting, "json").json()["scales"]}
    rows = rows_of(person.get(f"/profile/{sitting}"))
    assert list(scales) == list(rows) and set(scales) == {*TRAITS, *FACETS}
    for code, scale in scales.items():
        t = f"{scale['t_score']:.1f} ±{scale['t_standard_error']:.1f}"
        assert rows[code] == [inside(scale["percentile"]), between(scale), t]
    words = words_for(live, person, sitting)
    drawn = [text.get_text() for axes in picture(words, "x").axes for text in axes.texts]
    for scale in scales.values():
        assert f"{inside(scale['percentile'])}  ({between(scale)})" in drawn
    written = " ".join(text.get_text() for one in text_pages(words, "x") for text in one.texts)
    for scale in scales.values():
        low, high = scale["percentile_range"]
        if 1 < low < high < 99:
            said = f"about {scale['percentile']} of 100; allowing for error, {low} to {high}."
            assert said.replace("100;", "100 people;") in re.sub(r"\s+", " ", written)
    assert words.axis() in re.sub(r"\s+", " ", told_on(picture(words, "x")))
    assert words.axis() in words_of(person.get(f"/profile/{sitting}"))
    assert file(person, sitting, "png").content.startswith(b"\x89PNG\r\n")
    data = file(person, sitting, "pdf").content
    assert data.startswith(b"%PDF-") and len(re.findall(rb"/Type /Page\b", data)) >= 3
    if shutil.which("pdftotext"):
        (tmp_path / "profile.pdf").write_bytes(data)
        run = partial(subprocess.run, check=True, capture_output=True, text=True)
        text = run(["pdftotext", "-layout", str(tmp_path / "profile.pdf"), "-"]).stdout
        assert all(f"{rows[code][0]} ({rows[code][1]})" in re.sub(" +", " ", text) for code in rows)


def test_it_is_the_inventory_s_profile_of_what_was_ticked(live: LiveSite) -> None:
    person = consenting(live)
    sitting = finished(person, age="34", sex="male")
    responses = [0] * 300
    for item in ipip_neo_120():
        responses[item.number - 1] = plain(item.number)
    expected = profile_of(responses, sex="male", age=34).as_dict()
    found = {one["code"]: one for one in file(person, sitting, "json").json()["scales"]}
    for kind in ("traits", "facets"):
        for code, scale in expected[kind].items():  # type: ignore[attr-defined]
            assert found[code]["mean"] == pytest.approx(scale["mean"], abs=0.00501)
            assert found[code]["percentile"] == pytest.approx(scale["percentile"], abs=0.91)


def test_without_age_it_shows_means_and_says_so(live: LiveSite) -> None:
    person = consenting(live)
    sitting = finished(person)
    page = person.get(f"/profile/{sitting}")
    assert "no comparison with other people" in words_of(page)
    assert not re.search("of 100|others|People who|T score", words_of(page))
    assert words_of(page).count("speaks for") == 5, "what was answered is described"
    found = file(person, sitting, "json").json()
    assert found["basis"] == "means" and found["age"] is found["sex"] is None
    rows = rows_of(page)
    for scale in found["scales"]:
        assert rows[scale["code"]] == [
            f"{scale['mean']:.2f}",
            f"±{scale['mean_standard_error']:.2f}",
        ]


def test_age_and_sex_can_be_told_later_and_taken_back(live: LiveSite) -> None:
    person = consenting(live)
    sitting = finished(person)
    person.get(f"/profile/{sitting}")
    assert 'role="alert"' in person.post(f"/profile/{sitting}/about", 400, age="200")
    assert "women aged 41 to 60, by" in person.post(
        f"/profile/{sitting}/about", age="51", sex="female"
    )
    assert file(person, sitting, "json").json()["age"] == 51
    assert "no comparison" in words_of(person.post(f"/profile/{sitting}/about", age="", sex=""))


def test_it_is_its_owner_s_alone_and_only_of_a_finished_one(live: LiveSite) -> None:
    owner, other = consenting(live), consenting(live)
    sitting = finished(owner)
    for path in ("", ".json", ".png", ".pdf"):
        other.get(f"/profile/{sitting}{path}", 404)
    other.get("/questionnaire")
    other.post(f"/profile/{sitting}/about", 404, age="30")
    unfinished = begin(owner)
    for path in ("", ".json", ".png", ".pdf"):
        owner.get(f"/profile/{unfinished}{path}", 404)
    owner.get("/consent")
    owner.post("/consent/withdraw")
    for path in ("", ".json", ".png", ".pdf"):
        owner.get(f"/profile/{sitting}{path}")
        assert place(owner)[0].startswith("/consent?next=")


def test_nothing_of_it_is_kept_by_anybody_s_cache(live: LiveSite) -> None:
    person = consenting(live)
    sitting = finished(person)
    for path in ("", ".json", ".png", ".pdf"):
        answer = person.http.get(f"/profile/{sitting}{path}")
        assert answer.headers["cache-control"] == "no-store"


def test_the_radar_is_a_picture_with_a_name_and_a_dot_for_every_facet(live: LiveSite) -> None:
    person = consenting(live, language="de")
    page = person.get(f"/profile/{finished(person, age='20')}")
    svg = re.search(r'<svg viewBox="0 0 360 360".*?</svg>', page, re.S)
    assert svg
    root = ElementTree.fromstring(svg[0])
    names = root.attrib["aria-labelledby"].split()
    texts = {one.attrib["id"]: one.text for one in root if "id" in one.attrib}
    assert root.attrib["role"] == "img" and all(texts[name] for name in names)
    assert len([one for one in root if one.attrib.get("class", "").startswith("dot")]) == 30
    assert "Gewissenhaftigkeit" in page and "hat keine eigenen Normen" in page
    assert "style=" not in page and "<script>" not in page


def test_the_english_names_are_the_inventory_s(live: LiveSite) -> None:
    names = live.site.texts.section("en", "profile.facet")
    assert names == FACETS and live.site.texts.section("en", "profile.trait") == TRAITS


def test_the_long_and_the_adaptive_form_have_profiles_too(live: LiveSite) -> None:
    person = consenting(live)
    chosen = finished(person, "adaptive", age="30")
    found = file(person, chosen, "json").json()
    assert found["basis"] == "model" and found["answered"] == 30
    page = person.get(f"/profile/{chosen}")
    assert "simulated people" in words_of(page)
    assert found["age"] is None and 'name="age"' not in page, (
        "of no use here: neither asked nor kept"
    )
    person.post(f"/profile/{chosen}/about", 400, age="30")
    long = begin(person, "300")
    answers = {item.number: plain(item.number) for item in ipip_neo_300()}
    person.http.post(
        f"/questionnaire/{long}/answers",
        json={"answers": answers},
        headers={"x-form-token": person.token},
    ).raise_for_status()
    person.post(f"/questionnaire/{long}/finish", age="30")
    found = file(person, long, "json").json()
    assert found["norm_items"] == 300 and found["answered"] == 300


def test_careless_answers_are_spoken_of_kindly(live: LiveSite) -> None:
    person = consenting(live)
    page = words_of(person.get(f"/profile/{finished(person, answering=lambda _: 4)}"))
    assert "very many times in a row" in page and "ignore this" in page
