"""/chat: one question, answered by the model as it is, a persona and its mirror image.

With chat.js a reply comes as server-sent events; without it the page comes back with all of it.
Who leaves while it is written drops the round; who stops it keeps what was said until then.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.server.replies import CLIENT_GONE, EventStream, until_gone
from personalign.server.service import Service
from personalign.web.accounts.sessions import Member
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.chat.asking import ask, ask_all
from personalign.web.chat.kept import (
    add_rounds,
    all_kept,
    conversation_of,
    keep,
    pair_id_of,
    rounds_of,
)
from personalign.web.chat.markdown import rendered
from personalign.web.chat.speakers import Speaker, Strength, speakers_of
from personalign.web.chat.talks import Choices, Listener, Reply, Round, Talk
from personalign.web.pages import page, see
from personalign.web.personas.pairs import Pair, pair_of, spoken_with
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.visitor import SignedIn

router = APIRouter()

LONGEST_QUESTION = 4_000
"""Characters."""

Question = Annotated[str, Form(min_length=1, max_length=LONGEST_QUESTION)]


@router.get("/chat")
def newest(request: Request, member: SignedIn, pair: str = "") -> Response:
    """The conversation somebody was in last, or a new one: with `pair`, their newest persona, or
    what was shared with them last."""
    site = site_of(request)
    talk = None if pair else site.talks.newest(member.id)
    if talk is not None:
        return see(f"/chat/talk/{talk.id}")
    with site.database.reading() as session:
        pairs = spoken_with(session, member.id)
    chosen = [one for one in pairs if one.id == pair] or pairs
    if not chosen:
        return page(request, "chat/none.html")
    return _chat(request, chosen[0], Talk(member.id, chosen[0].id, chosen[0].model), pairs)


@router.get("/chat/talk/{number}")
def talk(request: Request, member: SignedIn, number: str) -> Response:
    """A conversation that is in memory."""
    site = site_of(request)
    found = _talk(site, member, number)
    with site.database.reading() as session:
        pairs = spoken_with(session, member.id)
    pair = next((one for one in pairs if one.id == found.pair_id), None)
    return _chat(request, pair, found, pairs)


@router.post("/chat/say")
async def say(
    request: Request,
    member: SignedIn,
    question: Question,
    pair: Annotated[str, Form(max_length=64)],
    talk: Annotated[str, Form(max_length=64)] = "",
    view: Annotated[str, Form(max_length=16)] = "all",
    alpha: Annotated[float | None, Form()] = None,
    surprise: Annotated[bool, Form()] = False,
    live: Annotated[bool, Form()] = False,
) -> Response:
    """Answer a question; live: as server-sent events rather than as a page."""
    site = site_of(request)
    choices = Choices(view, alpha, surprise)
    try:
        asked = await asyncio.to_thread(_asked, site, member, question.strip(), pair, talk, choices)
    except PageRefusal as refusal:
        return page(  # with the question, which would be lost on a page that only refuses
            request,
            "chat/refused.html",
            refusal.status,
            refusal=refusal,
            question=question,
            pair=pair,
            choices=choices,
        )
    if live:
        return EventStream(_events(request, site, asked), site.service.bounds.stall_seconds)
    with site.talks.asking(member.id):
        replies = await until_gone(
            request,
            ask_all(
                asked.service,
                asked.speakers,
                asked.question,
                asked.talk.rounds,
                seed=asked.seed,
                longest=site.settings.reply_tokens,
                listener=asked.listener,
            ),
        )
    if replies is None:
        return Response(status_code=CLIENT_GONE)
    await asyncio.to_thread(_remember, site, asked, replies)
    return see(f"/chat/talk/{asked.talk.id}")


@router.post("/chat/stop")
async def stop(
    request: Request, member: SignedIn, asking: Annotated[str, Form(max_length=64)]
) -> Response:
    """End the replies to a question; the stream that is giving them ends with what was said."""
    if not site_of(request).talks.stop(member.id, asking):
        raise PageRefusal(404, "not_found")
    return Response(status_code=204)


@router.post("/chat/keep")
def keep_talk(
    request: Request, member: SignedIn, talk: Annotated[str, Form(max_length=64)]
) -> Response:
    """Keep a conversation: this one, as far as it is, and what is said in it from now on."""
    site = site_of(request)
    found = _talk(site, member, talk)
    with found.keeping:
        if found.kept_id is None and found.rounds:
            found.kept_id = _kept(site, member, found)
    return see(f"/chat/talk/{found.id}", "talk_kept")


@router.get("/chat/kept")
def kept(request: Request, member: SignedIn) -> Response:
    """The kept conversations."""
    site = site_of(request)
    with site.database.reading() as session:
        conversations = all_kept(session, site.vault, member.id)
    return page(
        request,
        "chat/kept.html",
        conversations=conversations,
        days=site.settings.retention.conversations,
    )


@router.get("/chat/kept/{number}")
def open_kept(request: Request, member: SignedIn, number: str) -> Response:
    """Take a kept conversation up again."""
    site = site_of(request)
    found = Talk(member.id, "", "", kept_id=number)
    listener = site.talks.listening(found)  # who deletes it from now on is noticed
    with site.database.reading() as session:
        row = conversation_of(session, member.id, number)
        if row is None:
            raise PageRefusal(404, "not_found")
        found.pair_id, found.model = pair_id_of(session, row), row.model
        found.rounds = rounds_of(session, site.vault, row)
    site.talks.put(found, listener)
    return see(f"/chat/talk/{found.id}")


@router.post("/chat/kept/{number}/delete")
def delete_kept(request: Request, member: SignedIn, number: str) -> Response:
    """Delete a kept conversation, and what is open of it."""
    site = site_of(request)
    with site.database.writing() as session:
        wait_for_turn(session)
        row = conversation_of(session, member.id, number, lock=True)
        if row is None:
            raise PageRefusal(404, "not_found")
        session.delete(row)
        append(session, site.vault, "conversation.deleted", actor=member.audit_name, subject=number)
    site.talks.forget_kept(number)
    return see("/chat/kept", "conversation_deleted")


@dataclass(frozen=True)
class _Asked:
    """A question, and everything needed to answer it."""

    talk: Talk
    listener: Listener
    service: Service
    speakers: list[Speaker]
    question: str
    choices: Choices
    seed: int | None


def _asked(
    site: Site, member: Member, question: str, pair_id: str, number: str, choices: Choices
) -> _Asked:
    if not question:
        raise PageRefusal(400, "not_understood")
    talk = Talk(member.id, pair_id, "") if not number else _talk(site, member, number)
    listener = site.talks.listening(talk)  # before anything is read that may be deleted meanwhile
    with site.database.reading() as session:
        pair = pair_of(session, member.id, pair_id)
    if pair is None:
        raise PageRefusal(404, "persona_gone")
    if pair.model not in site.services:
        raise PageRefusal(410, "persona_gone")
    if talk.pair_id != pair.id:
        raise PageRefusal(400, "not_understood")
    talk.model = pair.model
    speakers = speakers_of(site, member.id, pair, choices.view, choices.alpha)
    seed = secrets.randbelow(10**6) if choices.surprise else None
    return _Asked(talk, listener, site.services[pair.model], speakers, question, choices, seed)


def _kept(site: Site, member: Member, talk: Talk) -> str:
    """The id of what a conversation is kept as from now on."""
    with site.database.writing() as session:
        wait_for_turn(session)
        pair = pair_of(session, member.id, talk.pair_id)
        row = keep(session, site.vault, talk, None if pair is None else pair.mine)
        append(session, site.vault, "conversation.kept", actor=member.audit_name, subject=row.id)
    return row.id


def _remember(site: Site, asked: _Asked, replies: list[Reply]) -> Round:
    """Add what was said to the conversation, and to the kept one where it is kept.

    Raises PageRefusal (404) where the conversation was forgotten meanwhile.
    """
    said = Round(asked.question, tuple(replies))
    talk = asked.talk
    with talk.keeping:
        talk.rounds.append(said)
        talk.choices = asked.choices
        site.talks.put(talk, asked.listener)
        if talk.kept_id is not None:
            with site.database.writing() as session:
                row = conversation_of(session, talk.account_id, talk.kept_id, lock=True)
                if row is not None:
                    add_rounds(session, site.vault, row, [said])
    return said


async def _events(request: Request, site: Site, asked: _Asked) -> AsyncGenerator[bytes, None]:
    """A round as server-sent events: begin, words, reply (a speaker has ended), end; or problem."""
    waiting = Round(asked.question, tuple(Reply(s.name, "", s.alpha) for s in asked.speakers))
    try:
        with site.talks.asking(asked.talk.account_id) as asking_now:
            html = _round(request, asked.talk, waiting, under_way=True)
            yield _event("begin", asking=asking_now.id, html=html)
            replies: dict[str, Reply] = {}
            rounds = asked.talk.rounds
            asking = ask(
                asked.service,
                asked.speakers,
                asked.question,
                rounds,
                seed=asked.seed,
                longest=site.settings.reply_tokens,
                listener=asked.listener,
                stop=asking_now.stop,
            )
            async with aclosing(asking):
                async for got in asking:
                    if isinstance(got, Reply):
                        replies[got.speaker] = got
                        html = str(rendered(got.text)) if got.problem is None else ""
                        yield _event("reply", speaker=got.speaker, html=html)
                    else:
                        yield _event("words", speaker=got.speaker, text=got.text)
            whole = [replies[speaker.name] for speaker in asked.speakers]
            said = await asyncio.to_thread(_remember, site, asked, whole)
            yield _event("end", talk=asked.talk.id, html=_round(request, asked.talk, said))
    except PageRefusal as refusal:
        who = request.state.visitor
        text = site.texts.say(who.language, f"refusals.{refusal.reason}.text", **refusal.values)
        yield _event("problem", text=text)


def _event(name: str, **values: str) -> bytes:
    return f"event: {name}\ndata: {json.dumps(values)}\n\n".encode()


def _talk(site: Site, member: Member, number: str) -> Talk:
    found = site.talks.find(member.id, number)
    if found is None:
        raise PageRefusal(404, "talk_gone")
    return found


def _round(request: Request, talk: Talk, said: Round, *, under_way: bool = False) -> str:
    """One question with its replies, as HTML."""
    made = page(
        request,
        "chat/round.html",
        round=said,
        model=talk.model,
        under_way=under_way,
        rendered=rendered,
    )
    return bytes(made.body).decode()


def _chat(request: Request, pair: Pair | None, talk: Talk, pairs: list[Pair]) -> Response:
    """The page of a conversation; pair: None where its personas are gone."""
    site = site_of(request)
    strength, views, still = None, ["all"], False
    if pair is not None and pair.model not in site.services:
        pair = None
    if pair is not None:
        try:
            speakers = speakers_of(site, talk.account_id, pair)
            strength = next(Strength.of(s.persona) for s in speakers if s.name != "base")
            views = ["all", *(speaker.name for speaker in speakers)]
            moves = strength is not None and strength.best > 0  # by its proportion of the slider
            still = moves and any(s.name == "mirrored" and s.alpha == 0 for s in speakers)
        except PageRefusal:
            pair = None  # deleted a moment ago
    return page(
        request,
        "chat/chat.html",
        talk=talk,
        pair=pair,
        pairs=pairs,
        strength=strength,
        still=still,
        views=views,
        longest=LONGEST_QUESTION,
        rendered=rendered,
    )
