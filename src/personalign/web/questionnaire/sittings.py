"""Sittings: begun, answered a page at a time, finished, deleted; only ever by whose they are.

What is sent for a sitting that is finished is refused: profile and personas are of its answers.
Whoever wants to answer otherwise takes the questionnaire again, which is another sitting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from personalign.dataset.answers import AnswerSheet
from personalign.errors import AnswersError
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now, seal
from personalign.web.personas.tables import Alignment
from personalign.web.questionnaire.about import About, compares, keep_about
from personalign.web.questionnaire.sheets import form_of, pages_put, put_answers, read_sheet
from personalign.web.questionnaire.tables import FORMS, Answer, Sitting
from personalign.web.questionnaire.wording import language_for
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.web.accounts.sessions import Member
    from personalign.web.site import Site
    from personalign.web.vault import Vault

ITEMS_A_PAGE = 5
"""Few enough for a telephone; of the adaptive form, one a trait."""


def begin(site: Site, member: Member, form: str) -> str:
    """A new sitting's id; where one of this form was begun and nothing answered yet, that one's."""
    if form not in FORMS:
        raise PageRefusal(400, "not_understood")
    with site.database.writing() as session:
        own = select(Account.id).where(Account.id == member.id)
        session.execute(own.with_for_update(key_share=True))  # sent twice, it is begun once
        empty = session.scalars(
            select(Sitting.id).where(
                Sitting.account_id == member.id,
                Sitting.form == form,
                Sitting.language == language_for(form, member.language),
                Sitting.finished_at.is_(None),
                ~exists().where(Answer.sitting_id == Sitting.id),
            )
        ).first()
        if empty is not None:
            return empty
        sitting = Sitting(
            id=new_id(),
            account_id=member.id,
            form=form,
            language=language_for(form, member.language),
            started_at=now(),
            changed_at=now(),
        )
        if form == "adaptive":
            inventory = form_of(sitting)
            sheet = AnswerSheet(inventory, (None,) * len(inventory), ())
            _keep_pages(site.vault, sitting, [_following(sheet, [])])
        session.add(sitting)
        return sitting.id


def own_sitting(
    session: Session, member: Member, sitting_id: str, *, lock: bool = False
) -> Sitting:
    """A sitting of somebody's own; anything else is not there.

    lock: nobody else changes it or its answers until the transaction ends.
    """
    own = select(Sitting).where(Sitting.id == sitting_id, Sitting.account_id == member.id)
    found = session.scalars(own.with_for_update() if lock else own).first()
    if found is None:
        raise PageRefusal(404, "not_found")
    return found


def own_sittings(session: Session, member: Member) -> list[tuple[Sitting, int]]:
    """Somebody's own sittings, the newest first, each with the number of items reached."""
    rows = session.execute(
        select(Sitting, func.count(Answer.item))
        .outerjoin(Answer, Answer.sitting_id == Sitting.id)
        .where(Sitting.account_id == member.id)
        .group_by(Sitting.id)
        .order_by(Sitting.started_at.desc())
    ).all()
    return [(sitting, count) for sitting, count in rows]


def pages_of(vault: Vault, sitting: Sitting) -> list[list[int]]:
    """The item numbers of each page; of the adaptive form, of those that were put so far."""
    if sitting.form == "adaptive":
        return pages_put(vault, sitting)
    numbers = [item.number for item in form_of(sitting)]
    return [numbers[at : at + ITEMS_A_PAGE] for at in range(0, len(numbers), ITEMS_A_PAGE)]


def page_to_go_on(pages: list[list[int]], sitting: Sitting, sheet: AnswerSheet) -> int | None:
    """The page, from 1, where somebody stopped; None where nothing is left after the last answer.

    It is the page after the last item that was answered or left out, wherever there are gaps
    before; the end lists those. Of the adaptive form it is the newest page.
    """
    if sitting.form == "adaptive":
        return len(pages)
    reached = [place for place, answer in enumerate(sheet.answers) if answer is not None]
    first = 1 + max(reached, default=-1)
    return None if first == len(sheet.answers) else 1 + first // ITEMS_A_PAGE


