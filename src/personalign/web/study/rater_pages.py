"""/rate/TOKEN: a rater's explanation, pairs and end.

A link belongs to whoever begins with it: to their account where they are signed in, and to their
browser, by a cookie that is sent to the link's own addresses alone. Raters see neither the study's
title nor its researcher, nobody else's votes, and no result. Nothing here reads a key, and nothing
is written by a model while somebody rates. The audit log calls a rater by the number that results
call them by, and by no account's name: who reads both would know whose votes are whose.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from personalign.evaluation.blind import QUESTION
from personalign.evaluation.human import VOTES
from personalign.web.accounts.sessions import hashed
from personalign.web.audit.log import UNKNOWN, append, wait_for_turn
from personalign.web.database.base import now, unsealed_text
from personalign.web.pages import page, see
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.study.inviting import find
from personalign.web.study.rating import Way, vote, way_of
from personalign.web.study.recipe import recipe_in
from personalign.web.study.speakers import newest_personas
from personalign.web.study.tables import Invitation, Study
from personalign.web.study.way_back import end_way, keep_way
from personalign.web.visitor import Anyone, Visitor

router = APIRouter()

RATING_COOKIE = "rating"
COOKIE_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True)
class Rater:
    """Who came by a link that is theirs, or that nobody has begun with."""

    invitation: Invitation
    study: Study

    @property
    def begun(self) -> bool:
        """Whether they agreed to take part."""
        return self.invitation.opened_at is not None


@router.get("/rate/{token}")
def arrive(request: Request, token: str, visitor: Anyone) -> Response:
    """The explanation for who is new, what is still missing, or the next pair."""
    site = site_of(request)
    with site.database.reading() as session:
        rater = _rater(request, session, token, visitor)
        if not rater.begun:
            told = unsealed_text(site.vault, rater.study, "told")
            return page(
                request, "study/welcome.html", token_of_link=token, study=rater.study, told=told
            )
        way = way_of(session, site.vault, rater.invitation)
        if not way.pairs:
            return _waiting(request, session, token, rater)
    if "hx-request" in request.headers:  # a waiting page that asked whether it may go on
        return Response(headers={"hx-refresh": "true", "cache-control": "no-store"})
    return see(_place(token, way))


@router.post("/rate/{token}/begin")
def begin(
    request: Request, token: str, visitor: Anyone, agreed: Annotated[str, Form()] = ""
) -> Response:
    """Agree, and take the link."""
    site, cookie = site_of(request), secrets.token_urlsafe(32)
    if not agreed:
        return see(f"/rate/{token}", "not_agreed")
    with site.database.writing() as session:
        wait_for_turn(session)  # of two links of a study, too, an account begins with one
        rater = _rater(request, session, token, visitor, lock=True)
        if rater.begun:
            return see(f"/rate/{token}")
        member = visitor.member
        if rater.study.own_answers and member is None:
            raise PageRefusal(401, "sign_in")
        if member is not None and _takes_part(session, rater.study, member.id):
            raise PageRefusal(409, "takes_part")
        row = rater.invitation
        row.opened_at, row.browser_hash = now(), hashed(cookie)
        row.account_id = None if member is None else member.id
        append(
            session,
            site.vault,
            "rating.agreed",
            actor=UNKNOWN,
            subject=rater.study.id,
            number=row.number,
        )
    response = see(f"/rate/{token}")
    response.set_cookie(
        RATING_COOKIE,
        cookie,
        max_age=COOKIE_SECONDS,
        path=f"/rate/{token}",
        secure=site.settings.secure,
        httponly=True,
        samesite="lax",
    )
    if rater.study.own_answers and member is not None:
        keep_way(site, response, member.id, token)
    return response


@router.post("/rate/{token}/prepare")
def prepare(request: Request, token: str, visitor: Anyone) -> Response:
    """Have a rater's own pairs written, by the persona of their answers and its mirror image."""
    site = site_of(request)
    with site.database.reading() as session:
        rater = _rater(request, session, token, visitor, begun=True)
        ready = bool(way_of(session, site.vault, rater.invitation).pairs)
    owner = rater.invitation.account_id
    if rater.study.own_answers and owner is not None and not ready:
        site.pair_writer.begin(rater.study.id, owner, rater.invitation.id)
    return see(f"/rate/{token}")


@router.get("/rate/{token}/pairs/{place}")
def pair(request: Request, token: str, place: int, visitor: Anyone) -> Response:
    """One pair, with the vote it has, if it has one."""
    site = site_of(request)
    with site.database.reading() as session:
        rater = _rater(request, session, token, visitor, begun=True)
        way = way_of(session, site.vault, rater.invitation)
    shown = way.at(place)
    if shown is None:
        raise PageRefusal(404, "not_found")
    return page(
        request,
        "study/pair.html",
        token_of_link=token,
        place=place,
        way=way,
        pair=shown,
        fixed=rater.invitation.done_at is not None,
        choices=VOTES,
        question=QUESTION,
    )


