"""Answers on their way in and out of the database: sealed one by one, read back as a sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from personalign.dataset.answers import AnswerSheet
from personalign.errors import AnswersError
from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300
from personalign.web.database.base import now, seal, unseal
from personalign.web.questionnaire.tables import Answer, Sitting
from personalign.web.vault import Vault

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


def form_of(sitting: Sitting) -> Inventory:
    """What a sitting asks of: the 300 of the long form, else the 120 that methods learn from."""
    return ipip_neo_300() if sitting.form == "300" else ipip_neo_120()


def put_answers(
    session: Session, vault: Vault, sitting: Sitting, responses: Mapping[int, int]
) -> None:
    """Keep answers; one to an item that has one replaces it, so that sending twice changes nothing.

    responses: item's number among the 300 -> 1 to 5 as ticked, 0 where it was left out on purpose.
    Raises AnswersError for another number or answer.
    """
    known = {item.number for item in form_of(sitting)}
    rows: list[dict[str, Any]] = []
    for number, response in responses.items():
        if number not in known or response not in range(6):
            raise AnswersError(
                f"Item {number} was answered with {response}; items are those of the form, answers "
                "1 to 5, or 0 to leave one out."
            )
        row = Answer(sitting_id=sitting.id, item=number)
        seal(vault, row, "value", str(response))
        rows.append(
            {
                "sitting_id": row.sitting_id,
                "item": row.item,
                "value": row.value,
                "answered_at": now(),
            }
        )
    if rows:
        session.flush()  # the sitting first: its answers refer to it
        table: Any = Answer.__table__
        sqlite_here = session.get_bind().dialect.name == "sqlite"
        put: Any = (sqlite.insert if sqlite_here else postgresql.insert)(table)
        newest = {name: put.excluded[name] for name in ("value", "answered_at")}
        put = put.on_conflict_do_update(index_elements=["sitting_id", "item"], set_=newest)
        session.connection().execute(put, rows)  # the table's own: compiled once, and kept
    sitting.changed_at = now()


def read_sheet(session: Session, vault: Vault, sitting: Sitting) -> AnswerSheet:
    """A sitting as far as it is filled in."""
    form = form_of(sitting)
    rows = session.execute(  # columns, not objects: a page of a long form reads hundreds
        select(Answer.item, Answer.value)
        .where(Answer.sitting_id == sitting.id)
        .order_by(Answer.answered_at, Answer.item)
    ).all()
    places = {item.number: place for place, item in enumerate(form)}
    answers: list[int | None] = [None] * len(form)
    for number, value in rows:
        answers[places[number]] = int(vault.open(value, "answer", "value", sitting.id, number))
    if sitting.form != "adaptive":
        return AnswerSheet(form, tuple(answers))
    put = [places[number] for page in pages_put(vault, sitting) for number in page]
    reached = [place for place in put if answers[place] is not None]
    rest = [places[number] for number, _ in rows if places[number] not in reached]
    return AnswerSheet(form, tuple(answers), (*reached, *rest))


def pages_put(vault: Vault, sitting: Sitting) -> list[list[int]]:
    """Of an adaptive sitting: the item numbers of each page so far."""
    if sitting.put is None:
        return []
    pages: list[list[int]] = json.loads(unseal(vault, sitting, "put"))
    return pages


def person_of(session: Session, vault: Vault, sitting: Sitting) -> Respondents:
    """The person of a sitting; AnswersError where too little is answered to know one."""
    sheet = read_sheet(session, vault, sitting)
    if sheet.tuning_answered < sheet.minimum:
        raise AnswersError(
            f"{sheet.tuning_answered} of the 120 short-form items are answered; at least "
            f"{sheet.minimum} are needed to know a person. Answer more of them."
        )
    return sheet.respondents(sitting.id)
