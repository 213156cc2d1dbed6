"""/questionnaire: choosing a form, its pages, saving as one ticks, the end."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Form, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from personalign.dataset.adaptive_person import ITEMS
from personalign.web.accounts.sessions import Member
from personalign.web.pages import page as render
from personalign.web.pages import see
from personalign.web.questionnaire.about import AboutError, compares, read_about
from personalign.web.questionnaire.consenting import Consenting
from personalign.web.questionnaire.sheets import form_of, read_sheet
from personalign.web.questionnaire.sittings import (
    begin,
    finish,
    missing,
    own_sitting,
    own_sittings,
    page_after,
    page_to_go_on,
    pages_of,
    remove,
    save,
)
from personalign.web.questionnaire.tables import FORMS, Sitting
from personalign.web.questionnaire.wording import language_for, texts_of
from personalign.web.refusals import PageRefusal
from personalign.web.site import site_of

router = APIRouter()

Number = Annotated[int, Field(ge=1, le=300)]
Ticked = Annotated[int, Field(ge=0, le=5)]


@router.get("/questionnaire")
def choose(request: Request, member: Consenting) -> Response:
    """The forms, and one's own sittings."""
    with site_of(request).database.reading() as session:
        sittings = own_sittings(session, member)
    return render(
        request,
        "questionnaire/choose.html",
        forms=[(form, language_for(form, member.language)) for form in FORMS],
        sittings=[(sitting, count, _total(sitting)) for sitting, count in sittings],
    )


@router.post("/questionnaire")
def start(request: Request, member: Consenting, form: Annotated[str, Form()]) -> Response:
    """Begin a sitting."""
    return see(f"/questionnaire/{begin(site_of(request), member, form)}")


@router.get("/questionnaire/{sitting_id}")
def show(
    request: Request, member: Consenting, sitting_id: str, page: int | None = None
) -> Response:
    """A page of a sitting; the one where somebody stopped, where none is named."""
    site = site_of(request)
    with site.database.reading() as session:
        sitting = own_sitting(session, member, sitting_id)
        sheet = read_sheet(session, site.vault, sitting)
    if sitting.finished_at is not None:
        return see(f"/profile/{sitting_id}")
    pages = pages_of(site.vault, sitting)
    number = page if page is not None else page_to_go_on(pages, sitting, sheet)
    if number is None:
        return see(f"/questionnaire/{sitting_id}/end")
    if not 1 <= number <= len(pages):
        raise PageRefusal(404, "not_found")
    given = {item.number: one for item, one in zip(sheet.inventory, sheet.answers, strict=True)}
    counting = set(range(6)) if sheet.asked is None else set(range(1, 6))  # of 30, answers count
    done = {item for item, one in given.items() if one in counting}
    return render(
        request,
        "questionnaire/items.html",
        sitting=sitting,
        texts=texts_of(sitting),
        number=number,
        items=[(item, given[item]) for item in pages[number - 1]],
        before=sum(len(earlier) for earlier in pages[: number - 1]),
        done=len(done),
        elsewhere=len(done.difference(pages[number - 1])),
        total=_total(sitting),
    )


async def ticked(request: Request) -> dict[int, int]:
    """The answers of a page's form: fields item-NUMBER with 0 to 5."""
    answers: dict[int, int] = {}
    for name, value in (await request.form()).items():
        match = re.fullmatch(r"item-(\d{1,3})", name)
        if match:
            if value not in ("0", "1", "2", "3", "4", "5"):
                raise PageRefusal(400, "not_understood")
            answers[int(match[1])] = int(str(value))
    return answers


@router.post("/questionnaire/{sitting_id}")
def turn(
    request: Request,
    member: Consenting,
    sitting_id: str,
    answers: Annotated[dict[int, int], Depends(ticked)],
    page: int,
    go: Annotated[str, Form()] = "next",
) -> Response:
    """Keep a page's answers, and turn to the next one, or back, or stop for today."""
    site = site_of(request)
    save(site, member, sitting_id, answers)
    if go == "later":
        return see("/questionnaire", "kept")
    if go == "back":
        return see_page(sitting_id, max(page - 1, 1))
    following = page_after(site, member, sitting_id, page)
    if following is None:
        return see(f"/questionnaire/{sitting_id}/end")
    return see_page(sitting_id, following)


@router.post("/questionnaire/{sitting_id}/answers")
def keep(
    request: Request,
    member: Consenting,
    sitting_id: str,
    answers: Annotated[dict[Number, Ticked], Body(embed=True, max_length=300)],
) -> Response:
    """Keep answers as they are ticked; the reply comes when they are on the disk."""
    save(site_of(request), member, sitting_id, answers)
    return JSONResponse({"saved": sorted(answers)})


@router.get("/questionnaire/{sitting_id}/end")
def end(request: Request, member: Consenting, sitting_id: str) -> Response:
    """What is still missing, age and sex where they are of use, and the last button."""
    return _end(request, member, sitting_id)


@router.post("/questionnaire/{sitting_id}/finish")
def finish_it(
    request: Request,
    member: Consenting,
    sitting_id: str,
    age: Annotated[str, Form(max_length=20)] = "",
    sex: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Finish, and see the profile."""
    try:
        about = read_about(age, sex)
    except AboutError as error:
        return _end(request, member, sitting_id, problem=str(error), age=age, sex=sex)
    finish(site_of(request), member, sitting_id, about)
    return see(f"/profile/{sitting_id}", "finished")


@router.get("/questionnaire/{sitting_id}/delete")
def ask_to_delete(request: Request, member: Consenting, sitting_id: str) -> Response:
    """Whether a sitting is really to go."""
    with site_of(request).database.reading() as session:
        sitting = own_sitting(session, member, sitting_id)
    return render(request, "questionnaire/delete.html", sitting=sitting)


@router.post("/questionnaire/{sitting_id}/delete")
def delete(request: Request, member: Consenting, sitting_id: str) -> Response:
    """Delete a sitting and its answers."""
    remove(site_of(request), member, sitting_id)
    return see("/questionnaire", "sitting_deleted")


def see_page(sitting_id: str, number: int) -> Response:
    """Send the browser to a page of a sitting."""
    return see(f"/questionnaire/{sitting_id}?page={number}")


def _end(
    request: Request,
    member: Member,
    sitting_id: str,
    *,
    problem: str | None = None,
    age: str = "",
    sex: str = "",
) -> Response:
    site = site_of(request)
    with site.database.reading() as session:
        sitting = own_sitting(session, member, sitting_id)
        sheet = read_sheet(session, site.vault, sitting)
    if sitting.finished_at is not None:
        return see(f"/profile/{sitting_id}")
    pages = pages_of(site.vault, sitting)
    return render(
        request,
        "questionnaire/end.html",
        200 if problem is None else 400,
        sitting=sitting,
        compares=compares(sitting),
        texts=texts_of(sitting),
        missing=missing(sheet, pages),
        last=len(pages),
        answered=sum(1 for answer in sheet.answers if answer),
        known=sheet.tuning_answered,
        minimum=sheet.minimum,
        problem=problem,
        age=age,
        sex=sex,
    )


def _total(sitting: Sitting) -> int:
    """How many items are put; of the adaptive form, how many answers end it."""
    return ITEMS if sitting.form == "adaptive" else len(form_of(sitting))
