"""Signing in through a provider: who it vouches for is in, and whatever is not as it must be is
refused and written down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from personalign.errors import SiteError
from personalign.web.accounts.openid import CALLBACK
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.settings import OpenIdProvider, SiteSettings
from personalign.web.vault import new_key, write_keys
from tests.web.accounts.provider import CLIENT, SECRET, Provider, providing
from tests.web.conftest import LiveSite, live_site
from tests.web.visiting import Person, words_of

PUBLIC = "http://127.0.0.1"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing(PUBLIC + CALLBACK) as one:
        yield one


@pytest.fixture(scope="module")
def live(
    provider: Provider, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    folder: Path = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    openid = OpenIdProvider(provider.issuer, CLIENT, SECRET)
    with live_site(folder, database_url, openid=openid) as one:
        yield one


@pytest.fixture(autouse=True)
def _as_usual(provider: Provider) -> None:
    provider.person, provider.wrong, provider.wrong_key = "ann", {}, False


def go(person: Person, path: str = "/sign-in/openid") -> str:
    """Follow a way to the provider and sign in there; gives the path it sends one back to."""
    sent = person.http.get(path, follow_redirects=False)
    assert sent.status_code == 303, sent.text
    back = httpx.get(sent.headers["location"]).headers["location"]
    assert back.startswith(PUBLIC + CALLBACK + "?")
    parts = urlsplit(back)
    return f"{parts.path}?{parts.query}"


def sign_in(live: LiveSite, name: str = "ann") -> Person:
    person = live.person()
    person.get(go(person))
    return person


def last_reason(live: LiveSite) -> object:
    """Why the last sign-in was refused, as the audit log tells it."""
    with live.site.database.reading() as session:
        entry = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.action == "sign_in.refused")
            .order_by(AuditEntry.number.desc())
        ).first()
    return None if entry is None else details_of(entry).get("reason")


def test_a_person_comes_back_to_the_same_account(live: LiveSite, provider: Provider) -> None:
    first, again = sign_in(live), sign_in(live)
    assert live.account_of(first).id == live.account_of(again).id
    provider.person = "ben"
    assert live.account_of(sign_in(live)).id != live.account_of(first).id
    assert "Sign in through 127.0.0.1" in live.person().get("/sign-in")


def test_nothing_is_asked_for_or_kept_but_a_mark_of_the_subject(
    live: LiveSite, provider: Provider
) -> None:
    provider.person = "somebody-known-to-the-provider"
    account = live.account_of(sign_in(live))
    assert provider.scopes == {"openid"}
    assert account.phrase_hash is None and account.lookup is None
    assert account.oidc_subject and len(account.oidc_subject) == 32
    with live.site.database.reading() as session:
        for row in session.execute(select(Account.__table__)):
            assert "somebody-known" not in str(row) and "example.org" not in str(row)


def test_the_account_page_has_no_phrase_to_change(live: LiveSite) -> None:
    page = words_of(sign_in(live).get("/account"))
    assert "API keys" in page and "present phrase" not in page


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another site"}, "aud"),
        ({"aud": [CLIENT, "another site"]}, "azp"),
        ({"azp": "another site"}, "azp"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"exp": int(time.time()) - 3600}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": int(time.time()) + 3600}, "iat"),
        ({"sub": None}, "sub"),
    ],
)
def test_a_token_that_is_not_as_it_must_be_is_refused(
    live: LiveSite, provider: Provider, wrong: dict[str, Any], reason: str
) -> None:
    provider.wrong = wrong
    person = live.person()
    assert "did not work" in words_of(person.get(go(person), 403))
    assert last_reason(live) == reason
    assert "Sign out" not in words_of(person.get("/"))


def test_a_token_signed_by_somebody_else_is_refused(live: LiveSite, provider: Provider) -> None:
    provider.wrong_key = True
    person = live.person()
    person.get(go(person), 403)
    assert last_reason(live) == "signature"


def test_keys_that_the_provider_has_had_since_are_read(live: LiveSite, provider: Provider) -> None:
    before = live.account_of(sign_in(live)).id
    provider.new_key()
    assert live.account_of(sign_in(live)).id == before


def test_an_answer_to_another_browsers_question_is_refused(live: LiveSite) -> None:
    """Who sends somebody a link that signs them in as another (login CSRF) does not succeed."""
    attacker, victim = live.person(), live.person()
    link = go(attacker)
    victim.get(link, 403)
    assert last_reason(live) == "state"
    go(victim)
    victim.get(link, 403)
    assert last_reason(live) == "state"
    assert "Sign out" not in words_of(victim.get("/"))


def test_an_answer_counts_once(live: LiveSite) -> None:
    person = live.person()
    sent = person.http.get("/sign-in/openid", follow_redirects=False)
    cookie = person.http.cookies["openid"]
    back = urlsplit(httpx.get(sent.headers["location"]).headers["location"])
    link = f"{back.path}?{back.query}"
    person.get(link)
    person.get(link, 403)
    assert last_reason(live) == "state", "the cookie was taken away"
    person.http.cookies.set("openid", cookie)
    person.get(link, 403)
    assert last_reason(live) == "code", "and the provider knows its code no more"


def test_who_declines_or_is_late_is_refused(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = live.person()
    state = go(person).partition("state=")[2]
    person.get(f"{CALLBACK}?error=access_denied&state={state}", 403)
    assert last_reason(live) == "declined"
    monkeypatch.setattr("personalign.web.accounts.openid.FLOW_SECONDS", -1)
    person.get(go(person), 403)
    assert last_reason(live) == "late"


def test_after_signing_in_one_is_where_one_wanted_to_be(live: LiveSite) -> None:
    person = live.person()
    answer = person.http.get(go(person, "/sign-in/openid?next=/account"), follow_redirects=False)
    assert answer.headers["location"] == "/account"
    person = live.person()
    link = go(person, "/sign-in/openid?next=https://evil.example")
    assert person.http.get(link, follow_redirects=False).headers["location"] == "/"


def test_deleting_needs_a_fresh_sign_in_of_the_same_person(
    live: LiveSite, provider: Provider
) -> None:
    provider.person = "cat"
    cat = sign_in(live)
    account = live.account_of(cat).id
    cat.get("/account/delete")
    cat.post("/account/delete", 403)
    provider.person = "ann"
    cat.get(go(cat, "/account/delete/openid"), 403)
    assert last_reason(live) == "sub"
    provider.person, provider.wrong = "cat", {"auth_time": int(time.time()) - 4000}
    cat.get(go(cat, "/account/delete/openid"), 403)
    assert last_reason(live) == "auth_time"
    provider.wrong = {}
    page = words_of(cat.get(go(cat, "/account/delete/openid")))
    assert "for good" in page and live.account_of(cat).id == account, "nothing is deleted yet"
    assert "is deleted" in words_of(cat.post("/account/delete"))
    with live.site.database.reading() as session:
        assert session.get(Account, account) is None
    assert live.account_of(sign_in(live)).id != account


def test_a_provider_that_cannot_be_trusted_is_refused() -> None:
    with pytest.raises(SiteError, match="https://NAME"):
        OpenIdProvider("http://login.example", "a", "b")
    assert "secret" not in repr(OpenIdProvider("https://login.example", "a", "secret"))


def test_without_a_provider_there_is_no_such_page(tmp_path: Path) -> None:
    write_keys(tmp_path / "site.key", [new_key()])
    with live_site(tmp_path) as one:
        assert one.site.openid is None
        one.person().get("/sign-in/openid", 404)
        one.person().get(CALLBACK, 404)


def test_who_is_not_known_gets_no_account_where_none_are_made(
    provider: Provider, tmp_path: Path
) -> None:
    openid = OpenIdProvider(provider.issuer, CLIENT, SECRET)
    write_keys(tmp_path / "site.key", [new_key()])
    with live_site(tmp_path, openid=openid, sign_up=False) as one:
        person = one.person()
        person.get(go(person), 403)
        assert "Sign out" not in words_of(person.get("/"))
    assert SiteSettings(tmp_path, PUBLIC).openid is None
