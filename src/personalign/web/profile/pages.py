"""/profile/{sitting}: the page, its files, and age and sex told later or taken back."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, Response

from personalign.web.accounts.sessions import Member
from personalign.web.pages import page, see
from personalign.web.profile.axis import axis_of, mark_of
from personalign.web.profile.drawing import pdf, png
from personalign.web.profile.radar import radar_of
from personalign.web.profile.scores import scores_of
from personalign.web.profile.words import Words
from personalign.web.questionnaire.about import (
    AboutError,
    about_of,
    compares,
    keep_about,
    read_about,
)
from personalign.web.questionnaire.consenting import Consenting
from personalign.web.questionnaire.sheets import read_sheet
from personalign.web.questionnaire.sittings import own_sitting
from personalign.web.questionnaire.tables import Sitting
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of

router = APIRouter()

NOT_KEPT = {"cache-control": "no-store"}


@router.get("/profile/{sitting_id}.json")
def as_json(request: Request, member: Consenting, sitting_id: str) -> Response:
    """The numbers."""
    sitting, words = _profile(site_of(request), member, sitting_id)
    found = {"finished": f"{sitting.finished_at:%Y-%m-%d}", **words.scores.as_dict()}
    return JSONResponse(found, headers=NOT_KEPT | _named("json"))


@router.get("/profile/{sitting_id}.png")
def as_png(request: Request, member: Consenting, sitting_id: str) -> Response:
    """The picture."""
    sitting, words = _profile(site_of(request), member, sitting_id)
    return Response(png(words, _title(sitting, words)), 200, NOT_KEPT | _named("png"), "image/png")


@router.get("/profile/{sitting_id}.pdf")
def as_pdf(request: Request, member: Consenting, sitting_id: str) -> Response:
    """The picture and the words."""
    sitting, words = _profile(site_of(request), member, sitting_id)
    data = pdf(words, _title(sitting, words))
    return Response(data, 200, NOT_KEPT | _named("pdf"), "application/pdf")


@router.get("/profile/{sitting_id}")
def profile(request: Request, member: Consenting, sitting_id: str) -> Response:
    """The page."""
    return _page(request, member, sitting_id)


@router.post("/profile/{sitting_id}/about")
def tell(
    request: Request,
    member: Consenting,
    sitting_id: str,
    age: Annotated[str, Form(max_length=20)] = "",
    sex: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Tell age and sex, or take them back by leaving them empty."""
    site = site_of(request)
    try:
        about = read_about(age, sex)
    except AboutError as error:
        return _page(request, member, sitting_id, problem=str(error), age=age, sex=sex)
    with site.database.writing() as session:
        sitting = _finished(own_sitting(session, member, sitting_id, lock=True))
        if not compares(sitting):
            raise PageRefusal(400, "not_understood")
        keep_about(site.vault, sitting, about)
    return see(f"/profile/{sitting_id}", "about_kept")


def _page(
    request: Request,
    member: Member,
    sitting_id: str,
    *,
    problem: str | None = None,
    age: str | None = None,
    sex: str | None = None,
) -> Response:
    sitting, words = _profile(site_of(request), member, sitting_id)
    scores = words.scores
    return page(
        request,
        "profile/profile.html",
        200 if problem is None else 400,
        sitting=sitting,
        words=words,
        scores=scores,
        radar=radar_of(scores),
        axis=axis_of(scores.basis),
        marks={code: mark_of(scale, scores.basis) for code, scale in scores.scales.items()},
        problem=problem,
        age=age if age is not None else scores.about.age or "",
        sex=sex if sex is not None else scores.about.sex or "",
    )


def _profile(site: Site, member: Member, sitting_id: str) -> tuple[Sitting, Words]:
    """Somebody's own finished sitting, and what there is to say of it."""
    with site.database.reading() as session:
        sitting = _finished(own_sitting(session, member, sitting_id))
        sheet = read_sheet(session, site.vault, sitting)
    scores = scores_of(sheet, about_of(site.vault, sitting))
    say = partial(site.texts.say, member.language)
    return sitting, Words(say, scores, translated=sitting.language != "en")


def _finished(sitting: Sitting) -> Sitting:
    """A sitting that is finished; of another there is no profile."""
    if sitting.finished_at is None:
        raise PageRefusal(404, "not_found")
    return sitting


def _title(sitting: Sitting, words: Words) -> str:
    return words.say("profile.file_title", day=f"{sitting.finished_at:%Y-%m-%d}")


def _named(ending: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="profile.{ending}"'}
