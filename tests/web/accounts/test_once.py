"""What a form made is shown until its owner has it, however often the page is loaded; then it is
nowhere."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select

from personalign.web.accounts.once import OF_ONE, SECONDS, Once
from personalign.web.accounts.tables import Account, ApiKey
from tests.web.conftest import LiveSite
from tests.web.visiting import phrase_on, words_of


def test_a_page_that_is_loaded_again_shows_the_same_and_makes_no_more(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    phrase, shown = ann.phrase, str(ann.last.url)
    assert phrase_on(ann.get(shown)) == phrase
    ann.get("/account")
    fresh = phrase_on(ann.post("/account/phrase", phrase=phrase))
    assert phrase_on(ann.get(str(ann.last.url))) == fresh != phrase
    key = ann.api_key()
    shown = str(ann.last.url)
    assert key in ann.get(shown) and ann.last.request.method == "GET"
    with live.site.database.reading() as session:
        own = ApiKey.account_id == live.account_of(ann).id
        assert session.scalar(select(func.count()).where(own)) == 1
    assert key not in ben.get(shown, 404)
    ben.post(f"{shown}/done", 404)


@pytest.mark.parametrize("by", ["saying so", "time", "signing out", "deletion"])
def test_it_is_gone_after(live: LiveSite, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = live.member()
    key, shown, account = ann.api_key(), str(ann.last.url), live.account_of(ann)
    number = shown.rpartition("/")[2]
    once = live.site.once
    if by == "saying so":
        assert "API keys" in words_of(ann.post(f"/shown/{number}/done"))
        ann.post(f"/shown/{number}/done")
    elif by == "time":
        now = once._clock()
        monkeypatch.setattr(once, "_clock", lambda: now + SECONDS)
    elif by == "signing out":
        ann.post("/sign-out")
        ann.sign_in(ann.phrase)
    else:
        ann.get("/account/delete")
        ann.post("/account/delete", phrase=ann.phrase)
        with live.site.database.reading() as session:
            assert session.get(Account, account.id) is None
    found = once.find(account.id, number)
    if by in ("saying so", "time"):
        page = ann.get(shown, 410)
        assert key not in page and "revoke it on the account page" in words_of(page)
        assert found is not None and found.values is None
    else:
        assert found is None


def test_only_so_many_are_remembered() -> None:
    once = Once()
    numbers = [once.put("ann", "key", "/account", key=n) for n in range(OF_ONE + 1)]
    other = once.put("ben", "key", "/account", key=0)
    assert once.find("ann", numbers[0]) is None and once.find("ben", other) is not None
    assert all(once.find("ann", number) is not None for number in numbers[1:])


def test_an_address_that_takes_only_forms_leads_back_to_its_page(live: LiveSite) -> None:
    """For whoever loads again what came after a form."""
    ann = live.member()
    for path, page in (
        ("/account/phrase", "/account"),
        ("/account/keys/123456789012/revoke", "/account"),
        ("/chat/kept/A/delete", "/chat/kept/A"),
        ("/chat/say", "/chat"),
        ("/language", "/"),
    ):
        answer = ann.http.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert re.search("There is nothing here", ann.get("/nothing/here", 404))
