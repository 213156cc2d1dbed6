"""Sharing: one link, one person, to speak and nothing else, until one of the two ends it."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

from sqlalchemy import select

from personalign.server.engine import Engine
from personalign.web.accounts.tables import Share
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.base import now
from personalign.web.personas.access import may_speak, personas_for
from personalign.web.personas.served import api_name
from personalign.web.personas.tables import StoredPersona
from tests.server.live import call, until
from tests.web.conftest import LiveSite
from tests.web.people import keep_persona
from tests.web.reading import Read
from tests.web.visiting import Person, words_of


def offer(ann: Person, persona: StoredPersona) -> str:
    """The path of a fresh link to a persona of Ann's."""
    page = ann.get(f"/shares/new?persona={persona.id}")
    assert "may talk with this persona" in words_of(page)
    found = re.search(r"/shares/[A-Za-z0-9_-]{43}", ann.post("/shares", persona=persona.id))
    assert found, "the link is shown"
    return found[0]


def share(ann: Person, persona: StoredPersona, ben: Person) -> None:
    link = offer(ann, persona)
    ben.get(link)
    ben.post(f"{link}/accept")


def end(person: Person, status: int = 200) -> str:
    """End the first share on somebody's page."""
    found = re.search(r"/shares/[\w-]{22}/end", person.get("/account"))
    assert found, "there is a share"
    return person.post(found[0], status)


def speaks(live: LiveSite, person: Person, persona: StoredPersona) -> bool:
    with live.site.database.reading() as session:
        return may_speak(session, live.account_of(person).id, persona.id)


def test_who_accepts_may_speak_until_the_owner_revokes(live: LiveSite) -> None:
    ann, ben, cat = live.member(), live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    own = keep_persona(live.site, live.account_of(ben).id)
    handle = live.account_of(ann).handle
    link = offer(ann, persona)
    assert not speaks(live, ben, persona), "a link alone opens nothing"
    assert handle in ben.get(link)
    ben.post(f"{link}/accept")
    assert speaks(live, ben, persona) and not speaks(live, cat, persona)
    with live.site.database.reading() as session:
        told = [(p.id, o) for p, o in personas_for(session, live.account_of(ben).id)]
    assert told == [(own.id, None), (persona.id, handle)]
    assert live.account_of(ben).handle in ann.get("/account"), "the owner sees who"
    key = ben.api_key()
    name = f"loud:{api_name(persona.id)}"
    assert call(f"{live.url}/v1/models/{name}", key=key).status == 200
    end(ann)
    assert not speaks(live, ben, persona) and speaks(live, ann, persona)
    assert call(f"{live.url}/v1/models/{name}", key=key).status == 404


def test_a_link_is_followed_once_and_not_by_its_maker(live: LiveSite) -> None:
    ann, ben, cat = live.member(), live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    link = offer(ann, persona)
    assert "your own link" in words_of(ann.get(link, 409))
    ann.post(f"{link}/accept", 409)
    ben.get(link)
    ben.post(f"{link}/accept")
    assert "opens nothing" in words_of(cat.get(link, 404))
    cat.post(f"{link}/accept", 404)
    again = offer(ann, persona)
    ben.get(again)
    ben.post(f"{again}/accept", 409)
    stranger = live.person()
    assert "Sign in" in words_of(stranger.get(again)), "only signed in"


def test_who_has_no_account_yet_comes_to_the_offer_after_signing_up(live: LiveSite) -> None:
    ann, new = live.member(), live.person()
    link = offer(ann, keep_persona(live.site, live.account_of(ann).id))
    page = new.get(link)
    assert "Somebody lets you talk" in words_of(page)
    sign_up = next(one for one in Read(page).links if one.startswith("/sign-up"))
    assert f'name="next" value="{link}"' in new.get(sign_up)
    new.post("/sign-up", next=link)
    done = re.search(r"/shown/[\w-]{22}/done", page_of(new))
    assert done and live.account_of(ann).handle in new.post(done[0])
    assert new.last.url.path == link
    elsewhere = live.person()
    elsewhere.get("/sign-up")
    elsewhere.post("/sign-up", next="//evil.example")
    done = re.search(r"/shown/[\w-]{22}/done", page_of(elsewhere))
    assert done and elsewhere.post(done[0]) and elsewhere.last.url.path == "/consent"


def page_of(person: Person) -> str:
    return person.last.text


