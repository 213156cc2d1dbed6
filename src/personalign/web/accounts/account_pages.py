"""/account: what one has here, who is signed in, API keys, shares; and the ways out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from personalign.web.accounts.api_keys import keys_of, make_key, revoke_key
from personalign.web.accounts.key_help import askable, curl, example_of
from personalign.web.accounts.pages import Problem, WrongPhrase, check_phrase_of, leave
from personalign.web.accounts.sessions import (
    Member,
    change_phrase,
    end_others,
    end_session,
    hashed,
    public_id_of,
    sessions_of,
)
from personalign.web.accounts.sharing import given, received
from personalign.web.accounts.tables import Account
from personalign.web.chat.tables import Conversation
from personalign.web.pages import page, see, set_cookie
from personalign.web.personas.access import personas_for
from personalign.web.questionnaire.tables import Consent, Sitting
from personalign.web.refusals import PageRefusal
from personalign.web.reports.tables import Report
from personalign.web.site import site_of
from personalign.web.visitor import Anyone, SignedIn, Visitor

router = APIRouter(prefix="/account")

KEPT = {
    "sittings": Sitting.account_id,
    "conversations": Conversation.account_id,
    "reports": Report.account_id,
}
"""What the page counts."""

WHERE = {
    "sittings": "/questionnaire",
    "conversations": "/chat/kept",
    "reports": "/reports",
    "personas": "/personas",
}
"""Where that can be seen."""


@dataclass(frozen=True)
class SessionShown:
    """A browser that is signed in."""

    id: str
    here: bool
    since: datetime
    seen: datetime


@router.get("")
def account(request: Request, visitor: Anyone, member: SignedIn) -> Response:
    """The account's page."""
    return _page(request, visitor, member)


@router.post("/sessions/end-others")
def end_other_sessions(request: Request, member: SignedIn) -> Response:
    """Sign out everywhere else."""
    site = site_of(request)
    response = see("/account", "others_ended")
    set_cookie(response, site, end_others(site, member))
    return response


@router.post("/sessions/{session_id}/end")
def end_one_session(
    request: Request, visitor: Anyone, member: SignedIn, session_id: str
) -> Response:
    """Sign another browser out, or this one."""
    site = site_of(request)
    with site.database.reading() as session:
        own = {public_id_of(s): s.token_hash for s in sessions_of(session, member.id)}
    if own.get(session_id) == hashed(visitor.cookie):
        return leave(request, visitor)
    if not end_session(site, member, session_id):
        raise PageRefusal(404, "not_found")
    return see("/account", "session_ended")


@router.post("/phrase")
def new_phrase(
    request: Request,
    visitor: Anyone,
    member: SignedIn,
    phrase: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Another phrase for who knows the present one; every other browser is signed out."""
    site = site_of(request)
    try:
        proved = check_phrase_of(request, member, phrase)
    except WrongPhrase as wrong:
        return _page(request, visitor, member, status=403, problem=wrong.problem, typed=phrase)
    fresh, cookie = change_phrase(site, member, proved)
    number = site.once.put(member.id, "new_phrase", "/account", phrase=fresh)
    response = see(f"/shown/{number}")
    set_cookie(response, site, cookie)
    return response


@router.post("/keys")
def new_key(
    request: Request, member: SignedIn, name: Annotated[str, Form(min_length=1, max_length=64)]
) -> Response:
    """Make an API key and show it, with what it can ask for."""
    site = site_of(request)
    given_key = make_key(site, member, " ".join(name.split()) or "key")
    with site.database.reading() as session:
        models = askable(session, site, member.id)
    address = site.settings.public_url.rstrip("/") + "/v1"
    tried = example_of(models)
    asked = site.texts.say(member.language, "account.keys.question")
    number = site.once.put(
        member.id,
        "key",
        "/account",
        key=given_key,
        models=models,
        address=address,
        tried=tried,
        command=curl(address, given_key, tried.name, asked),
    )
    return see(f"/shown/{number}")


@router.post("/keys/{number}/revoke")
def end_key(request: Request, member: SignedIn, number: str) -> Response:
    """Revoke an API key."""
    revoke_key(site_of(request), member, number)
    return see("/account", "key_revoked")


def _page(
    request: Request,
    visitor: Visitor,
    member: Member,
    *,
    status: int = 200,
    problem: Problem | None = None,
    typed: str = "",
) -> Response:
    site = site_of(request)
    with site.database.reading() as session:
        found = session.get_one(Account, member.id)
        own = personas_for(session, member.id)
        return page(
            request,
            "accounts/account.html",
            status,
            account=found,
            sessions=[
                SessionShown(
                    public_id_of(s), s.token_hash == hashed(visitor.cookie), s.created_at, s.seen_at
                )
                for s in sessions_of(session, member.id)
            ],
            keys=keys_of(session, site.vault, member.id),
            personas=sorted(
                (persona for persona, owner in own if owner is None),
                key=lambda persona: persona.kind == "mirrored",  # what people mean to share first
            ),
            given=given(session, member.id),
            received=received(session, member.id),
            consent=_consent(session, member.id),
            counts=_counts(session, member.id),
            where=WHERE,
            problem=problem,
            typed=typed,
        )


def _consent(session: Session, account_id: str) -> Consent | None:
    """The latest consent, given or withdrawn."""
    return session.scalars(
        select(Consent).where(Consent.account_id == account_id).order_by(Consent.given_at.desc())
    ).first()


def _counts(session: Session, account_id: str) -> dict[str, int]:
    return {
        what: session.scalars(select(func.count()).where(owner == account_id)).one()
        for what, owner in KEPT.items()
    }
