"""/studies: a researcher's studies, their links, votes, results and end.

Whoever is no researcher is told that there is nothing here, and so is a researcher of somebody
else's study. Results are counted only where they are asked for: while votes come in, that is
peeking, and the page says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from personalign.evaluation.human import Preference
from personalign.web.accounts.sessions import Member
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import now, unsealed_text
from personalign.web.pages import page, see
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.study import results
from personalign.web.study.inviting import AT_ONCE, invite, invited, links
from personalign.web.study.making import Researcher
from personalign.web.study.making import router as making
from personalign.web.study.rater_pages import router as rating
from personalign.web.study.recipe import recipe_in
from personalign.web.study.tables import Invitation, Rating, Study

router = APIRouter()
router.include_router(making)
router.include_router(rating)

FILES = {
    "votes.csv": "text/csv",
    "votes.jsonl": "application/jsonl",
    "pack.jsonl": "application/jsonl",
    "results.json": "application/json",
    "key.json": "application/json",
}
"""What a study can be taken away as; the last two once it is closed."""

AFTER_CLOSING = ("results.json", "key.json")


@dataclass(frozen=True)
class Listed:
    """A line of the list."""

    id: str
    title: str
    state: str
    created_at: datetime
    closed_at: datetime | None
    raters: int
    votes: int


@router.get("/studies")
def studies(request: Request, member: Researcher) -> Response:
    """All studies of a researcher, the newest first."""
    site = site_of(request)
    with site.database.reading() as session:
        rows = session.execute(
            select(
                Study,
                func.count(func.distinct(Rating.invitation_id)),
                func.count(Rating.pair),
            )
            .outerjoin(Invitation, Invitation.study_id == Study.id)
            .outerjoin(Rating, Rating.invitation_id == Invitation.id)
            .where(Study.account_id == member.id)
            .group_by(Study.id)
            .order_by(Study.created_at.desc(), Study.id)
        ).all()
        listed = [
            Listed(
                row.id,
                unsealed_text(site.vault, row, "title"),
                row.state,
                row.created_at,
                row.closed_at,
                raters,
                votes,
            )
            for row, raters, votes in rows
        ]
    return page(request, "study/list.html", studies=listed)


@router.get("/studies/{study_id}")
def one_study(
    request: Request,
    study_id: str,
    member: Researcher,
    peek: str = "",
    links: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """A study: its links, its counts and, where they are asked for or it is closed, its results.

    links: id of what `make_links` made.
    """
    response = _shown(request, study_id, member, peek=bool(peek), made=links)
    if "hx-request" in request.headers and not site_of(request).pair_writer.under_way(study_id):
        response.headers["hx-refresh"] = "true"  # what was being written is there
    return response


@router.post("/studies/{study_id}/links")
def make_links(
    request: Request, study_id: str, member: Researcher, many: Annotated[int, Form()]
) -> Response:
    """Make links and show them."""
    site = site_of(request)
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        if study.closed_at is not None:
            raise PageRefusal(409, "study_closed")
        tokens = invite(session, study, many)
        _write_down(session, site, member, study, "study.links", links=len(tokens))
    then = f"/studies/{study_id}"
    made = site.once.put(member.id, "links", then, study=study_id, tokens=tokens)
    return see(f"{then}?links={made}")


@router.post("/studies/{study_id}/links.txt")
def links_as_text(
    request: Request, study_id: str, member: Researcher, tokens: Annotated[str, Form()]
) -> Response:
    """The links that were just shown, as a file: they come back from the page that showed them."""
    site = site_of(request)
    given = tokens.split()
    with site.database.reading() as session:
        study = own_study(session, member, study_id)
        lines = links(session, study, site.settings.public_url, given)
    if not lines:
        raise PageRefusal(400, "not_understood")
    return _file("links.txt", "text/plain", "".join(f"{line}\n" for line in lines))


@router.post("/studies/{study_id}/links/{invitation_id}/revoke")
def revoke(request: Request, study_id: str, invitation_id: str, member: Researcher) -> Response:
    """Let a link lead nowhere; votes given with it stay, so that nobody can pick votes."""
    site = site_of(request)
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        found = session.scalar(
            select(Invitation).where(
                Invitation.id == invitation_id, Invitation.study_id == study.id
            )
        )
        if found is None:
            raise PageRefusal(404, "not_found")
        if found.revoked_at is None:
            found.revoked_at = now()
            _write_down(session, site, member, study, "study.link_revoked", number=found.number)
    return see(f"/studies/{study_id}", "link_revoked")


@router.post("/studies/{study_id}/write")
def write_again(request: Request, study_id: str, member: Researcher) -> Response:
    """Have the pairs written once more, where that failed or was cut short."""
    site = site_of(request)
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        if study.state == "ready":
            return see(f"/studies/{study_id}")
        study.state = "making"
    site.pair_writer.begin(study_id, member.id)
    return see(f"/studies/{study_id}")


@router.post("/studies/{study_id}/close")
def close(request: Request, study_id: str, member: Researcher) -> Response:
    """Take no more votes."""
    site = site_of(request)
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        if study.closed_at is None:
            study.closed_at = now()
            _write_down(session, site, member, study, "study.closed")
    return see(f"/studies/{study_id}", "study_closed")


@router.post("/studies/{study_id}/reopen")
def reopen(request: Request, study_id: str, member: Researcher) -> Response:
    """Take votes again."""
    site = site_of(request)
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        if study.closed_at is not None:
            study.closed_at = None
            known = study.key_given_at is not None
            _write_down(session, site, member, study, "study.reopened", key_known=known)
    return see(f"/studies/{study_id}", "study_open")


@router.post("/studies/{study_id}/delete")
def delete(
    request: Request, study_id: str, member: Researcher, sure: Annotated[str, Form()] = ""
) -> Response:
    """Delete a study with its pairs, links and votes."""
    site = site_of(request)
    if not sure:
        return see(f"/studies/{study_id}", "not_sure")
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        _write_down(session, site, member, study, "study.deleted")
        session.delete(study)
    return see("/studies", "study_deleted")


@router.post("/studies/{study_id}/files/{name}")
def take_away(request: Request, study_id: str, name: str, member: Researcher) -> Response:
    """A file of the study; what says which answer is which is given once it is closed."""
    site = site_of(request)
    if name not in FILES:
        raise PageRefusal(404, "not_found")
    with site.database.writing() as session:
        study = _study_to_change(session, member, study_id)
        if name in AFTER_CLOSING and study.closed_at is None:
            raise PageRefusal(409, "study_open")
        if name == "key.json" and study.key_given_at is None:
            study.key_given_at = now()
        _write_down(session, site, member, study, "study.exported", file=name)
    with site.database.reading() as session:
        text = _written(session, site, own_study(session, member, study_id), name)
    return _file(name, FILES[name], text)


def own_study(session: Session, member: Member, study_id: str, *, lock: bool = False) -> Study:
    """A researcher's own study; of anybody else's they are told that it is not there.

    lock: until the transaction ends nobody else changes it or votes in it.
    """
    own = select(Study).where(Study.id == study_id, Study.account_id == member.id)
    found = session.scalar(own.with_for_update() if lock else own)
    if found is None:
        raise PageRefusal(404, "not_found")
    return found


def _study_to_change(session: Session, member: Member, study_id: str) -> Study:
    wait_for_turn(session)
    return own_study(session, member, study_id, lock=True)


def _shown(
    request: Request,
    study_id: str,
    member: Member,
    *,
    peek: bool = False,
    made: str = "",
) -> Response:
    from personalign.bench.outcomes import share_text  # here: it draws figures, too

    site = site_of(request)
    percent = site.texts.say(member.language, "base.percent", number=r"\1")
    shown = site.once.find(member.id, made) if made else None
    tokens: list[str] = []
    if shown is not None and shown.values is not None and shown.values.get("study") == study_id:
        tokens = shown.values["tokens"]
    found: list[Preference] | None = None
    with site.database.reading() as session:
        study = own_study(session, member, study_id)
        rows = invited(session, study)
        settings = unsealed_text(site.vault, study, "settings")
        addresses = links(session, study, site.settings.public_url, tokens)
        if study.state == "ready" and (peek or study.closed_at is not None):
            found = results.preferences_of(session, site.vault, study)
    if peek and study.closed_at is None:
        with site.database.writing() as session:
            _write_down(session, site, member, study, "study.peeked")
    return page(
        request,
        "study/one.html",
        study=study,
        title=unsealed_text(site.vault, study, "title"),
        told=unsealed_text(site.vault, study, "told"),
        problem=unsealed_text(site.vault, study, "problem"),
        recipe=None if settings == "{}" else recipe_in(settings),
        job=site.pair_writer.job(study.id),
        invitations=rows,
        votes=sum(row.votes for row in rows),
        at_once=AT_ONCE,
        tokens=tokens,
        links=addresses,
        made=made,
        minutes=0 if shown is None else site.once.minutes(shown),
        found=found,
        share_text=lambda interval: re.sub(r"(\d+)%", percent, share_text(interval)),
        after_closing=AFTER_CLOSING,
        files=FILES,
    )


def _written(session: Session, site: Site, study: Study, name: str) -> str:
    votes = results.votes_of(session, study)
    if name == "votes.csv":
        return results.votes_csv(votes)
    if name == "votes.jsonl":
        return results.votes_lines(votes)
    if name == "pack.jsonl":
        return results.pack_file(session, site.vault, study)
    if name == "results.json":
        return results.results_file(session, site.vault, study)
    return results.key_file(session, site.vault, study)


def _file(name: str, kind: str, text: str) -> Response:
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
    }
    return Response(text, media_type=kind, headers=headers)


def _write_down(
    session: Session,
    site: Site,
    member: Member,
    study: Study,
    action: str,
    **details: str | int | bool,
) -> None:
    append(session, site.vault, action, actor=member.audit_name, subject=study.id, **details)
