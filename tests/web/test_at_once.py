"""Two forms at once on PostgreSQL: what was read is still so when it is acted on.

SQLite's writers go one after another by themselves; there the same laws hold without a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import func, select

from personalign.inventory.items import ipip_neo_120
from personalign.web.accounts import sharing
from personalign.web.accounts.sessions import member_of
from personalign.web.chat import kept, pages
from personalign.web.chat.tables import Conversation, Turn
from personalign.web.privacy.deleting import delete_account
from personalign.web.questionnaire import consent, sittings
from personalign.web.questionnaire.tables import Consent, Sitting
from personalign.web.study import inviting, rater_pages
from personalign.web.study.tables import Invitation, Rating, Study
from personalign.web.vault import new_key, write_keys
from tests.web.conftest import LiveSite, live_site
from tests.web.owning import talked
from tests.web.people import keep_persona
from tests.web.personas.sittings import aligned
from tests.web.questionnaire.filling import begin as begin_form
from tests.web.questionnaire.filling import consenting
from tests.web.study.conftest import hand_in, some_pairs
from tests.web.visiting import Person

HELD_SECONDS = 0.3
"""How long a form is held in the middle where the other one waits for it."""

Form = Callable[[], int]


@pytest.fixture(scope="module")
def live(
    postgresql: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    folder = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    with live_site(folder, postgresql(), method="facet-prompt", reply_tokens=2) as one:
        yield one


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Sends two forms at once; gives their statuses.

    The first to call `module.name` is held there until the other one has ended, or waits for it.
    """

    def both(module: ModuleType, name: str, first: Form, second: Form) -> list[int]:
        inside, ended, usual = threading.Event(), threading.Event(), getattr(module, name)

        def held(*given: Any, **rules: Any) -> Any:
            if not inside.is_set():
                inside.set()
                ended.wait(HELD_SECONDS)
            return usual(*given, **rules)

        got = [0, 0]

        def send(place: int, form: Form) -> None:
            got[place] = form()

        with monkeypatch.context() as patched:
            patched.setattr(module, name, held)
            one = threading.Thread(target=send, args=(0, first))
            one.start()
            assert inside.wait(30), f"nothing came to {name}"
            other = threading.Thread(target=send, args=(1, second))
            other.start()
            other.join(HELD_SECONDS)
            if not other.is_alive():
                ended.set()
            one.join(30)
            other.join(30)
        return got

    return both


def form(person: Person, path: str, **fields: Any) -> Form:
    """A form that somebody sends; gives the status, without following anywhere."""
    data = {"form_token": person.token} | fields
    return lambda: person.http.post(path, data=data, follow_redirects=False).status_code


def browser(live: LiveSite, person: Person) -> Person:
    """Another browser that is signed in by the same cookie: each sends one form at a time."""
    other = live.person()
    other.http.cookies.set("personalign", person.cookie or "")
    other.get("/account")
    return other


def count(live: LiveSite, *where: Any) -> int:
    with live.site.database.reading() as session:
        return session.scalar(select(func.count()).where(*where)) or 0


def test_no_word_of_a_kept_conversation_is_lost(live: LiveSite, at_once: Any) -> None:
    ann = consenting(live)
    phone, pair = browser(live, ann), aligned(live, ann)
    own = Conversation.account_id == live.account_of(ann).id
    asked = (Turn.conversation_id == Conversation.id, own, Turn.speaker == "person")
    talk = talked(ann, pair)
    say = [form(one, "/chat/say", question="?", pair=pair, talk=talk) for one in (ann, phone)]
    keep = [form(one, "/chat/keep", talk=talk) for one in (ann, phone)]
    assert at_once(pages, "append", keep[0], say[1]) == [303, 303]
    assert count(live, *asked) == 2, "what is said while it is being kept"
    with live.site.database.reading() as session:
        number = session.scalars(select(Conversation.id).where(own)).one()
    phone.get(f"/chat/kept/{number}")  # taken up again, so that each asks in a copy of their own
    copy = str(phone.last.url).rpartition("/")[2]
    say[1] = form(phone, "/chat/say", question="?", pair=pair, talk=copy)
    assert at_once(kept, "seal", *say) == [303, 303]
    assert count(live, *asked) == 4, "two questions at once"
    talk = talked(ann, pair)
    assert at_once(pages, "append", *[form(p, "/chat/keep", talk=talk) for p in (ann, phone)])
    assert count(live, own) == 2, "one conversation is kept once"


