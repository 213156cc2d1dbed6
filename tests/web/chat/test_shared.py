"""A shared persona in the chat: it speaks there under a name of its own, and only while shared."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.server.engine import Engine
from personalign.server.requests import Request, Ticket
from personalign.web.accounts.tables import Share
from personalign.web.chat.talks import Talk
from personalign.web.personas.pairs import pairs_of, spoken_with
from personalign.web.personas.served import api_name
from personalign.web.personas.tables import StoredPersona
from personalign.web.reports.tables import Report
from tests.model.loud import make_loud
from tests.server.live import call, until
from tests.web.conftest import LiveSite
from tests.web.people import keep_persona, share_with
from tests.web.visiting import words_of

TOKENS = 12
QUESTION = "What would you do with a free Saturday?"


@pytest.fixture(autouse=True)
def short_replies(live: LiveSite) -> Iterator[None]:
    """Replies of a few tokens."""
    usual, live.site.settings = live.site.settings, replace(live.site.settings, reply_tokens=TOKENS)
    yield
    live.site.settings = usual


class Friends:
    """Ann, who shares a persona, and Ben, who may speak with it."""

    def __init__(self, live: LiveSite) -> None:
        self.live, self.ann, self.ben = live, live.member(), live.member()
        self.stored = keep_persona(live.site, live.account_of(self.ann).id)
        self.begin()

    def begin(self) -> None:
        """Ben has accepted."""
        site, ben = self.live.site, self.live.account_of(self.ben)
        self.share = share_with(site, self.stored, ben.id)

    def end(self) -> None:
        """The share goes from the database, and the engine is told nothing."""
        with self.live.site.database.writing() as session:
            session.delete(session.get_one(Share, self.share))

    @property
    def shared(self) -> bool:
        with self.live.site.database.reading() as session:
            return session.get(Share, self.share) is not None

    @property
    def persona(self) -> Persona:
        return self.live.site.shelf.load(self.stored.id)

    @property
    def handle(self) -> str:
        return self.live.account_of(self.ann).handle

    def ask(self, status: int = 200, **fields: Any) -> str:
        """Ben asks."""
        self.ben.get("/chat/kept")
        sent = {"question": QUESTION, "pair": self.share} | fields
        return self.ben.post("/chat/say", status, **sent)

    def talk(self) -> Talk:
        found = self.live.site.talks.newest(self.live.account_of(self.ben).id)
        assert found is not None
        return found

    def revoke(self) -> None:
        """Ann does."""
        self.ann.get("/account")
        self.ann.post(f"/shares/{self.share}/end")


@pytest.fixture
def friends(live: LiveSite) -> Friends:
    return Friends(live)


def plainly(persona: Persona) -> str:
    return generate(make_loud(), persona, QUESTION, max_new_tokens=TOKENS)[0].strip()


def test_it_says_what_the_persona_says_and_is_never_called_ones_own(friends: Friends) -> None:
    page = words_of(friends.ask())
    heard = {reply.speaker: reply.text for reply in friends.talk().rounds[0].replies}
    assert heard == {"base": plainly(PLAIN), "shared": plainly(friends.persona)}
    assert heard["base"] != heard["shared"]
    assert f"shared by {friends.handle}" in page
    assert "A persona shared with you" in page
    for others in ("Shifted towards your answers", "your own answers", "opposite"):
        assert others not in page
    friends.ask(view="shared", alpha="0")
    assert [(r.speaker, r.text) for r in friends.talk().rounds[0].replies] == [
        ("shared", plainly(PLAIN))
    ]


def test_who_accepts_meets_it_and_finds_it_again(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    ann.get(f"/shares/new?persona={persona.id}")
    link = re.search(r"/shares/[A-Za-z0-9_-]{43}", ann.post("/shares", persona=persona.id))
    assert link and "/chat?pair=" not in ben.get("/personas")
    ben.get(link[0])
    page = ben.post(f"{link[0]}/accept")
    handle = live.account_of(ann).handle
    assert "You can talk with this persona now" in words_of(page)
    assert f"shared by {handle}" in words_of(page)
    for path in ("/personas", "/account"):
        found = re.search(r'href="(/chat\?pair=[\w-]{22})"', ben.get(path))
        assert found and handle in words_of(ben.get(found[1]))
    assert handle in words_of(ben.get("/chat")), "without one of their own, it is who they talk to"


def test_it_is_the_owners_alone_to_delete_and_to_take_along(friends: Friends) -> None:
    live, ben = friends.live, friends.ben
    ben.get("/personas")
    ben.post(f"/personas/{friends.stored.id}/delete", 404)
    account = live.account_of(ben).id
    with live.site.database.reading() as session:
        assert session.get(StoredPersona, friends.stored.id) is not None
        assert pairs_of(session, account) == []
        (pair,) = spoken_with(session, account)
    assert (pair.id, pair.owner, pair.sitting_id) == (friends.share, friends.handle, None)


def test_revoking_ends_the_conversation_and_leaves_what_was_said(friends: Friends) -> None:
    ben = friends.ben
    friends.ask()
    talk = friends.talk()
    ben.post("/chat/keep", talk=talk.id)
    said = plainly(friends.persona)
    friends.revoke()
    page = ben.get(f"/chat/talk/{talk.id}")
    assert "is no longer shared with you" in words_of(page)
    assert 'id="say"' not in page
    friends.ask(404, talk=talk.id)
    friends.ask(404)
    again = ben.get(f"/chat/kept/{talk.kept_id}")
    assert 'id="say"' not in again and friends.talk().rounds[0].replies[1].text == said


def test_a_kept_conversation_goes_on_as_long_as_it_is_shared(friends: Friends) -> None:
    friends.ask()
    friends.ben.post("/chat/keep", talk=friends.talk().id)
    friends.live.site.talks.forget(friends.live.account_of(friends.ben).id)
    kept = re.search(r"/chat/kept/[\w-]{22}", friends.ben.get("/chat/kept"))
    assert kept and 'id="say"' in friends.ben.get(kept[0])
    friends.ask(talk=friends.talk().id, question="Why?")
    assert [len(round_.replies) for round_ in friends.talk().rounds] == [2, 2]


def test_what_is_read_for_one_account_is_found_by_no_other(
    friends: Friends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the shared persona, whose prompt is its owner's, nor for the plain model."""
    live, carl = friends.live, friends.live.member()
    engine, share = (
        live.site.service.engine,
        share_with(live.site, friends.stored, live.account_of(carl).id),
    )
    askers: list[str] = []
    submit = engine.submit

    def spied(request: Request) -> Ticket:
        askers.append(request.asker)
        return submit(request)

    monkeypatch.setattr(engine, "submit", spied)
    for _ in range(2):
        friends.ask()
    carl.get("/chat/kept")
    carl.post("/chat/say", question=QUESTION, pair=share)
    assert len(askers) == 6 and set(askers[:2]) == set(askers[2:4])
    assert len(set(askers)) == 4 and all(askers)


