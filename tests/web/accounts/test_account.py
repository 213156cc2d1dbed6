"""The account's page: sessions end, phrases change, keys see what their account may see now."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from personalign.server.keys import KeyRing, create_key
from personalign.web.accounts import sessions
from personalign.web.accounts.api_keys import SiteKeys
from personalign.web.accounts.sessions import member_of
from personalign.web.accounts.tables import Account, ApiKey
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.base import now
from personalign.web.personas.served import api_name
from personalign.web.personas.tables import StoredPersona
from tests.server.live import call
from tests.web.conftest import LiveSite
from tests.web.people import keep_persona, share_with
from tests.web.visiting import Person, words_of

ASKED = [{"role": "user", "content": "What would you do with a free Saturday?"}]


def is_in(live: LiveSite, cookie: str | None) -> bool:
    """Whether a cookie opens an account's page."""
    someone = live.person()
    someone.http.cookies.set("personalign", cookie or "")
    return "API keys" in words_of(someone.get("/account"))


def test_signing_out_everywhere_else_ends_every_old_cookie(live: LiveSite) -> None:
    ann = live.member()
    phone = live.person()
    phone.sign_in(ann.phrase)
    old = [ann.cookie, phone.cookie]
    assert all(is_in(live, cookie) for cookie in old)
    ann.get("/account")
    ann.post("/account/sessions/end-others")
    assert "API keys" in words_of(ann.get("/account"))
    assert not any(is_in(live, cookie) for cookie in old), "a copy of this browser's is over, too"


