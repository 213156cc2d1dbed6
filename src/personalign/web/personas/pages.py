"""/align: having a finished questionnaire aligned, and watching it; /personas: what was made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from starlette.responses import Response

from personalign.web.accounts.sessions import Member
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.pages import page, see
from personalign.web.personas.pairs import current, pairs_of, shared_with
from personalign.web.personas.removing import remove
from personalign.web.personas.tables import FAILURES, Alignment, StoredPersona
from personalign.web.questionnaire.consenting import Consenting
from personalign.web.questionnaire.tables import Sitting
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.study.way_back import way_back
from personalign.web.visitor import SignedIn

router = APIRouter()


@router.get("/align/{sitting_id}")
def about_aligning(request: Request, member: Consenting, sitting_id: str) -> Response:
    """What aligning is, the models there are, and how far the newest alignment is."""
    site = site_of(request)
    _own_sitting(site, member, sitting_id)
    newest = _newest(site, member, sitting_id)
    site.aligner.warm(site.service.base)  # while they read
    return page(
        request,
        "personas/align.html",
        sitting=sitting_id,
        models={name: site.aligner.able(name) for name in site.services},
        way_back=way_back(site, request, member),
        **_state(site, newest),
    )


@router.post("/align/{sitting_id}")
def begin(
    request: Request,
    member: Consenting,
    sitting_id: str,
    model: Annotated[str, Form(max_length=256)] = "",
) -> Response:
    """Begin, with the first model where none was chosen."""
    site = site_of(request)
    site.aligner.begin(member.id, sitting_id, model or site.service.base)
    return see(f"/align/{sitting_id}")


@router.get("/align/{sitting_id}/progress")
def progress(request: Request, member: Consenting, sitting_id: str) -> Response:
    """The part of the page that changes; htmx asks for it until the alignment has ended."""
    site = site_of(request)
    _own_sitting(site, member, sitting_id)
    newest = _newest(site, member, sitting_id)
    return page(
        request,
        "personas/progress.html",
        sitting=sitting_id,
        way_back=way_back(site, request, member),
        **_state(site, newest),
    )


@router.get("/personas")
def personas(request: Request, member: SignedIn) -> Response:
    """Every persona of somebody, the current ones first, and what others share with them."""
    site = site_of(request)
    with site.database.reading() as session:
        pairs, shared = pairs_of(session, member.id), shared_with(session, member.id)
    newest = {pair.id for pair in current(pairs).values()}
    return page(
        request,
        "personas/list.html",
        pairs=sorted(pairs, key=lambda pair: pair.id not in newest),
        current=newest,
        shared=shared,
    )


@router.post("/personas/{persona_id}/delete")
def delete(request: Request, member: SignedIn, persona_id: str) -> Response:
    """Delete a persona, and with it the other one that was made from the same answers."""
    site = site_of(request)
    with site.database.writing() as session:
        wait_for_turn(session)
        own = select(StoredPersona).where(StoredPersona.account_id == member.id)
        persona = session.scalar(own.where(StoredPersona.id == persona_id))
        if persona is None:
            raise PageRefusal(404, "not_found")
        made = session.scalar(
            select(Alignment).where(
                (Alignment.persona_id == persona_id) | (Alignment.mirrored_id == persona_id)
            )
        )
        both = {persona_id} if made is None else {made.persona_id, made.mirrored_id}
        for row in session.scalars(own.where(StoredPersona.id.in_(both - {None}))).all():
            remove(session, site, row)
            append(session, site.vault, "persona.deleted", actor=member.audit_name, subject=row.id)
    return see("/personas", "persona_deleted")


def _own_sitting(site: Site, member: Member, sitting_id: str) -> Sitting:
    """A finished sitting of somebody."""
    with site.database.reading() as session:
        sitting = session.scalar(
            select(Sitting).where(Sitting.id == sitting_id, Sitting.account_id == member.id)
        )
    if sitting is None:
        raise PageRefusal(404, "not_found")
    if sitting.finished_at is None:
        raise PageRefusal(409, "not_finished")
    return sitting


def _newest(site: Site, member: Member, sitting_id: str) -> Alignment | None:
    with site.database.reading() as session:
        return session.scalar(
            select(Alignment)
            .where(Alignment.sitting_id == sitting_id, Alignment.account_id == member.id)
            .order_by(Alignment.created_at.desc())
            .limit(1)
        )


def _state(site: Site, newest: Alignment | None) -> dict[str, Any]:
    """What a page says of an alignment."""
    return {
        "newest": newest,
        "percent": 0 if newest is None else round(100 * site.aligner.progress(newest.id)),
        "told": newest is not None and newest.error in FAILURES,
    }
