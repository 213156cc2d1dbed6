"""Signing up, in and out: a phrase opens its account, an ended session nothing."""

from __future__ import annotations

from sqlalchemy import select

from personalign.web.accounts.tables import Account, BrowserSession
from personalign.web.audit.tables import AuditEntry
from personalign.web.pace import SignInPace
from tests.web.conftest import LiveSite
from tests.web.visiting import words_of


def test_a_phrase_opens_its_account_and_no_other(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    own = live.account_of(ann).id
    other = live.person()
    other.sign_in(ann.phrase)
    assert live.account_of(other).id == own != live.account_of(ben).id


def test_four_letters_a_word_are_enough(live: LiveSite) -> None:
    ann = live.member()
    short = " ".join(word[:4].upper() for word in ann.phrase.split())
    again = live.person()
    again.sign_in(short)
    assert live.account_of(again).id == live.account_of(ann).id


def test_a_wrong_phrase_is_refused_with_the_next_step(live: LiveSite) -> None:
    ann = live.member()
    words = ann.phrase.split()
    other = live.person()
    assert "eight words" in words_of(other.sign_in(" ".join(words[:7]), 403))
    wrong = [*words[:7], "zoo" if words[7] != "zoo" else "zone"]
    assert "no account" in words_of(other.sign_in(" ".join(wrong), 403))
    assert "xylograph" in words_of(other.sign_in(" ".join([*words[:7], "xylograph"]), 403))


def test_a_session_that_ended_opens_nothing(live: LiveSite) -> None:
    ann = live.member()
    stolen = ann.cookie
    assert stolen
    ann.get("/")
    ann.post("/sign-out")
    thief = live.person()
    thief.http.cookies.set("personalign", stolen)
    assert "Sign out" not in words_of(thief.get("/"))


def test_signing_in_takes_another_cookie(live: LiveSite) -> None:
    """Who planted a cookie in somebody's browser does not share their session."""
    ann, other = live.member(), live.person()
    other.get("/sign-in")
    planted = other.cookie
    other.sign_in(ann.phrase)
    assert other.cookie != planted


def test_nothing_of_a_phrase_or_cookie_is_kept(live: LiveSite) -> None:
    ann = live.member()
    with live.site.database.reading() as session:
        account = session.get_one(Account, live.account_of(ann).id)
        kept = [account.phrase_hash, repr(account.lookup)]
        kept += [repr(s.token_hash) for s in session.scalars(select(BrowserSession))]
    for word in ann.phrase.split():
        assert not any(word in (text or "") for text in kept)
    assert not any((ann.cookie or "?") in (text or "") for text in kept)
    assert (account.phrase_hash or "").startswith("$argon2id$")


def test_forms_of_elsewhere_are_refused_and_written_down(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    ann.get("/"), ben.get("/")
    for forged in ("", "0" * 64, ben.token):
        answer = ann.http.post("/sign-out", data={"form_token": forged})
        assert answer.status_code == 403
    elsewhere = ann.http.post(
        "/sign-out", data={"form_token": ann.token}, headers={"origin": "https://evil.example"}
    )
    assert elsewhere.status_code == 403
    live.account_of(ann)  # still signed in
    with live.site.database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "refused")).all()
    name = live.account_of(ann).audit_name
    assert sum(entry.actor == name for entry in entries) == 4


def test_too_many_tries_wait_and_are_written_down(live: LiveSite) -> None:
    usual, live.site.pace = live.site.pace, SignInPace(per_minute=3)
    try:
        other = live.person()
        for _ in range(3):
            other.sign_in("abandon " * 8, 403)
        answer = other.http.post(
            "/sign-in", data={"form_token": other.token, "phrase": "abandon " * 8}
        )
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    finally:
        live.site.pace = usual


def test_the_site_speaks_the_language_of_the_browser_and_then_the_chosen_one(
    live: LiveSite,
) -> None:
    ben = live.person(language="de-CH, en;q=0.5")
    assert 'lang="de"' in ben.get("/")
    ben.sign_up()
    ben.get("/")
    assert 'lang="en"' in ben.post("/language", language="en", back="/")
    assert live.account_of(ben).language == "en"