def test_a_finished_questionnaire_stays_as_it_is(live: LiveSite, at_once: Any) -> None:
    ann = live.member()
    phone, account = browser(live, ann), live.account_of(ann)
    assert at_once(consent, "append", *[form(p, "/consent") for p in (ann, phone)]) == [303, 303]
    assert count(live, Consent.account_id == account.id) == 1
    twice = [form(one, "/questionnaire", form="120") for one in (ann, phone)]
    assert at_once(sittings, "new_id", *twice) == [303, 303]
    with live.site.database.reading() as session:
        number = session.scalars(select(Sitting.id).where(Sitting.account_id == account.id)).one()
    member = member_of(live.site, ann.cookie or "")
    assert member is not None

    def answer(value: int) -> int:
        every = {item.number: value for item in ipip_neo_120()}
        sittings.save(live.site, member, number, every)
        return value

    answer(3)
    finish = form(phone, f"/questionnaire/{number}/finish")
    assert at_once(sittings, "put_answers", lambda: answer(4), finish) == [4, 303]
    with live.site.database.reading() as session:
        row = session.get_one(Sitting, number)
    assert row.changed_at == row.finished_at


def test_deleting_an_account_waits_for_answers_on_their_way(live: LiveSite, at_once: Any) -> None:
    ann = consenting(live)
    account, number = live.account_of(ann), begin_form(ann)
    tick = form(ann, f"/questionnaire/{number}?page=1", **{"item-1": "3"})
    tick()
    deleting = at_once(sittings, "put_answers", tick, lambda: delete_account(live.site, account.id))
    assert deleting == [303, True]
    assert not count(live, Sitting.account_id == account.id)


def test_a_study_has_one_link_a_rater_and_no_vote_after_its_end(
    live: LiveSite, at_once: Any
) -> None:
    held = hand_in(live, *some_pairs(prompts=2))
    researcher, path = held.researcher, held.path
    researcher.get(path)
    many = [form(one, f"{path}/links", many=2) for one in (researcher, browser(live, researcher))]
    assert at_once(inviting, "new_id", *many) == [303, 303]
    assert count(live, Invitation.study_id == held.id) == 4
    ann = live.member()
    one, other = held.invite(2)
    takes = [
        form(p, f"{link}/begin", agreed="yes")
        for p, link in zip((ann, browser(live, ann)), (one, other), strict=True)
    ]
    assert at_once(rater_pages, "append", *takes) == [303, 409]
    assert count(live, Invitation.account_id == live.account_of(ann).id) == 1
    researcher.get(path)
    votes = form(ann, f"{one}/pairs/1", vote="A")
    assert at_once(rater_pages, "vote", votes, form(researcher, f"{path}/close")) == [303, 303]
    study = (Study.id == held.id, Invitation.study_id == Study.id)
    given = (*study, Rating.invitation_id == Invitation.id)
    assert count(live, *given) == 1
    assert count(live, *given, Rating.voted_at > Study.closed_at) == 0


def test_of_two_links_to_a_persona_one_is_followed(live: LiveSite, at_once: Any) -> None:
    owner, ann = live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(owner).id)
    owning = member_of(live.site, owner.cookie or "")
    links = [sharing.make_link(live.site, owning, persona.id) for _ in range(2)]
    takes = [
        form(p, f"/shares/{link}/accept")
        for p, link in zip((ann, browser(live, ann)), links, strict=True)
    ]
    assert at_once(sharing, "append", *takes) == [303, 409]
