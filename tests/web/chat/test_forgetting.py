"""What is forgotten while a reply is being written stays forgotten, and the reply ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import delete as deleting

from personalign.server.requests import Request, Ticket
from personalign.web.accounts.tables import ApiKey
from personalign.web.chat import pages
from personalign.web.chat.talks import Round, Talk, Talks
from personalign.web.refusals import PageRefusal
from tests.server.live import call, until
from tests.web.conftest import LiveSite
from tests.web.owning import talked
from tests.web.personas.sittings import aligned, made_with
from tests.web.visiting import Person, words_of

SECRET = "Whom should I ask about my boss?"
LONG = 4000


@pytest.fixture(scope="module", autouse=True)
def quick(live: LiveSite) -> Iterator[None]:
    """Personas that cost little, where it does not matter which they are."""
    with made_with(live.site, "iti"):
        yield


@pytest.fixture
def ann(live: LiveSite) -> Iterator[tuple[Person, str, str]]:
    """Somebody, the ids of her pair and of a conversation she keeps; replies are long from then."""
    usual, site = live.site.settings, live.site
    site.settings = replace(usual, reply_tokens=4)
    who = live.member()
    pair = aligned(live, who)
    talk = talked(who, pair)
    who.post("/chat/keep", talk=talk)
    site.settings = replace(usual, reply_tokens=LONG)
    yield who, pair, talk
    site.settings = usual


def answered_during(who: Person, during: Callable[[], object], **fields: str) -> list[str]:
    """Ask as chat.js does and do something at the first words; the names of all events."""
    who.get("/chat/kept")
    sent = {"form_token": who.token, "question": SECRET, "live": "true"} | fields
    names: list[str] = []
    with who.http.stream("POST", "/chat/say", data=sent) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                if names.count("words") == 1 and names[-1] == "words":
                    during()
    return names


@pytest.mark.parametrize("how", ["signing out", "deleting the conversation", "deleting everything"])
def test_it_does_not_come_back_and_nobody_goes_on_speaking(
    live: LiveSite, ann: tuple[Person, str, str], how: str
) -> None:
    who, pair, talk = ann
    account, talks, engine = live.account_of(who).id, live.site.talks, live.site.service.engine
    kept = talks.find(account, talk)
    assert kept is not None
    phone, written = live.person(), list[int]()
    phone.sign_in(who.phrase)

    def forget() -> None:
        phone.get("/account/delete")
        if how == "signing out":
            phone.post("/sign-out")
        elif how == "deleting everything":
            phone.post("/account/delete", phrase=who.phrase)
        else:
            phone.post(f"/chat/kept/{kept.kept_id}/delete")
        written.append(engine.stats().tokens_generated)

    names = answered_during(who, forget, pair=pair, talk=talk)
    assert names[-1] == "problem" and "end" not in names
    more = engine.stats().tokens_generated - written[0]
    assert more < 50, "all three have ended, the model as it is too"
    assert talks.newest(account) is None
    if how == "deleting everything":
        assert engine.stats().cache_bytes == 0, "of none of the replies"


def test_what_was_forgotten_is_not_asked_nor_put_back() -> None:
    ended: list[str] = []
    talks = Talks(ended.extend)
    ann, ben = (Talk(who, "pair", "loud", [Round("Hi", ())], f"kept {who}") for who in ("a", "b"))
    for forget in (lambda: talks.forget("a"), lambda: talks.forget_kept("kept a")):
        talks.put(ann), talks.put(ben)
        gone, there = talks.listening(ann), talks.listening(ben)
        forget()
        assert (gone.gone, there.gone, ended) == (True, False, [ann.id])
        with pytest.raises(PageRefusal, match="talk_gone"):
            talks.put(ann, gone)
        with pytest.raises(PageRefusal, match="talk_gone"):
            talks.listening(ann)
        assert talks.find("a", ann.id) is None
        talks.put(ben, there)
        assert talks.find("b", ben.id) is ben
        ended.clear()


def test_a_kept_conversation_deleted_while_it_is_opened_is_not_shown(
    live: LiveSite, ann: tuple[Person, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    who, _, talk = ann
    account, talks = live.account_of(who).id, live.site.talks
    kept = talks.find(account, talk)
    assert kept is not None and kept.kept_id is not None
    usual, number = pages.rounds_of, kept.kept_id

    def late(*asked: object) -> list[Round]:
        found = usual(*asked)  # type: ignore[arg-type]
        talks.forget_kept(number)
        return found

    monkeypatch.setattr(pages, "rounds_of", late)
    assert "not here any more" in words_of(who.get(f"/chat/kept/{number}", 404))
    assert talks.newest(account) is None


def test_a_revoked_key_gets_no_more_of_a_reply(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, engine = live.member(), live.site.service.engine
    key, other = ann.api_key(), ann.api_key()
    told = [{"role": "user", "content": SECRET}]
    body = {"model": "loud", "messages": told, "max_tokens": LONG, "temperature": 0}  # goes on
    url, lines = f"{live.url}/v1/chat/completions", []
    headers = {"authorization": f"Bearer {key}"}
    with httpx.stream("POST", url, json=body | {"stream": True}, headers=headers) as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if len(lines) == 2:
                ann.get("/account")
                ann.post(f"/account/keys/{key.split('-')[1]}/revoke")
                until(lambda: engine.stats().running == 0, "the reply's end")
    assert "taken back" in "".join(lines) and "[DONE]" not in "".join(lines)

    submit = engine.submit

    def late(request: Request) -> Ticket:  # revoked between the look and the engine
        with live.site.database.writing() as session:
            session.execute(deleting(ApiKey).where(ApiKey.id == other.split("-")[1]))
        return submit(request)

    monkeypatch.setattr(engine, "submit", late)
    assert call(url, body, key=other).status == 401
    assert engine.stats().running == engine.stats().queued == 0


def test_whatever_is_written_for_somebody_can_be_ended_by_name(
    live: LiveSite, ann: tuple[Person, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    who, pair, talk = ann
    live.site.settings = replace(live.site.settings, reply_tokens=2)
    engine, owners = live.site.service.engine, []
    submit = engine.submit

    def noted(request: Request) -> Ticket:
        owners.append(request.owner)
        return submit(request)

    monkeypatch.setattr(engine, "submit", noted)
    who.get("/balanced")
    until(lambda: live.site.views.of("loud") is not None, "the views")
    who.post("/balanced", question="Tea?")
    assert owners and all(owners)
    owners.clear()
    who.post("/chat/say", question="Tea?", pair=pair, talk=talk)
    assert owners == [talk] * 3

    def late(request: Request) -> Ticket:  # forgotten between the look and the engine
        live.site.talks.forget(live.account_of(who).id)
        return submit(request)

    monkeypatch.setattr(engine, "submit", late)
    live.site.settings = replace(live.site.settings, reply_tokens=LONG)
    before = engine.stats().tokens_generated
    who.post("/chat/say", 404, question="Tea?", pair=pair, talk=talk)
    assert engine.stats().tokens_generated - before < 50
