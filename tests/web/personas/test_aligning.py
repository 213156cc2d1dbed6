"""A site's personas are those that the method makes of the same answers, and one person's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from personalign.dataset.mirror import mirrored
from personalign.dataset.people import Respondents
from personalign.errors import AnswersError
from personalign.methods.registry import get_persona_method
from personalign.methods.twin import twin
from personalign.model.persona import Persona
from personalign.web.accounts.sessions import member_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.personas.aligning import Aligner
from personalign.web.personas.removing import remove
from personalign.web.personas.tables import Alignment, StoredPersona
from personalign.web.questionnaire.consent import give, withdraw
from personalign.web.refusals import PageRefusal
from tests.model.loud import make_loud
from tests.web.conftest import LiveSite
from tests.web.personas.sittings import aligned, filled_in, made_with, somebody


@pytest.fixture(scope="module", autouse=True)
def quick(live: LiveSite) -> Iterator[None]:
    """Personas that cost little, where it does not matter which they are."""
    with made_with(live.site, "iti"):
        yield


def row_of(live: LiveSite, number: str) -> Alignment:
    with live.site.database.reading() as session:
        return session.get_one(Alignment, number)


def test_both_personas_are_what_the_method_makes_of_the_answers(live: LiveSite) -> None:
    person, who = somebody(4), live.member()
    with made_with(live.site, "pas"):
        number = aligned(live, who, seed=4)
    with twin(make_loud()) as apart:
        method = get_persona_method("pas", decoder=apart)
        wanted = [method.personas(one)[0].key for one in (person, mirrored(person))]
    row = row_of(live, number)
    shelf = live.site.shelf
    assert [shelf.load(one or "").key for one in (row.persona_id, row.mirrored_id)] == wanted
    assert wanted[0] != wanted[1]


def test_it_is_written_down_and_the_database_does_not_know_the_persona(live: LiveSite) -> None:
    who = live.member()
    number = aligned(live, who)
    with live.site.database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == number)).all()
        assert [entry.action for entry in entries] == ["alignment.begun", "alignment.done"]
        assert {entry.actor for entry in entries} == {live.account_of(who).audit_name}
        kept = session.get_one(StoredPersona, row_of(live, number).persona_id)
        assert b"iti" not in kept.data and b"provenance" not in kept.data


def test_what_may_not_be_aligned_is_refused(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    aligner, model = live.site.aligner, live.site.service.base
    own = live.account_of(ann).id
    with pytest.raises(PageRefusal, match="not_found"):
        aligner.begin(own, filled_in(live, ben, somebody()), model)
    with pytest.raises(PageRefusal, match="not_finished"):
        aligner.begin(own, filled_in(live, ann, somebody(), finished=False), model)
    with pytest.raises(PageRefusal, match="not_understood"):
        aligner.begin(own, filled_in(live, ann, somebody()), "another")
    few = somebody()
    few = few.only(few.inventory.tuning[:20])
    with pytest.raises(AnswersError, match="20 of the 120"):
        aligner.begin(own, filled_in(live, ann, few), model)


def test_one_at_a_time_and_twice_the_same_is_once(live: LiveSite) -> None:
    who, held = live.member(), threading.Event()
    aligner, model = live.site.aligner, live.site.service.base
    own = live.account_of(who).id
    sitting, other = (filled_in(live, who, somebody(seed)) for seed in (1, 2))
    aligner.soon(lambda: held.wait(60), rank=-1)
    number = aligner.begin(own, sitting, model)
    assert aligner.begin(own, sitting, model) == number
    assert aligner.progress(number) == 0.0
    with pytest.raises(PageRefusal, match="aligning"):
        aligner.begin(own, other, model)
    held.set()
    assert aligner.await_done(number).status == "done"
    assert aligner.progress(number) == 1.0


def test_what_a_restart_interrupted_is_failed_and_can_be_begun_again(live: LiveSite) -> None:
    who, held = live.member(), threading.Event()
    site, model = live.site, live.site.service.base
    own, sitting = live.account_of(who).id, filled_in(live, who, somebody())
    site.aligner.soon(lambda: held.wait(60), rank=-1)
    number = site.aligner.begin(own, sitting, model)
    closing = threading.Thread(target=site.aligner.close)
    closing.start()
    held.set()
    closing.join()
    site.aligner = Aligner(site)
    site.aligner.start()
    assert (row_of(live, number).status, row_of(live, number).error) == ("failed", "restarted")
    again = site.aligner.begin(own, sitting, model)
    assert again != number and site.aligner.await_done(again).status == "done"


def test_an_alignment_that_does_not_stop_holds_up_no_closing_and_is_not_kept(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, begun, held = live.member(), threading.Event(), threading.Event()
    site, model = live.site, live.site.service.base
    own, sitting = live.account_of(who).id, filled_in(live, who, somebody())
    left, make = site.aligner, site.aligner.make

    def stuck(model: str, people: Respondents, _progress: object) -> list[Persona]:
        begun.set()
        held.wait(60)
        return make(model, people, lambda *_: None)

    monkeypatch.setattr(left, "make", stuck)
    number = left.begin(own, sitting, model)
    begun.wait(60)
    assert not left.close(seconds=0.05)
    site.aligner = Aligner(site)
    site.aligner.start()
    held.set()
    assert left.close(seconds=60)
    row = row_of(live, number)
    assert (row.status, row.error, row.persona_id) == ("failed", "restarted", None)


def test_a_mistake_of_ours_ends_one_alignment_and_no_other(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = live.member()
    aligner, model = live.site.aligner, live.site.service.base
    own, sitting = live.account_of(who).id, filled_in(live, who, somebody())
    with monkeypatch.context() as patch:
        patch.setattr(Aligner, "make", lambda *_: 1 / 0)
        failed = aligner.await_done(aligner.begin(own, sitting, model))
    assert (failed.status, failed.error) == ("failed", "broken")
    assert aligner.await_done(aligner.begin(own, sitting, model)).status == "done"


def test_what_was_deleted_meanwhile_is_not_kept(live: LiveSite) -> None:
    from personalign.web.accounts.tables import Account

    who, held = live.member(), threading.Event()
    site = live.site
    account = live.account_of(who)
    sitting = filled_in(live, who, somebody())
    site.aligner.soon(lambda: held.wait(60), rank=-1)
    number = site.aligner.begin(account.id, sitting, site.service.base)
    with site.database.writing() as session:
        session.delete(session.get_one(Account, account.id))
    held.set()
    with pytest.raises(Exception, match=r"No row|row was found"):
        site.aligner.await_done(number)
    with site.database.reading() as session:
        found = select(StoredPersona).where(StoredPersona.account_id == account.id)
        assert session.scalars(found).all() == []


def test_what_consent_was_withdrawn_for_is_not_kept(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, held, reached = live.member(), threading.Event(), threading.Event()
    aligner, model = live.site.aligner, live.site.service.base
    own, sitting = live.account_of(who).id, filled_in(live, who, somebody())
    member = member_of(live.site, who.cookie or "")
    assert member is not None
    aligner.soon(lambda: held.wait(60), rank=-1)
    waiting = aligner.begin(own, sitting, model)
    who.get("/consent")
    who.post("/consent/withdraw")
    with pytest.raises(PageRefusal, match="consent"):
        aligner.begin(own, sitting, model)
    held.set()
    aligner.soon(reached.set)
    assert reached.wait(60)

    give(live.site, member)
    usual = aligner.make

    def late(*asked: Any) -> Any:
        made = usual(*asked)
        withdraw(live.site, member)  # in the midst of it, and nobody tells the aligner
        return made

    monkeypatch.setattr(aligner, "make", late)
    running = aligner.begin(own, sitting, model)
    aligner.await_done(running)
    for number in (waiting, running):
        row = row_of(live, number)
        assert (row.status, row.error, row.persona_id) == ("failed", "withdrawn", None)
    with live.site.database.reading() as session:
        found = select(StoredPersona).where(StoredPersona.account_id == own)
        assert session.scalars(found).all() == []


def test_a_removed_persona_is_gone_and_not_open_any_more(live: LiveSite) -> None:
    who = live.member()
    row, site = row_of(live, aligned(live, who)), live.site
    for number in (row.persona_id, row.mirrored_id):
        assert number is not None
        site.shelf.load(number)
        with site.database.writing() as session:
            remove(session, site, session.get_one(StoredPersona, number))
        assert site.shelf.forget(number) is None
    with site.database.reading() as session:
        assert session.get(Alignment, row.id) is None


def test_a_prompt_method_makes_prompt_personas(live: LiveSite) -> None:
    site = live.site
    with made_with(site, "few-shot"):
        row = row_of(live, aligned(live, live.member()))
    persona = site.shelf.load(row.persona_id or "")
    assert persona.system_prompt and not persona.pushes
    with site.database.reading() as session:
        kept = session.get_one(StoredPersona, row.persona_id)
    assert persona.system_prompt.encode()[:40] not in kept.data