def save(site: Site, member: Member, sitting_id: str, answers: Mapping[int, int]) -> None:
    """Keep answers; when this returns they are on the disk."""
    with site.database.writing() as session:
        sitting = _unfinished(session, member, sitting_id)
        if sitting.form == "adaptive":
            put = {number for page in pages_put(site.vault, sitting) for number in page}
            if not put.issuperset(answers):
                raise AnswersError("An item was answered that was not asked; reload the page.")
        put_answers(session, site.vault, sitting, answers)


def page_after(site: Site, member: Member, sitting_id: str, page: int) -> int | None:
    """The page after this one, made if the adaptive form needs another; None at the end."""
    with site.database.reading() as session:
        sitting = own_sitting(session, member, sitting_id)
        pages = pages_of(site.vault, sitting)
        if page < len(pages):
            return page + 1
        if sitting.form != "adaptive":
            return None
        numbers = _following(read_sheet(session, site.vault, sitting), pages)
    if not numbers:
        return None
    with site.database.writing() as session:  # the thinking was done outside the transaction
        sitting = _unfinished(session, member, sitting_id)
        if len(pages_put(site.vault, sitting)) == len(pages):
            _keep_pages(site.vault, sitting, [*pages, numbers])
    return len(pages) + 1


def missing(sheet: AnswerSheet, pages: list[list[int]]) -> list[tuple[int, int, bool]]:
    """(item's number, its page, whether left out on purpose) of what was put and not answered."""
    answers = {
        item.number: given for item, given in zip(sheet.inventory, sheet.answers, strict=True)
    }
    return [
        (number, page, answers[number] == 0)
        for page, numbers in enumerate(pages, 1)
        for number in numbers
        if not answers[number]
    ]


def finish(site: Site, member: Member, sitting_id: str, about: About) -> None:
    """End a sitting in which enough is answered; finishing twice is finishing once."""
    with site.database.writing() as session:
        wait_for_turn(session)
        sitting = own_sitting(session, member, sitting_id, lock=True)
        if sitting.finished_at is not None:
            return
        sheet = read_sheet(session, site.vault, sitting)
        if sheet.tuning_answered < sheet.minimum:
            raise PageRefusal(409, "too_few", answered=sheet.tuning_answered, minimum=sheet.minimum)
        sitting.finished_at = sitting.changed_at = now()
        if compares(sitting):
            keep_about(site.vault, sitting, about)
        append(
            session,
            site.vault,
            "questionnaire.finished",
            actor=member.audit_name,
            subject=sitting.id,
            form=sitting.form,
        )


def remove(site: Site, member: Member, sitting_id: str) -> None:
    """Delete a sitting with its answers; personas made from it stay until they are deleted.

    Alignments that made none, or have not yet, go with it.
    """
    with site.database.writing() as session:
        wait_for_turn(session)
        sitting = own_sitting(session, member, sitting_id, lock=True)
        made_nothing = Alignment.persona_id.is_(None) & Alignment.mirrored_id.is_(None)
        session.execute(delete(Alignment).where(Alignment.sitting_id == sitting_id, made_nothing))
        session.delete(sitting)
        append(
            session,
            site.vault,
            "questionnaire.deleted",
            actor=member.audit_name,
            subject=sitting_id,
        )


def _unfinished(session: Session, member: Member, sitting_id: str) -> Sitting:
    """An own sitting that is not finished, nor will be before the transaction ends."""
    sitting = own_sitting(session, member, sitting_id, lock=True)
    if sitting.finished_at is not None:
        raise PageRefusal(409, "finished")
    return sitting


def _following(sheet: AnswerSheet, pages: list[list[int]]) -> list[int]:
    """Item numbers of the adaptive form's next page; none where it is over."""
    from personalign.dataset.adaptive_person import AdaptiveTest

    places = sheet.inventory.columns([number for page in pages for number in page])
    following = AdaptiveTest().following(sheet, count=ITEMS_A_PAGE, put=places.tolist())
    return [sheet.inventory.items[place].number for place in following]


def _keep_pages(vault: Vault, sitting: Sitting, pages: list[list[int]]) -> None:
    seal(vault, sitting, "put", json.dumps(pages))