def test_one_browser_is_signed_out_by_its_owner_only(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    phone = live.person()
    phone.sign_in(ann.phrase)
    page = ann.get("/account")
    ids = re.findall(r"/account/sessions/(\w{16})/end", page)
    assert len(ids) == 2
    ben.get("/account")
    for number in ids:
        ben.post(f"/account/sessions/{number}/end", 404)
    here = re.findall(r"This browser.*?/account/sessions/(\w{16})/end", page, re.S)[0]
    ann.post(f"/account/sessions/{next(n for n in ids if n != here)}/end")
    assert not is_in(live, phone.cookie) and is_in(live, ann.cookie)
    cookie = ann.cookie
    ann.post(f"/account/sessions/{here}/end")
    assert not is_in(live, cookie)


def test_a_new_phrase_needs_the_old_one_and_ends_the_rest(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    phone = live.person()
    phone.sign_in(ann.phrase)
    ann.get("/account")
    assert "not the phrase of this account" in words_of(
        ann.post("/account/phrase", 403, phrase=ben.phrase)
    )
    assert is_in(live, phone.cookie), "nothing has changed"
    page = ann.post("/account/phrase", phrase=ann.phrase)
    fresh = " ".join(re.findall(r"<li>(\w+)</li>", page))
    assert not is_in(live, phone.cookie) and is_in(live, ann.cookie)
    live.person().sign_in(ann.phrase, 403)
    again = live.person()
    again.sign_in(fresh)
    assert live.account_of(again).id == live.account_of(ann).id


def test_a_phrase_that_is_changed_while_it_is_checked_proves_nothing(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the old one and tries it in that moment neither gets in nor locks its owner out."""
    usual, site = sessions.matches, live.site

    def changing(proved: str | None, phrase: str) -> bool:
        assert usual(proved, phrase) and proved
        monkeypatch.setattr(sessions, "matches", usual)
        fresh.append(sessions.change_phrase(site, member, proved)[0])
        return True

    for path in ("/sign-in", "/account/phrase", "/account/delete"):
        ann, fresh = live.member(), []
        member = member_of(site, ann.cookie or "")
        assert member
        thief = live.person() if path == "/sign-in" else ann
        thief.get(path.replace("/phrase", ""))
        monkeypatch.setattr(sessions, "matches", changing)
        thief.post(path, 403 if path == "/sign-in" else 401, phrase=ann.phrase)
        again = live.person()
        again.sign_in(fresh[0])
        assert live.account_of(again).id == member.id


def test_a_wrong_phrase_stands_there_to_be_put_right(live: LiveSite) -> None:
    """With the cursor in it, in the answer alone, wherever a phrase is asked for."""
    ann, typed = live.member(), "abandon ability able about above absent absorb xylograph"
    for path, form in (("/account", "phrase"), ("/account/delete", "delete")):
        ann.get(path)
        page = ann.post(f"/account/{form}", 403, phrase=typed)
        assert re.search(rf"<textarea[^>]* autofocus>{typed}</textarea>", page)
        assert ann.last.headers["cache-control"] == "no-store"
        assert typed not in ann.get(path)
    assert re.search(f"autofocus>{typed}<", live.person().sign_in(typed, 403))


def test_the_command_that_a_key_comes_with_works_as_it_stands(live: LiveSite) -> None:
    """And asks for one's own persona, though a mirror image of it and a shared one are newer."""
    ann, ben = live.member(), live.member()
    own = keep_persona(live.site, live.account_of(ann).id)
    mirror = keep_persona(live.site, live.account_of(ann).id)
    share_with(live.site, keep_persona(live.site, live.account_of(ben).id), live.account_of(ann).id)
    with live.site.database.writing() as session:
        session.get_one(StoredPersona, mirror.id).kind = "mirrored"
    ann.api_key()
    told = words_of(page := ann.get(str(ann.last.url)))
    assert "Your mirror image" in told and f"Shared by {live.account_of(ben).handle}" in told
    found = re.search(r'<code id="command">(.*?)</code>', page, re.S)
    assert found
    curl, address, _, bearer, _, kind, _, body = shlex.split(unescape(found[1]).replace("\\\n", ""))
    assert curl == "curl" and kind == "Content-Type: application/json"
    asked = json.loads(body)
    assert asked["model"] == f"loud:{api_name(own.id)}"
    url = address.replace("http://127.0.0.1", live.url)
    key = bearer.removeprefix("Authorization: Bearer ")
    assert call(url, asked | {"max_tokens": 2}, key=key).status == 200


def test_without_a_key_the_api_says_nothing(live: LiveSite) -> None:
    for path in ("/v1/models", "/v1/personas", "/metrics"):
        assert call(f"{live.url}{path}").status == 401
    unknown = "pa-" + "0" * 12 + "-" + "x" * 43
    assert call(f"{live.url}/v1/models", key=unknown).status == 401


def test_a_key_sees_its_accounts_personas_and_does_nothing_but_speak(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    own = keep_persona(live.site, live.account_of(ann).id)
    others = keep_persona(live.site, live.account_of(ben).id)
    key = ann.api_key()
    listed = [one["id"] for one in call(f"{live.url}/v1/models", key=key).json["data"]]
    assert listed == ["loud", f"loud:{api_name(own.id)}"]
    for persona, status in ((own, 200), (others, 404)):
        name = f"loud:{api_name(persona.id)}"
        assert call(f"{live.url}/v1/models/{name}", key=key).status == status
        body = {"model": name, "messages": ASKED, "max_tokens": 2}
        assert call(f"{live.url}/v1/chat/completions", body, key=key).status == status
        body = {"model": name, "prompt": "I", "max_tokens": 2}
        assert call(f"{live.url}/v1/completions", body, key=key).status == status
    body = {"name": "new", "answers": [3] * 120}
    assert call(f"{live.url}/v1/personas", body, key=key).status == 403
    for path in ("/v1/personas", f"/v1/personas/{api_name(own.id)}", "/metrics"):
        assert call(f"{live.url}{path}", key=key).status == 403


def test_a_reply_through_the_api_is_the_stored_personas(live: LiveSite) -> None:
    ann = live.member()
    one = keep_persona(live.site, live.account_of(ann).id, seed=1)
    other = keep_persona(live.site, live.account_of(ann).id, seed=2)
    key = ann.api_key()
    said = set()
    for name in ("loud", f"loud:{api_name(one.id)}@4", f"loud:{api_name(other.id)}@4"):
        body = {"model": name, "messages": ASKED, "max_tokens": 12, "temperature": 0}
        answer = call(f"{live.url}/v1/chat/completions", body, key=key)
        said.add(answer.json["choices"][0]["message"]["content"])
    assert len(said) == 3, "each of them says something else"


def test_a_revoked_key_opens_nothing_and_only_its_owner_revokes_it(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    key = ann.api_key()
    number = key.split("-")[1]
    ben.get("/account")
    ben.post(f"/account/keys/{number}/revoke", 404)
    assert call(f"{live.url}/v1/models", key=key).status == 200
    ann.get("/account")
    ann.post(f"/account/keys/{number}/revoke")
    assert call(f"{live.url}/v1/models", key=key).status == 401


def test_a_key_is_kept_as_a_hash_and_its_use_is_written_down_once_an_hour(live: LiveSite) -> None:
    ann = live.member()
    key = ann.api_key()
    number, secret = key.split("-", 2)[1:]

    def used() -> object:
        with live.site.database.reading() as session:
            return session.get_one(ApiKey, number).used_at

    assert used() is None
    call(f"{live.url}/v1/models", key=key)
    first = used()
    call(f"{live.url}/v1/models", key=key)
    assert used() == first is not None
    with live.site.database.writing() as session:
        row = session.get_one(ApiKey, number)
        assert secret not in row.hash
        assert b"a program" not in row.name
        row.used_at = now() - timedelta(hours=2)
        session.get_one(Account, row.account_id).seen_at = now() - timedelta(days=100)
    call(f"{live.url}/v1/models", key=key)
    assert used() != first
    assert now() - live.account_of(ann).seen_at < timedelta(minutes=5), "its account is in use"


def test_a_key_of_the_operators_file_sees_the_folder_and_nobodys_persona(
    live: LiveSite, tmp_path: object
) -> None:
    ann = live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    file = f"{tmp_path}/keys.json"
    admin = create_key(file, "operator", scopes=("admin",), personas=("*",))
    usual = live.site.service.entrance.keys
    live.site.service.entrance.keys = SiteKeys(KeyRing(file), live.site.database)
    try:
        name = api_name(persona.id)
        assert call(f"{live.url}/metrics", key=admin).status == 200
        listed = call(f"{live.url}/v1/models", key=admin).json["data"]
        assert [one["id"] for one in listed] == ["loud"]
        assert call(f"{live.url}/v1/personas/{name}", key=admin).status == 404
        assert call(f"{live.url}/v1/personas/{name}", key=admin, method="DELETE").status == 404
        body = {"model": f"loud:{name}", "messages": ASKED, "max_tokens": 2}
        assert call(f"{live.url}/v1/chat/completions", body, key=admin).status == 404
        assert call(f"{live.url}/v1/models", key=ann.api_key()).status == 200
    finally:
        live.site.service.entrance.keys = usual


def test_too_many_keys_are_refused(live: LiveSite) -> None:
    ann = live.member()
    ann.get("/account")
    token = ann.token
    for number in range(10):
        ann.post("/account/keys", name=f"key {number}", form_token=token)
    assert "enough keys" in words_of(ann.post("/account/keys", 409, name="one more"))


def test_what_is_done_to_an_account_is_written_down_without_names(live: LiveSite) -> None:
    ann: Person = live.member()
    ann.api_key("my secret project")
    ann.post("/account/sessions/end-others", form_token=_fresh(ann))
    account = live.account_of(ann)
    with live.site.database.reading() as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.actor == account.audit_name)
        ).all()
    assert [row.action for row in rows] == ["account.created", "key.made", "sessions.ended"]
    assert "secret project" not in " ".join(row.details + row.subject for row in rows)


def _fresh(person: Person) -> str:
    person.get("/account")
    return person.token
