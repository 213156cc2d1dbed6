"""Keys are rotated under a running site: nothing is lost, everybody finds their account, and the
dropped key opens nothing."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from personalign.errors import SiteError
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import verify
from personalign.web.database import reseal as resealing
from personalign.web.database.base import new_id, now, unseal
from personalign.web.database.reseal import nobody_writes, reseal, sealed_columns, sealed_with
from personalign.web.database.tables import METADATA
from personalign.web.questionnaire.sheets import put_answers, read_sheet
from personalign.web.questionnaire.tables import Answer, Sitting
from personalign.web.vault import Vault, new_key, read_keys, write_keys
from tests.web.conftest import LiveSite


def filled(live: LiveSite, answers: int = 120) -> Sitting:
    """A sitting with answers, each 1 + its item's number modulo 5."""
    account = live.account_of(live.member())
    sitting = Sitting(
        id=new_id(),
        account_id=account.id,
        form="300",
        language="en",
        started_at=now(),
        changed_at=now(),
    )
    with live.site.database.writing() as session:
        session.add(sitting)
        session.flush()
        put_answers(
            session, live.site.vault, sitting, {n: 1 + n % 5 for n in range(1, answers + 1)}
        )
    return sitting


def answers_of(live: LiveSite, vault: Vault, sitting: Sitting) -> list[int | None]:
    with live.site.database.reading() as session:
        return list(read_sheet(session, vault, sitting).answers)


def add_key(live: LiveSite) -> Vault:
    """A new newest key in the site's file; gives a vault of the whole file."""
    file = live.site.settings.keys
    write_keys(file, [new_key(), *read_keys(file)])
    return Vault(read_keys(file))


def test_every_table_with_something_personal_has_sealed_columns() -> None:
    tables = {table.name for table, _ in sealed_columns()}
    assert {"answer", "sitting", "persona", "turn", "conversation", "report", "pack"} <= tables
    assert tables <= set(METADATA.tables)


def test_what_was_sealed_comes_back_after_a_rotation(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 50)  # several batches
    sitting, site = filled(live), live.site
    before = answers_of(live, site.vault, sitting)
    vault = add_key(live)
    seen: list[tuple[int, int]] = []
    done = reseal(site.database, vault, progress=lambda *at: seen.append(at))
    assert done >= 120 and seen[-1][0] == done and len(seen) >= 3
    with site.database.reading() as session:
        assert set(sealed_with(session)) == {vault.keys[0].id}
    assert answers_of(live, Vault(vault.keys[:1]), sitting) == before
    assert answers_of(live, site.vault, sitting) == before, "the running site knows the new key"
    assert reseal(site.database, vault) == 0


def test_what_was_interrupted_goes_on(live: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "BATCH", 50)
    sitting, site = filled(live), live.site
    before = answers_of(live, site.vault, sitting)
    vault = add_key(live)

    def stop(done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reseal(site.database, vault, progress=stop)
    with site.database.reading() as session:
        assert len(sealed_with(session)) == 2
    assert answers_of(live, vault, sitting) == before
    reseal(site.database, vault)
    assert answers_of(live, Vault(vault.keys[:1]), sitting) == before


def test_people_go_on_answering_while_everything_is_sealed_anew(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 20)
    sitting, site = filled(live, 300), live.site
    said: dict[int, int] = {}
    stop, failed = threading.Event(), list[BaseException]()

    def answering() -> None:
        number = 0
        try:
            while not stop.is_set():
                number = number % 300 + 1
                with site.database.writing() as session:
                    put_answers(session, site.vault, sitting, {number: 5 - number % 5})
                said[number] = 5 - number % 5
        except BaseException as error:
            failed.append(error)

    person = threading.Thread(target=answering)
    person.start()
    vault = add_key(live)
    reseal(site.database, vault)
    stop.set()
    person.join(60)
    assert not failed and said
    answers = answers_of(live, Vault(vault.keys[:1]), sitting)
    assert [answers[number - 1] for number in said] == list(said.values())


def test_a_dropped_key_still_finds_accounts_and_checks_the_log(live: LiveSite) -> None:
    ann, site = live.member(), live.site
    own = live.account_of(ann).id
    add_key(live)
    file = site.settings.keys
    reseal(site.database, Vault(read_keys(file)))
    with nobody_writes(site.database):
        newest, *rest = read_keys(file)
        write_keys(file, [newest, *(key.signing for key in rest)])
    again = live.person()
    again.sign_in(ann.phrase)
    assert live.account_of(again).id == own
    with site.database.reading() as session:
        assert verify(session, Vault(read_keys(file))).problem is None
        lookup = session.scalars(select(Account.lookup).where(Account.id == own)).one()
    third = live.person()
    third.sign_in(ann.phrase)
    with site.database.reading() as session:
        assert session.scalars(select(Account.lookup).where(Account.id == own)).one() == lookup


def test_a_form_that_was_open_during_a_rotation_counts(live: LiveSite) -> None:
    ann = live.member()
    ann.get("/")
    add_key(live)
    ann.post("/language", language="de", back="/")
    assert live.account_of(ann).language == "de"


def test_a_value_that_does_not_open_stops_it_with_its_place(live: LiveSite) -> None:
    sitting, site = filled(live, 3), live.site
    with site.database.writing() as session:
        rows = session.scalars(
            select(Answer).where(Answer.sitting_id == sitting.id).order_by(Answer.item)
        ).all()
        rows[0].value, kept = rows[1].value, rows[0].value
    vault = add_key(live)
    with pytest.raises(SiteError, match=f"answer/value/{sitting.id}/1"):
        reseal(site.database, vault)
    with site.database.writing() as session:
        session.get_one(Answer, (sitting.id, 1)).value = kept
    reseal(site.database, vault)
    with site.database.reading() as session:
        assert unseal(vault, session.get_one(Answer, (sitting.id, 1)), "value") == b"2"
