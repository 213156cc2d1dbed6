"""Every text that code or a page names is there, in every language; no text is there for
nothing."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from personalign.errors import SiteError
from personalign.web.texts import LANGUAGES, Texts, load_texts, places_of

ROOT = Path(str(files("personalign.web")))
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [*ROOT.rglob("*.py"), *ROOT.rglob("*.html")]
}
ROOMS = {path.stem for path in (ROOT / "texts" / "en").glob("*.toml")}
ANY_ROOM = "|".join(sorted(ROOMS))
WHOLE = re.compile(rf"""["']((?:{ANY_ROOM})\.[a-z0-9_.]+[a-z0-9_])["'](?!\s*~)""")
SAID = re.compile(r"""\bt\(\s*["']([a-z0-9_.]+)["']\s*[,)]""")
BEGUN = re.compile(rf"""["']((?:{ANY_ROOM})\.(?:[a-z0-9_]+\.)*[a-z0-9_]*)["']\s*~""")
BUILT = re.compile(rf"""f["']((?:{ANY_ROOM})\.[a-z0-9_.]*){{""")


def named() -> dict[str, str]:
    """Every whole key in quotes, and where."""
    return {key: name for name, text in SOURCES.items() for key in WHOLE.findall(text)}


def begun() -> set[str]:
    """What begins keys whose end is known only when a page is made."""
    return {
        found
        for text in SOURCES.values()
        for pattern in (BEGUN, BUILT)
        for found in pattern.findall(text)
        if found.count(".") >= 1
    }


def sections() -> set[str]:
    """Prefixes whose texts are taken together."""
    return {
        found
        for text in SOURCES.values()
        for found in re.findall(r"""section\([^()]*?["']([a-z0-9_.]+)["']\)""", text)
    }


def refusals() -> set[str]:
    """Reasons of PageRefusal."""
    return {
        found
        for text in SOURCES.values()
        for found in re.findall(r"""PageRefusal\(\s*[\w.]+,\s*["']([a-z_]+)["']""", text)
    }


def notes() -> set[str]:
    """Notes of `see`."""
    return {
        found
        for text in SOURCES.values()
        for found in re.findall(r"""\bsee\([^\n]*,\s*["']([a-z_]+)["']\)""", text)
    }


def test_what_is_wrong_with_a_study_s_input_has_a_text_and_no_text_is_left_over() -> None:
    lower = [path.read_text("utf-8") for path in (ROOT.parent / "evaluation").glob("*.py")]
    code = "".join([*SOURCES.values(), *lower])
    texts = load_texts().section("en", "study.problem")
    raised = set(re.findall(r"""(?:InputRefused|Wrong)\(\s*["']([a-z_]+)["']""", code))
    assert raised and raised <= set(texts)
    assert [reason for reason in texts if f'"{reason}"' not in code] == []


def test_every_text_that_is_named_is_there() -> None:
    """What `t` is called with; and what is in quotes in code and lies in a section there is."""
    keys = load_texts().keys()
    beginnings = {key.rsplit(".", n)[0] for key in keys for n in range(1, key.count(".") + 1)}
    said = {key: name for name, text in SOURCES.items() for key in SAID.findall(text)}
    assert len(said) > 100
    quoted = {key: name for key, name in named().items() if key.count(".") > 1}
    quoted = {key: name for key, name in quoted.items() if key.rsplit(".", 1)[0] in beginnings}
    missing = {key: name for key, name in (said | quoted).items() if key not in keys | beginnings}
    assert missing == {}


def test_every_beginning_leads_somewhere() -> None:
    keys = load_texts().keys()
    for start in begun() | {f"{prefix}." for prefix in sections()}:
        assert any(key.startswith(start) for key in keys), start


def test_every_refusal_has_its_page_and_every_note_its_words() -> None:
    keys = load_texts().keys()
    assert refusals() and notes()
    wanted = {f"refusals.{reason}.{part}" for reason in refusals() for part in ("title", "text")}
    assert wanted - keys == set()
    assert {f"said.{note}" for note in notes()} - keys == set()


def test_no_text_is_there_for_nothing() -> None:
    whole, starts = set(named()), begun() | {f"{prefix}." for prefix in sections()}
    words = {word for text in SOURCES.values() for word in re.findall(r"[a-z0-9_]+", text)}
    unused = {
        key
        for key in load_texts().keys()  # noqa: SIM118
        if key not in whole
        and not any(key.startswith(start) for start in starts)
        and key.split(".")[0] not in ("refusals", "said")
    }
    unused |= {
        key
        for key in load_texts().keys()  # noqa: SIM118
        if key.split(".")[0] in ("refusals", "said") and key.split(".")[1] not in words
    }
    assert unused == set()


def test_languages_differ_in_their_words_and_not_in_their_keys() -> None:
    texts = load_texts()
    for code in list(LANGUAGES)[1:]:
        same = [
            key
            for key in texts.keys()  # noqa: SIM118
            if texts._languages[code][key] == texts._languages["en"][key]
        ]
        assert len(same) < len(texts.keys()) / 5, "most are translated"


def test_a_text_that_is_missing_or_lacks_a_place_is_refused() -> None:
    with pytest.raises(SiteError, match=r"a\.b is in en and not in de"):
        Texts({"en": {"a.b": "x"}, "de": {}})
    with pytest.raises(SiteError, match=r"a\.c is in de and not in en"):
        Texts({"en": {}, "de": {"a.c": "x"}})
    with pytest.raises(SiteError, match="places"):
        Texts({"en": {"a.b": "{n} of {m}"}, "de": {"a.b": "{n}"}})


def test_no_text_has_marks_that_a_page_would_show() -> None:
    texts = load_texts()
    for code in LANGUAGES:
        for key, text in texts._languages[code].items():
            assert "<" not in text and "&" not in text.replace(" & ", ""), (code, key)
            assert places_of(text) or "{" not in text, (code, key)
