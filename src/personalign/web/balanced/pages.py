"""/balanced: one question, answered by views that stand far apart, and where they differ."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.model.persona import PLAIN
from personalign.server.replies import CLIENT_GONE, until_gone
from personalign.server.service import Service
from personalign.web.accounts.sessions import Member
from personalign.web.balanced.differences import differences
from personalign.web.balanced.views import VIEWS
from personalign.web.chat.asking import ask_all
from personalign.web.chat.markdown import rendered
from personalign.web.chat.speakers import Speaker, asker_of, speakers_of
from personalign.web.chat.talks import Listener, Reply, Talk
from personalign.web.pages import page
from personalign.web.personas.pairs import current, pairs_of
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.visitor import SignedIn

router = APIRouter()

LONGEST = 160
"""Tokens of a view's answer, and of the model's summary of them all."""

LONGEST_QUESTION = 1_000
"""Characters."""

WAIT_SECONDS, LOOK_EVERY = 20.0, 0.1
"""How long a question waits for views that are being made; then the page says so."""


@router.get("/balanced")
def form(request: Request, member: SignedIn) -> Response:
    """Why other views, who they are, and the question."""
    return _page(request, site_of(request).service.base, "", [], None)


@router.get("/balanced/ready")
def ready(request: Request, member: SignedIn, model: str = "") -> Response:
    """Whether the views can be asked; htmx asks until they can."""
    site = site_of(request)
    name = model if model in site.services else site.service.base
    return page(request, "balanced/ready.html", views=site.views.of(name), model=name)


@router.post("/balanced")
async def answer(
    request: Request,
    member: SignedIn,
    question: Annotated[str, Form(min_length=1, max_length=LONGEST_QUESTION)],
    model: Annotated[str, Form(max_length=256)] = "",
) -> Response:
    """Ask everybody the same; nothing of it is kept."""
    site = site_of(request)
    name = model or site.service.base
    if name not in site.services or not question.strip():
        raise PageRefusal(400, "not_understood")
    if await until_gone(request, _made(site, name)) is None:
        return Response(status_code=CLIENT_GONE)
    speakers = await asyncio.to_thread(_speakers, site, member, name)
    if speakers is None:
        return _page(request, name, question, [], None)
    listener = site.talks.listening(Talk(member.id, "", name))
    with site.talks.asking(member.id):
        longest = min(LONGEST, site.settings.reply_tokens)
        work = _asked(site.services[name], speakers, question.strip(), longest, listener)
        found = await until_gone(request, work)
    if found is None:
        return Response(status_code=CLIENT_GONE)
    return _page(request, name, question, *found)


async def _made(site: Site, model: str) -> bool:
    """Wait a while for the views to be made."""
    for _ in range(int(WAIT_SECONDS / LOOK_EVERY)):
        if site.views.of(model) is not None:
            return True
        await asyncio.sleep(LOOK_EVERY)
    return False


def _speakers(site: Site, member: Member, model: str) -> list[Speaker] | None:
    """Everybody who answers; None while the views are being made."""
    views = site.views.of(model)
    if views is None:
        return None
    with site.database.reading() as session:
        own = current(pairs_of(session, member.id)).get(model)
    base = Speaker("base", PLAIN, asker_of(member.id, "base"))
    mine = [base] if own is None else speakers_of(site, member.id, own)
    others = [Speaker(name, one, asker_of(member.id, name)) for name, one in views.items()]
    return [*mine, *others]


async def _asked(
    service: Service, speakers: list[Speaker], question: str, longest: int, listener: Listener
) -> tuple[list[Reply], Reply | None]:
    """All replies, and what the model as it is says of where they differ."""
    replies = await ask_all(service, speakers, question, longest=longest, listener=listener)
    said = [reply.text for reply in replies if reply.text]
    if len(said) < 2:
        return replies, None
    listed = "\n".join(f"Answer {number}: {text}" for number, text in enumerate(said, 1))
    wanted = (
        f'People were asked: "{question}"\n{listed}\n'
        "In one or two sentences, where do these answers differ?"
    )
    base = [one for one in speakers if one.name == "base"]
    (summary,) = await ask_all(service, base, wanted, longest=longest, listener=listener)
    return replies, summary


def _page(
    request: Request, model: str, question: str, replies: list[Reply], summary: Reply | None
) -> Response:
    site = site_of(request)
    return page(
        request,
        "balanced/balanced.html",
        model=model,
        models=list(site.services),
        views=site.views.of(model),
        names=list(VIEWS),
        question=question,
        replies=replies,
        summary=summary,
        found=differences({reply.speaker: reply.text for reply in replies if reply.text}),
        longest=LONGEST_QUESTION,
        rendered=rendered,
    )
