"""The privacy page: anybody may read it, and it says what this very site does."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalign.web.settings import Retention
from personalign.web.vault import new_key, write_keys
from tests.web.conftest import live_site
from tests.web.visiting import words_of

KEPT = Retention(unfinished=11, conversations=22, reports=33, accounts=44)


@pytest.mark.parametrize("language", ["en", "de"])
def test_it_says_how_long_and_by_whom(tmp_path: Path, language: str) -> None:
    write_keys(tmp_path / "site.key", [new_key()])
    settings = {"retention": KEPT, "operator": "The Lab, lab@example.org", "session_days": 5}
    with live_site(tmp_path, **settings) as live:
        page = words_of(live.person(language=language).get("/privacy"))
    word = {"en": "days", "de": "Tage"}[language]
    for days in (5, 7, 11, 22, 33, 44):
        assert f"{days} {word}" in page
    assert "The Lab, lab@example.org" in page