def test_revoking_ends_the_reply_that_is_being_written(friends: Friends) -> None:
    live, engine = friends.live, friends.live.site.service.engine
    assert isinstance(engine, Engine)
    live.site.settings = replace(live.site.settings, reply_tokens=4000)
    friends.ann.get("/account")
    page: list[str] = []
    asking = threading.Thread(target=lambda: page.append(friends.ask(view="shared")))
    with engine.alone():  # the reply waits here until it is revoked
        asking.start()
        until(lambda: engine.stats().queued + engine.stats().running > 0, "asking")
        revoking = threading.Thread(target=friends.revoke)
        revoking.start()
        until(lambda: not friends.shared, "revoking")
    asking.join(60), revoking.join(60)
    assert "is no longer shared" in words_of(page[0])
    assert [reply.problem for reply in friends.talk().rounds[0].replies] == ["persona_gone"]
    until(lambda: engine.stats().slots_held == 0, "leaving")


def test_revoking_between_the_look_and_the_engine_is_seen(
    friends: Friends, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, key = friends.live, friends.ben.api_key()
    engine, model = live.site.service.engine, f"loud:{api_name(friends.stored.id)}"
    submit = engine.submit

    def late(request: Request) -> Ticket:
        friends.end()
        return submit(request)

    monkeypatch.setattr(engine, "submit", late)
    friends.ask(view="shared")
    (reply,) = friends.talk().rounds[0].replies
    assert (reply.problem, reply.text) == ("persona_gone", "")
    assert engine.stats().slots_used == 0, "nothing of it is left on the device"
    chat = {"messages": [{"role": "user", "content": QUESTION}]}
    for path, body in {"chat/completions": chat, "completions": {"prompt": QUESTION}}.items():
        friends.begin()
        assert call(f"{live.url}/v1/{path}", body | {"model": model}, key=key).status == 404, path
        assert engine.stats().slots_used == 0, path


def test_a_reply_of_it_is_reported_as_somebody_elses(friends: Friends) -> None:
    page = friends.ask(view="shared")
    form = re.search(r'<form[^>]*action="/reports/new".*?</form>', page, re.DOTALL)
    assert form
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    fields.pop("form_token")
    page = friends.ben.post("/reports/new", **fields)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    fields.pop("form_token")
    friends.ben.post("/reports", category="other", comment="", **fields)
    account = friends.live.account_of(friends.ben).id
    with friends.live.site.database.reading() as session:
        speakers = session.scalars(select(Report.speaker).where(Report.account_id == account)).all()
    assert speakers == ["other"]
