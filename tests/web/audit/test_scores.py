"""Scores by group are the aligned scores of the same people, and nobody stands out of a group."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.evaluation.aligned import aligned_score
from personalign.inventory.items import ipip_neo_300
from personalign.methods.reference import Constant, FacetMean
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from personalign.web.accounts.sessions import new_account
from personalign.web.accounts.tables import Account
from personalign.web.audit import scores
from personalign.web.audit.scores import (
    MINIMUM,
    ModelScores,
    ask_personas,
    from_text,
    group_table,
    score_by_group,
    to_text,
)
from personalign.web.audit.tables import ScoreRun
from personalign.web.database.base import new_id, now, seal, unsealed_text
from personalign.web.privacy.deleting import delete_account
from personalign.web.questionnaire.consent import VERSION
from personalign.web.questionnaire.sheets import put_answers
from personalign.web.questionnaire.tables import Consent, Sitting
from tests.model.conftest import some_shift
from tests.web.conftest import LiveSite
from tests.web.visiting import words_of

PEOPLE = simulate(2 * MINIMUM, seed=3)
SEXES = ["female"] * MINIMUM + ["male"] * MINIMUM
HELD_OUT = ipip_neo_300().held_out


def persona_of(decoder: Decoder, place: int) -> Persona:
    provenance = {**decoder.provenance, "method": "pas"}
    return Persona(shift=some_shift(decoder, seed=place), alpha=1.0, provenance=provenance)


def add_person(
    live: LiveSite,
    place: int,
    *,
    form: str = "300",
    about: str | None = None,
    left_out: bool = False,
    withdrawn: bool = False,
    version: str | None = None,
    kind: str = "mine",
    retaken: bool = False,
) -> str:
    """One of PEOPLE with an account, answers and a persona; gives the account's id."""
    site = live.site
    with site.database.writing() as session:
        account = new_account(session, "en")
        session.flush()
        session.add(
            Consent(
                id=new_id(),
                account_id=account.id,
                version=VERSION if version is None else version,
                language="en",
                given_at=now(),
                withdrawn_at=now() if withdrawn else None,
            )
        )

        def sitting() -> Sitting:
            made = Sitting(
                id=new_id(),
                account_id=account.id,
                form=form,
                language="en",
                started_at=now(),
                changed_at=now(),
                finished_at=now(),
            )
            told = json.dumps({"sex": SEXES[place], "age": 20 + place}) if about is None else about
            seal(site.vault, made, "about", told)
            session.add(made)
            session.flush()
            return made

        own = sitting()
        items = ipip_neo_300() if form == "300" else ipip_neo_300().tuning
        answers = {item.number: int(PEOPLE.responses[place, item.number - 1]) for item in items}
        put_answers(session, site.vault, own, answers | ({7: 0} if left_out else {}))
        site.shelf.keep(
            session,
            persona_of(site.service.decoder, place),
            account_id=account.id,
            sitting_id=own.id,
            kind=kind,
            model=site.service.base,
        )
        if retaken:
            put_answers(session, site.vault, sitting(), answers)
        return account.id


@pytest.fixture
def empty(live: LiveSite) -> LiveSite:
    """The site without the people of other tests."""
    with live.site.database.writing() as session:
        session.execute(delete(Account).where(Account.id.in_(select(Sitting.account_id))))
    return live


def scored(live: LiveSite) -> ModelScores:
    (found,) = score_by_group(ask_personas(live.site))
    return found


def test_each_group_has_the_aligned_score_of_its_people(empty: LiveSite) -> None:
    for place in range(len(PEOPLE)):
        add_person(empty, place)
    found = scored(empty)
    decoder = empty.site.service.decoder
    with empty.site.service.engine.alone():
        personas = [persona_of(decoder, place) for place in range(len(PEOPLE))]
        answers = answer_items(decoder, personas, HELD_OUT).responses()
    assert len({tuple(row) for row in answers}) > 1, "the personas differ"
    known = PEOPLE.only(PEOPLE.inventory.tuning)
    expected = {
        "aligned": answers,
        "constant": Constant(3).predict(known, HELD_OUT),
        "facet_mean": FacetMean().predict(known, HELD_OUT),
    }
    by_sex = found.tables[0]
    assert [group.name for group in by_sex.groups] == ["female", "male"]
    assert (by_sex.outside, found.model, found.method) == (0, "loud", "pas")
    for group, who in (
        (found.everybody, slice(None)),
        (by_sex.groups[0], slice(0, MINIMUM)),
        (by_sex.groups[1], slice(MINIMUM, None)),
    ):
        for row, predicted in expected.items():
            score = aligned_score(predicted[who], PEOPLE.select(who), HELD_OUT)
            mean = getattr(group, row)
            assert mean.mean == pytest.approx(score.composite, abs=6e-4)
            assert (mean.low, mean.high) == pytest.approx(score.ci95, abs=6e-4)
        assert group.people == len(PEOPLE.select(who))
    assert [(group.name, group.people) for group in found.tables[1].groups] == [("20-29", 10)]
    assert from_text(to_text([found])) == (found,)