@router.post("/rate/{token}/pairs/{place}")
def give_vote(
    request: Request,
    token: str,
    place: int,
    visitor: Anyone,
    given: Annotated[str, Form(alias="vote")] = "",
) -> Response:
    """Keep a vote and go on to the next pair without one."""
    site = site_of(request)
    if given not in VOTES:
        raise PageRefusal(400, "not_understood")
    with site.database.writing() as session:
        rater = _rater(request, session, token, visitor, begun=True, lock=True)
        way = way_of(session, site.vault, rater.invitation)
        shown = way.at(place)
        if shown is None:
            raise PageRefusal(404, "not_found")
        if rater.invitation.done_at is not None:
            raise PageRefusal(409, "votes_stand")
        vote(session, rater.invitation, shown, given)
        way.votes[shown.pair] = given
    return see(_place(token, way, place))


@router.get("/rate/{token}/end")
def end(request: Request, token: str, visitor: Anyone) -> Response:
    """What was voted on, where votes can be changed, and the button that lets them stand."""
    site = site_of(request)
    with site.database.reading() as session:
        rater = _rater(request, session, token, visitor, begun=True)
        way = way_of(session, site.vault, rater.invitation)
    return page(
        request,
        "study/end.html",
        token_of_link=token,
        way=way,
        fixed=rater.invitation.done_at is not None,
    )


@router.post("/rate/{token}/end")
def finish(request: Request, token: str, visitor: Anyone) -> Response:
    """Let the votes stand."""
    site = site_of(request)
    with site.database.writing() as session:
        wait_for_turn(session)
        rater = _rater(request, session, token, visitor, begun=True, lock=True)
        way = way_of(session, site.vault, rater.invitation)
        if not way.pairs or not way.complete:
            return see(f"/rate/{token}")
        if rater.invitation.done_at is None:
            rater.invitation.done_at = now()
            append(
                session,
                site.vault,
                "rating.done",
                actor=UNKNOWN,
                subject=rater.study.id,
                number=rater.invitation.number,
            )
    response = see(f"/rate/{token}/end")
    end_way(site, response)
    return response


def _rater(
    request: Request,
    session: Session,
    token: str,
    visitor: Visitor,
    *,
    begun: bool = False,
    lock: bool = False,
) -> Rater:
    """Whose link this is; lock: as of `find`.

    Raises PageRefusal for a link that is none or was revoked (404), one that another browser or
    account began with (403), a study that takes no votes now (409), and, where begun is asked for,
    one that nobody began with yet (404).
    """
    found = find(session, token, lock=lock)
    if found is None:
        raise PageRefusal(404, "not_found")
    rater = Rater(*found)
    row = rater.invitation
    if rater.begun and not _theirs(request, rater, visitor):
        if rater.study.own_answers and visitor.member is None:
            raise PageRefusal(401, "sign_in")
        raise PageRefusal(403, "link_taken")
    if begun and not rater.begun:
        raise PageRefusal(404, "not_found")
    if rater.study.closed_at is not None and row.done_at is None:
        raise PageRefusal(409, "study_closed")
    return rater


def _theirs(request: Request, rater: Rater, visitor: Visitor) -> bool:
    """Whether account or browser began with the link; what shows somebody's own persona's words is
    opened by the account alone."""
    row, account = rater.invitation, None if visitor.member is None else visitor.member.id
    if row.account_id is not None and row.account_id == account:
        return True
    if rater.study.own_answers:
        return False
    given = hashed(request.cookies.get(RATING_COOKIE, ""))
    return row.browser_hash is not None and hmac.compare_digest(row.browser_hash, given)


def _takes_part(session: Session, study: Study, account_id: str) -> bool:
    """Whether an account rates in a study by another link already."""
    other = select(Invitation.id).where(
        Invitation.study_id == study.id, Invitation.account_id == account_id
    )
    return session.scalars(other).first() is not None


def _waiting(request: Request, session: Session, token: str, rater: Rater) -> Response:
    """What is missing before there are pairs."""
    site: Site = site_of(request)
    study, row = rater.study, rater.invitation
    step, model = "study", ""
    if study.own_answers:
        model = recipe_in(unsealed_text(site.vault, study, "settings")).model
        personas = newest_personas(session, row.account_id or "", model)
        step = "answer" if personas is None else "prepare"
    job = site.pair_writer.job(row.id)
    return page(request, "study/waiting.html", token_of_link=token, step=step, model=model, job=job)


def _place(token: str, way: Way, after: int = 0) -> str:
    """Where a rater goes on."""
    place = way.next(after)
    return f"/rate/{token}/end" if place is None else f"/rate/{token}/pairs/{place}"
