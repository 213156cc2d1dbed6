"""Laws against attackers, over every address of the site: what is another's, forged or replayed
opens nothing, changes nothing, and is written down."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from personalign.cli.main import app
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.pace import SignInPace
from personalign.web.personas.served import api_name
from personalign.web.vault import new_key, write_keys
from tests.server.live import call, until
from tests.web.audit.test_log import attack
from tests.web.conftest import LiveSite, live_site
from tests.web.owning import contents, differing, with_everything
from tests.web.people import SECRET
from tests.web.questionnaire.filling import consenting
from tests.web.routes import FORM, Route, all_routes, ask
from tests.web.study.conftest import hand_in, some_pairs
from tests.web.visiting import Person

Everything = tuple[Person, dict[str, str]]

NOBODYS = {"new/way": "one of three forms"}
"""Places of paths that name nothing of anybody's, and what they name."""

BY_TOKEN = ("rate/token", "shares/token")
"""Places that whoever knows a link's token may open; the ids of links are no tokens."""

CHOOSES = {
    "GET /chat": "chooses among one's own pairs, and takes the newest where there is no such one",
    "POST /reports": "an id that is there already is a form that was sent twice",
}
"""Addresses that answer as usual where a field names what is another's, and why."""

OPEN_TO_ALL = ("/sign-up", "/sign-in", "/sign-out", "/language")
"""What somebody without an account may do."""

LAST = ("/delete", "/done", "/end", "/revoke", "/withdraw")
"""Ends of addresses after which something is gone."""

TEN_MB = 10 * 2**20


@pytest.fixture(scope="module")
def live(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site whose personas and replies are quickly made."""
    folder = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    with live_site(folder, database_url, method="iti", reply_tokens=4) as one:
        yield one


@pytest.fixture(scope="module")
def everything(live: LiveSite) -> Everything:
    """Ann, who has used every room, and the ids of what is hers."""
    return with_everything(live)


def of_somebody(route: Route) -> bool:
    """Whether a path names something of somebody's."""
    return any(place not in NOBODYS for place in route.places)


def written_down(live: LiveSite) -> Counter[str]:
    """Refused tries in the audit log, by route; and wrong phrases."""
    refused = AuditEntry.action.in_(("refused", "sign_in.refused"))
    with live.site.database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(refused))
        return Counter(str(details_of(entry).get("route", entry.action)) for entry in entries)