def test_the_persona_that_is_shared_is_named_and_ones_own_comes_first(live: LiveSite) -> None:
    ann = live.member()
    own = keep_persona(live.site, live.account_of(ann).id)
    mirror = keep_persona(live.site, live.account_of(ann).id)
    with live.site.database.writing() as session:
        session.get_one(StoredPersona, mirror.id).kind = "mirrored"
    first, second = re.findall(r'<option value="([\w-]{22})"( selected)?>', ann.get("/account"))
    assert first == (own.id, " selected") and second == (mirror.id, "")
    for persona, name in ((own, "Shifted towards your answers"), (mirror, "Your mirror image")):
        facts = f"{name} loud, {persona.created_at:%Y-%m-%d}"
        assert facts in words_of(ann.get(f"/shares/new?persona={persona.id}"))
        assert facts in words_of(ann.post("/shares", persona=persona.id))


def test_of_several_who_follow_a_link_at_once_one_gets_it(live: LiveSite) -> None:
    ann = live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    link, others = offer(ann, persona), [live.member() for _ in range(4)]
    for other in others:
        other.get(link)
    statuses: list[int] = []

    def follow(person: Person) -> None:
        data = {"form_token": person.token}
        statuses.append(person.http.post(f"{link}/accept", data=data).status_code)

    threads = [threading.Thread(target=follow, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [200, 404, 404, 404]
    assert sum(speaks(live, other, persona) for other in others) == 1


def test_a_link_ends_when_it_is_taken_back_or_too_old(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    back, old = offer(ann, persona), ""
    end(ann)
    ben.get(back, 404)
    old = offer(ann, persona)
    with live.site.database.writing() as session:
        rows = session.scalars(select(Share).where(Share.persona_id == persona.id))
        for row in rows:
            row.created_at = now() - timedelta(days=8)
    ben.get(old, 404)
    ben.post(f"{old}/accept", 404)


def test_the_recipient_may_give_it_back_and_nobody_else_ends_it(live: LiveSite) -> None:
    ann, ben, cat = live.member(), live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    share(ann, persona, ben)
    found = re.search(r"/shares/[\w-]{22}/end", ann.get("/account"))
    assert found
    cat.get("/account")
    cat.post(found[0], 404)
    assert speaks(live, ben, persona)
    end(ben)
    assert not speaks(live, ben, persona)


def test_a_share_gives_no_right_to_share_on_or_to_make_links_of_others(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    share(ann, persona, ben)
    ben.get(f"/shares/new?persona={persona.id}", 404)
    ben.post("/shares", 404, persona=persona.id)


def test_a_persona_of_words_is_shared_with_a_warning(live: LiveSite) -> None:
    ann = live.member()
    plain = keep_persona(live.site, live.account_of(ann).id)
    told = keep_persona(live.site, live.account_of(ann).id, prompt="You are sad.")
    assert "repeat them" not in words_of(ann.get(f"/shares/new?persona={plain.id}"))
    assert "repeat them" in words_of(ann.get(f"/shares/new?persona={told.id}"))


def test_revoking_ends_the_reply_that_is_being_written(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    share(ann, persona, ben)
    key, engine = ben.api_key(), live.site.service.engine
    assert isinstance(engine, Engine)
    statuses: list[int] = []
    told = [{"role": "user", "content": "Tell me everything."}]
    body = {"model": f"loud:{api_name(persona.id)}", "messages": told, "max_tokens": 4000}

    def ask() -> None:
        statuses.append(call(f"{live.url}/v1/chat/completions", body, key=key).status)

    page = ann.get("/account")
    found = re.search(r"/shares/[\w-]{22}/end", page)
    assert found
    with engine.alone():  # the reply waits here until it is revoked
        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: engine.stats().queued + engine.stats().running > 0, "asking")
        revoking = threading.Thread(target=ann.post, args=(found[0],))
        revoking.start()
        until(lambda: not speaks(live, ben, persona), "revoking")
    asking.join(60), revoking.join(60)
    assert statuses in ([503], [404]), "cancelled, or seen to be revoked when the engine had it"
    until(lambda: engine.stats().slots_held == 0, "leaving")


def test_sharing_is_written_down(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = keep_persona(live.site, live.account_of(ann).id)
    share(ann, persona, ben)
    end(ann)
    names = {live.account_of(one).audit_name for one in (ann, ben)}
    with live.site.database.reading() as session:
        rows = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.actor.in_(names), AuditEntry.action.startswith("share."))
            .order_by(AuditEntry.number)
        ).all()
    assert [row.action for row in rows] == ["share.offered", "share.accepted", "share.revoked"]
    assert len({row.subject for row in rows}) == 1
