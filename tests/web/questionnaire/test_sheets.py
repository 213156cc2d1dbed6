"""Answers come back as they were given, the newest counts, and the database does not know them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from personalign.errors import AnswersError
from personalign.inventory.items import ipip_neo_120
from personalign.web.database.base import new_id, now
from personalign.web.questionnaire.sheets import person_of, put_answers, read_sheet
from personalign.web.questionnaire.tables import Answer, Sitting
from tests.web.conftest import LiveSite


def sitting_of(live: LiveSite, form: str = "120") -> Sitting:
    account = live.account_of(live.member())
    sitting = Sitting(
        id=new_id(),
        account_id=account.id,
        form=form,
        language="en",
        started_at=now(),
        changed_at=now(),
    )
    with live.site.database.writing() as session:
        session.add(sitting)
    return sitting


def test_answers_come_back_and_the_newest_counts(live: LiveSite) -> None:
    sitting, vault = sitting_of(live), live.site.vault
    numbers = [item.number for item in ipip_neo_120()]
    with live.site.database.writing() as session:
        put_answers(session, vault, sitting, {number: 1 + number % 5 for number in numbers})
        put_answers(session, vault, sitting, {numbers[0]: 5, numbers[1]: 0})
    with live.site.database.reading() as session:
        sheet = read_sheet(session, vault, sitting)
        person = person_of(session, vault, sitting)
    assert sheet.answers[:3] == (5, 0, 1 + numbers[2] % 5)
    assert person.responses[0, numbers[5] - 1] == 1 + numbers[5] % 5
    assert sheet.tuning_answered == 119


def test_the_database_does_not_know_them(live: LiveSite) -> None:
    sitting = sitting_of(live)
    with live.site.database.writing() as session:
        put_answers(session, live.site.vault, sitting, {1: 4, 2: 4})
        kept = session.scalars(select(Answer.value).where(Answer.sitting_id == sitting.id)).all()
    assert len(set(kept)) == 2, "equal answers look different"
    assert all(value != b"4" and len(value) > 30 for value in kept)


def test_an_adaptive_sitting_keeps_the_order_of_asking(live: LiveSite) -> None:
    sitting = sitting_of(live, "adaptive")
    for number in (270, 7, 31):
        with live.site.database.writing() as session:
            put_answers(session, live.site.vault, sitting, {number: 2})
    with live.site.database.reading() as session:
        asked = read_sheet(session, live.site.vault, sitting).asked
    assert asked == tuple(ipip_neo_120().columns([270, 7, 31]))


def test_what_is_no_answer_is_refused_with_what_is(live: LiveSite) -> None:
    sitting = sitting_of(live)
    for wrong in ({301: 3}, {1: 6}, {1: -1}):
        with (
            live.site.database.writing() as session,
            pytest.raises(AnswersError, match="1 to 5"),
        ):
            put_answers(session, live.site.vault, sitting, wrong)
    with (
        live.site.database.reading() as session,
        pytest.raises(AnswersError, match="at least 60"),
    ):
        person_of(session, live.site.vault, sitting)