def test_ids_open_nothing_of_anothers(
    live: LiveSite, everything: Everything, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither to a member with roles or without, nor to who is not signed in; and it is logged."""
    ann, ids = everything
    handle = live.account_of(ann).handle
    plain, roles = consenting(live), consenting(live, "rater", "researcher", "admin")
    stranger = live.person()
    stranger.get("/sign-in")
    before = contents(live)
    caplog.set_level(logging.INFO, logger="personalign.web")
    told = []
    for route in filter(of_somebody, all_routes()):
        for mallory in (plain, roles, stranger):
            answer = ask(mallory, route, ids)
            wanted = 404
            if mallory is stranger and not route.path.startswith("/rate/"):
                wanted = 303 if route.method == "GET" else 401
            assert answer.status_code == wanted, (route.name, answer.text[:500])
            assert wanted != 303 or answer.headers["location"].startswith("/sign-in?next=")
            assert SECRET not in answer.text and handle not in answer.text, route.name
            told.append(f"{route.name} {wanted} ")
        assert differing(before, contents(live)) == [], route.name
    until(lambda: all(line in caplog.text for line in told), "a line in the log")


def test_ids_in_fields_open_nothing_of_anothers(live: LiveSite, everything: Everything) -> None:
    """Such as the persona that is to be shared, or the conversation that is gone on with."""
    ann, ids = everything
    mallory, own = with_everything(live)
    handle = live.account_of(ann).handle
    mixed = hand_in(live, *some_pairs(), researcher=mallory)
    mallory.get("/account")
    before = contents(live)
    for key in (one for one in ids if "/" not in one):
        folder, _, name = key.rpartition(" ")
        routes = [one for one in all_routes() if name in (*one.fields, *one.queries)]
        routes = [one for one in routes if one.path.endswith(folder)]
        assert routes, f"no form has {key}"
        for route in routes:
            answer = ask(mallory, route, {**own, key: ids[key]})
            if route.name in CHOOSES:
                assert answer.status_code in (200, 303), route.name
            else:
                assert answer.status_code in (400, 404), (route.name, name, answer.text[:500])
            assert SECRET not in answer.text and handle not in answer.text, route.name
    link = {"studies/study_id": mixed.id, "links/invitation_id": ids["links/invitation_id"]}
    for route in all_routes():
        if len(route.places) == 2 and "links/invitation_id" in route.places:
            assert ask(mallory, route, link).status_code == 404
    assert differing(before, contents(live)) == []


def test_a_form_without_its_token_or_of_another_site_is_refused(
    live: LiveSite, everything: Everything
) -> None:
    """Each time with a page, and an entry in the audit log."""
    ann, ids = everything
    mallory = live.member()
    mallory.get("/account")
    stale = live.site.vault.sign("form", b"an earlier cookie of this browser's").hex()
    forged: list[dict[str, Any]] = [
        {"form_token": None},
        {"form_token": mallory.token},
        {"form_token": stale},
        {"headers": {"sec-fetch-site": "cross-site"}},
        {"headers": {"origin": "https://evil.example"}},
    ]
    alike: list[dict[str, Any]] = [
        {"form_token": ""},
        {"form_token": "0" * 64},
        {"form_token": ann.token[:-1]},
        {"headers": {"sec-fetch-site": "same-site"}},
        {"headers": {"origin": "http://127.0.0.1.evil.example"}},
        {"headers": {"origin": "null"}},
    ]
    before, logged = contents(live), written_down(live)
    for route in all_routes("POST"):
        for one in forged + alike * (route.path == "/account/keys"):
            answer = ask(ann, route, ids, **one)
            assert answer.status_code == 403, (route.name, one)
            assert "<h1" in answer.text
    assert differing(before, contents(live)) == []
    assert live.account_of(ann)
    more = written_down(live) - logged
    assert more.pop("/account/keys") == len(forged + alike)
    assert more == dict.fromkeys(more, len(forged))
    assert len(more) == len(all_routes("POST")) - 1


def test_a_copied_cookie_opens_nothing_once_it_is_over(
    live: LiveSite, everything: Everything
) -> None:
    """After signing out, ending other sessions, a new phrase and a deletion, everywhere."""
    ids = everything[1]
    copied, handles = {}, []
    for path in ("/sign-out", "/account/sessions/end-others", "/account/phrase", "/account/delete"):
        person = live.member()  # another one each time: what ends one session may end them all
        handles.append(live.account_of(person).handle)
        copied[path] = person.cookie
        person.get("/account")
        person.post(path, phrase=person.phrase)
        assert person.cookie != copied[path]
    stranger = live.person()
    stranger.get("/sign-in")
    replayers = {}
    for path, cookie in copied.items():
        replayers[path] = replayer = live.person()
        replayer.http.cookies.set("personalign", str(cookie))
        replayer.token = live.site.vault.sign("form", str(cookie).encode()).hex()
    before = contents(live)
    for route in all_routes():
        if route.method == "POST" and route.path in OPEN_TO_ALL:
            continue
        wanted = ask(stranger, route, ids)
        for path, replayer in replayers.items():
            answer = ask(replayer, route, ids)
            assert answer.status_code == wanted.status_code, (route.name, path)
            assert answer.headers.get("location") == wanted.headers.get("location")
            assert not any(handle in answer.text for handle in handles)
    assert differing(before, contents(live)) == []


def test_whose_they_are_reaches_all_of_it(live: LiveSite) -> None:
    """With the same requests: what the laws above refuse is there, and is refused to others only.

    What is gone at the end goes last, and longer addresses before those above them.
    """
    ann, ids = with_everything(live)
    routes = [one for one in all_routes() if of_somebody(one) and one.places[0] not in BY_TOKEN]
    for route in sorted(routes, key=_when):
        if route.path == "/shares/{token}/accept":
            continue
        answer = ask(ann, route, ids)
        assert answer.status_code in (200, 303, 409), (route.name, answer.text[:500])
        assert "/sign-in" not in answer.headers.get("location", ""), route.name


def _when(route: Route) -> tuple[bool, int]:
    return route.method == "POST" and route.path.endswith(LAST), -len(route.path)


@pytest.mark.parametrize("chunked", [False, True], ids=["of a said length", "in pieces"])
def test_ten_megabytes_are_refused_everywhere(
    live: LiveSite, everything: Everything, caplog: pytest.LogCaptureFixture, chunked: bool
) -> None:
    """With a page; and who sent them is served on."""
    ann, ids = everything
    ann.get("/account")
    field = b"&much=" + b"x" * 100_000
    much = b"form_token=" + ann.token.encode() + field * (TEN_MB // len(field))

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(much), 2**20):
            yield much[start : start + 2**20]

    caplog.set_level(logging.INFO, logger="personalign.web")
    before = contents(live)
    for route in all_routes("POST"):
        body = pieces() if chunked else much
        answer = ann.http.post(route.at(ids), content=body, headers={"content-type": FORM})
        assert answer.status_code == 413, (route.name, answer.text[:300])
        assert "<h1" in answer.text and "content-security-policy" in answer.headers
    assert differing(before, contents(live)) == []
    times = len(all_routes("POST"))
    until(lambda: caplog.text.count(" 413 ") == times, "a line in the log for each")
    ann.get("/account")


def test_fifty_tries_to_sign_in_are_refused_after_the_first(
    live: LiveSite, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others sign in, and pages are served, meanwhile."""
    ann, _ = everything
    monkeypatch.setattr(live.site, "pace", SignInPace(clock=lambda: 0.0))
    monkeypatch.setattr(live.site, "settings", replace(live.site.settings, behind_proxy=True))
    mallory, wrong = live.person(), "abandon ability able about above absent absorb abstract"
    mallory.get("/sign-in")
    logged = written_down(live)
    statuses = []
    for number in range(50):
        mallory.http.headers["x-forwarded-for"] = f"10.0.0.{number}, 203.0.113.7"
        fields = {"form_token": mallory.token, "phrase": wrong}
        answer = mallory.http.post("/sign-in", data=fields)
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
        if number % 10 == 0:
            ann.get("/account")
    assert statuses == [403] * 10 + [429] * 40
    more = written_down(live) - logged
    assert more == {"sign_in.refused": 10, "/sign-in": 40}
    mallory.http.headers["x-forwarded-for"] = "203.0.113.8"
    mallory.sign_in(ann.phrase)


def test_a_tampered_log_is_named_by_the_command(live: LiveSite) -> None:
    """`personalign site audit verify`: the first bad entry, and status 1."""
    settings = live.site.settings
    words = ["site", "audit", "verify", "--database", settings.database]
    words += ["--site-key", str(settings.keys)]
    verify = partial(CliRunner().invoke, app, words)
    live.member()
    good = verify()
    assert good.exit_code == 0 and "are as they were written" in good.output
    with attack(live.site.database) as rows:
        rows.execute(text("UPDATE audit_entry SET actor = 'x' WHERE number IN (2, 3)"))
    found = verify()
    assert found.exit_code == 1
    assert "Entry 2 was changed after it was written. 1 entries before it" in found.output


def test_the_api_knows_no_persona_of_anothers(live: LiveSite, everything: Everything) -> None:
    """Refused as one that nobody has; and what was revoked or guessed, or a cookie, is no key."""
    ann, ids = everything
    mallory = live.member()
    key, own = mallory.api_key(), ann.api_key()

    def said(model: str, key: str | None) -> tuple[int, dict[str, str]]:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        answer = call(f"{live.url}/v1/chat/completions", body, key=key)
        return answer.status, {} if answer.status == 200 else answer.error

    name = f"loud:{api_name(ids['persona'])}"
    nobodys = f"loud:{api_name('A' * 22)}"
    assert said(name, own)[0] == 200 == said("loud", key)[0]
    status, error = said(name, key)
    assert status == 404
    assert error == {
        field: text and text.replace(nobodys, name) for field, text in said(nobodys, key)[1].items()
    }
    assert call(f"{live.url}/v1/models/{name}", key=key).status == 404
    assert name not in call(f"{live.url}/v1/models", key=key).data.decode()
    mallory.get("/account")
    mallory.post(f"/account/keys/{key.split('-')[1]}/revoke")
    guessed = own[:-1] + ("B" if own[-1] == "A" else "A")
    for no_key in (key, guessed, own.replace(own.split("-")[1], "0" * 12), ann.cookie, None):
        assert said("loud", no_key)[0] == 401
    cookies = {"cookie": f"personalign={ann.cookie}"}
    assert call(f"{live.url}/v1/models", **cookies).status == 401