def test_who_cannot_be_scored_is_not(empty: LiveSite) -> None:
    for place in range(MINIMUM - 1):
        add_person(empty, place)
    spoilt: dict[str, dict[str, Any]] = {
        "the short form": {"form": "120"},
        "neither sex nor age given": {"about": "{}"},
        "an item left out": {"left_out": True},
        "consent withdrawn": {"withdrawn": True},
        "consent to a text that did not tell of it": {"version": "1"},
        "only the mirror image": {"kind": "mirrored"},
        "answered anew since": {"retaken": True},
    }
    for what, settings_of_person in spoilt.items():
        add_person(empty, MINIMUM, **settings_of_person)
        assert score_by_group(ask_personas(empty.site)) == [], what
    add_person(empty, MINIMUM)
    assert scored(empty).everybody.people == MINIMUM


def test_a_run_keeps_group_means_sealed_and_the_page_shows_them(empty: LiveSite) -> None:
    accounts = [add_person(empty, place) for place in range(len(PEOPLE))]
    admin = empty.member("admin")
    admin.get("/admin/audit-report")
    assert "has begun" in words_of(admin.post("/admin/scores"))
    assert empty.site.scoring.wait().status == "done"
    assert "People asked: 10" in words_of(admin.get("/admin/scores"))
    with empty.site.database.reading() as session:
        run = session.scalars(select(ScoreRun).order_by(ScoreRun.made_at.desc())).first()
    assert run is not None and b"female" not in run.data
    text = unsealed_text(empty.site.vault, run, "data")
    assert not any(account in text for account in accounts)
    (found,) = from_text(text)
    page = words_of(admin.get("/admin/audit-report"))
    for group in (found.everybody, *found.tables[0].groups):
        assert f"{group.people} {group.aligned.mean:.2f} ({group.aligned.low:.2f}–" in page
        assert f"{group.constant.mean:.2f} ({group.constant.low:.2f}–" in page


@pytest.mark.parametrize("when", ["while others are asked", "while means are made"])
def test_who_leaves_during_a_run_is_not_counted(
    empty: LiveSite, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """One deletes the account, one takes the consent back, one deletes the answers."""
    accounts = [add_person(empty, place) for place in range(MINIMUM + 3)]
    place_of = "_ask" if when == "while others are asked" else "_scores"
    monkeypatch.setattr(scores, "_ask", lambda *_: np.full(len(HELD_OUT), 3))
    usual, left, asked = getattr(scores, place_of), list[str](), list[object]()

    def leave(*given: Any) -> Any:
        asked.append(given)
        if not left:
            left.extend(accounts[-3:])
            delete_account(empty.site, left[0])
            with empty.site.database.writing() as session:
                session.execute(
                    update(Consent).where(Consent.account_id == left[1]).values(withdrawn_at=now())
                )
                session.execute(delete(Sitting).where(Sitting.account_id == left[2]))
        return usual(*given)

    monkeypatch.setattr(scores, place_of, leave)
    assert empty.site.scoring.begin("system")
    assert empty.site.scoring.wait().status == "done"
    with empty.site.database.reading() as session:
        run = session.scalars(select(ScoreRun).order_by(ScoreRun.made_at.desc())).first()
    assert run is not None
    (found,) = from_text(unsealed_text(empty.site.vault, run, "data"))
    assert found.everybody.people == MINIMUM
    assert len(asked) == (MINIMUM if place_of == "_ask" else 2)


def test_where_nothing_can_be_scored_the_report_says_so(empty: LiveSite) -> None:
    admin = empty.member("admin")
    admin.get("/admin/audit-report")
    admin.post("/admin/scores")
    empty.site.scoring.wait()
    assert "nothing could be scored" in words_of(admin.get("/admin/audit-report"))


@pytest.mark.slow
def test_the_site_goes_on_replying_while_it_scores(empty: LiveSite) -> None:
    engine, decoder = empty.site.service.engine, empty.site.service.decoder
    for place in range(MINIMUM):
        add_person(empty, place)
    quiet = scored(empty)
    persona = persona_of(decoder, 1)
    tickets = [
        engine.submit(engine.request(persona, "Hello?", max_new_tokens=20)) for _ in range(6)
    ]
    busy = scored(empty)
    texts = {ticket.text() for ticket in tickets}
    assert busy == quiet and len(texts) == 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["female", "male", None]), min_size=1, max_size=24))
def test_no_group_shown_or_left_over_is_small(sexes: list[str | None]) -> None:
    import polars as pl

    count = len(sexes)
    people = Respondents(
        np.full((count, 300), 3, dtype=np.int8),
        tuple(map(str, range(count))),
        pl.DataFrame({"sex": sexes}, schema={"sex": pl.String}),
    )
    values = np.linspace(1, 2, count)
    rows = {"aligned": values, "constant": values, "facet_mean": values}
    table = group_table(rows, people, "sex")
    assert all(group.people >= MINIMUM for group in table.groups)
    assert table.outside == count - sum(group.people for group in table.groups)
    assert not table.groups or table.outside == 0 or table.outside >= MINIMUM
