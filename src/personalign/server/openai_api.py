"""/v1/models, /v1/chat/completions and /v1/completions, as OpenAI's clients know them."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from personalign.errors import EngineClosed, EngineFull, UnknownPersonaError
from personalign.model.generate import MAX_NEW_TOKENS
from personalign.server.access import needs, service_of
from personalign.server.bodies import ChatBody, CompletionBody
from personalign.server.keys import Key
from personalign.server.model_names import Choice, parse_choice, unknown_model
from personalign.server.objects import ChatCompletion, Completion, Model, ModelList, errors
from personalign.server.refusals import Refusal, unauthorised
from personalign.server.replies import Reply
from personalign.server.requests import Request as EngineRequest
from personalign.server.requests import Ticket
from personalign.server.wire import ChatWire, TextWire

if TYPE_CHECKING:
    from personalign.model.persona import Persona
    from personalign.server.service import Service

router = APIRouter(prefix="/v1")

TEXT_TOKENS = 16
"""Tokens a text goes on for where nothing is said: OpenAI's default."""

OPENAI_TEMPERATURE = 1.0
"""Where nothing is said."""

Chatter = Annotated[Key, Depends(needs("chat"))]
_STREAM = {
    "text/event-stream": {
        "schema": {"type": "object", "properties": {"data": {"type": "string"}}}  # of one event
    }
}


@router.get("/models", response_model=ModelList, responses=errors(401, 403, 429, 503))
async def list_models(request: Request, key: Chatter) -> Response:
    """The base, and every persona the key may see."""
    service = service_of(request)

    def read() -> list[dict[str, Any]]:
        choices = [Choice(None), *(Choice(name) for name in service.visible(key))]
        return [model for choice in choices if (model := _model(service, choice)) is not None]

    return JSONResponse({"object": "list", "data": await asyncio.to_thread(read)})


@router.get("/models/{model:path}", response_model=Model, responses=errors(401, 403, 404, 429, 503))
async def find_model(request: Request, model: str, key: Chatter) -> Response:
    """One model by its name, BASE or BASE:PERSONA."""
    service = service_of(request)
    choice = parse_choice(service.base, model, None)
    found = None
    if choice.persona is None or await asyncio.to_thread(
        service.personas.seen_by, key, choice.persona
    ):
        found = await asyncio.to_thread(_model, service, choice)
    if found is None:
        raise unknown_model(model, service.base)
    return JSONResponse(found)


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses={200: {"content": _STREAM}, **errors(400, 401, 403, 404, 413, 429, 503)},
)
async def chat_completions(request: Request, body: ChatBody, key: Chatter) -> Response:
    """A chat's next turn, as a persona; with stream, as server-sent events."""
    began = time.perf_counter()
    service = service_of(request)
    if body.top_logprobs is not None and not body.logprobs:
        raise Refusal(
            400,
            "top_logprobs needs logprobs to be true.",
            param="top_logprobs",
            code="invalid_value",
        )
    longest = _longest(service, body.longest, MAX_NEW_TOKENS, "max_completion_tokens")
    choice, persona = await _who(service, body, key)
    with _taken(service):
        prompt = await service.renderer.chat(persona, [message.turn for message in body.messages])
    ticket = await _submit(service, body, key, choice, persona, prompt, longest, body.alternatives)
    await _still(service, key, choice, ticket, body.model)
    wire = ChatWire(
        choice.model_name(service.base),
        service.fingerprint,
        service.renderer.token,
        service.renderer.ends,
        bool(body.logprobs),
    )
    return await _answer(request, service, body, Reply(ticket, wire, service.metrics, began))


@router.post(
    "/completions",
    response_model=Completion,
    responses={200: {"content": _STREAM}, **errors(400, 401, 403, 404, 413, 429, 503)},
)
async def completions(request: Request, body: CompletionBody, key: Chatter) -> Response:
    """How a text goes on, as a persona; with stream, as server-sent events."""
    began = time.perf_counter()
    service = service_of(request)
    longest = _longest(service, body.max_tokens, TEXT_TOKENS, "max_tokens")
    choice, persona = await _who(service, body, key)
    with _taken(service):
        prompt = await service.renderer.text(persona, body.text_or_ids)
    ticket = await _submit(service, body, key, choice, persona, prompt, longest, body.logprobs)
    await _still(service, key, choice, ticket, body.model)
    wire = TextWire(
        choice.model_name(service.base),
        service.fingerprint,
        service.renderer.token,
        service.renderer.ends,
        body.logprobs is not None,
    )
    return await _answer(request, service, body, Reply(ticket, wire, service.metrics, began))


async def _who(
    service: Service, body: ChatBody | CompletionBody, key: Key
) -> tuple[Choice, Persona]:
    """Who is to reply, and how strongly."""
    if body.stream_options is not None and not body.stream:
        raise Refusal(
            400,
            "stream_options needs stream to be true.",
            param="stream_options",
            code="invalid_value",
        )
    choice = parse_choice(service.base, body.model, body.personalign)
    persona = await asyncio.to_thread(service.persona, choice.persona, key, body.model)
    return choice, choice.applied(persona)


def _asker(key: Key, choice: Choice) -> str:
    """Who shares what is read of a prompt: one key with itself, asking the same persona by name.

    A key may use personas whose prompts it may not read, so it must not find those by guessing.
    """
    return f"key {key.id} {choice.persona or ''}"


async def _submit(
    service: Service,
    body: ChatBody | CompletionBody,
    key: Key,
    choice: Choice,
    persona: Persona,
    prompt: tuple[int, ...],
    longest: int,
    logprobs: int | None,
) -> Ticket:
    """Hand it to the engine."""
    temperature = OPENAI_TEMPERATURE if body.temperature is None else body.temperature
    wanted = EngineRequest(
        prompt,
        persona,
        max_new_tokens=longest,
        temperature=temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=body.top_k or 0,
        seed=secrets.randbits(63) if body.seed is None else body.seed % 2**63,
        stop=body.stops,
        logprobs=logprobs,
        owner=key.id,
        asker=_asker(key, choice),
    )
    with _taken(service):
        return await asyncio.to_thread(service.engine.submit, wanted)


@contextmanager
def _taken(service: Service) -> Iterator[None]:
    """Refusal where as much waits as may (429), or the engine is closed (503)."""
    try:
        yield
    except EngineFull as error:
        service.metrics.refused.labels("engine_full").inc()
        raise Refusal(429, str(error), code="engine_full", retry_after=_wait(service)) from None
    except EngineClosed:
        raise Refusal(
            503, "The server is shutting down.", code="shutting_down", retry_after=5
        ) from None


async def _still(service: Service, key: Key, choice: Choice, ticket: Ticket, model: str) -> None:
    """Refusal where the key was revoked (401) or may not see the persona any more (404).

    Whoever takes a key or a persona from somebody ends the replies that the engine has then; so it
    is looked at again once the engine has this one, which ends and leaves nothing on the device.
    """
    keys, name = service.entrance.keys, choice.persona
    refusal: Refusal | None = None
    if keys is not None and not await asyncio.to_thread(keys.holds, key):
        refusal = unauthorised("The API key was revoked; ask for a new one.")
    elif name is not None and not await asyncio.to_thread(service.personas.seen_by, key, name):
        refusal = unknown_model(model, service.base)
    if refusal is not None:
        ticket.cancel()
        await asyncio.to_thread(service.engine.forget)
        raise refusal


async def _answer(
    request: Request, service: Service, body: ChatBody | CompletionBody, reply: Reply
) -> Response:
    if not body.stream:
        return await reply.whole(request)
    stall = service.bounds.stall_seconds
    return await reply.stream(request, counts=body.counts_usage, stall=stall)


def _longest(service: Service, given: int | None, usual: int, param: str) -> int:
    """Tokens the reply may have."""
    most = service.bounds.reply_tokens
    if given is not None and given > most:
        raise Refusal(
            400,
            f"{given} tokens are asked for; this server writes at most {most} a reply.",
            param=param,
            code="invalid_value",
        )
    return min(usual, most) if given is None else given


def _wait(service: Service) -> float:
    """Seconds until there may be room: what waits, at the pace replies have had so far."""
    replies = service.metrics.replies_timed()
    if replies is None:
        return 1.0
    count, seconds = replies
    stats = service.engine.stats()
    turns = stats.queued / max(stats.running, 1)
    return min(max(math.ceil(turns * seconds / count), 1), 60)


def _model(service: Service, choice: Choice) -> dict[str, Any] | None:
    """A model as OpenAI describes one; None where the persona is gone."""
    try:
        created = (
            service.started if choice.persona is None else service.personas.written(choice.persona)
        )
    except UnknownPersonaError:
        return None
    return {
        "id": choice.model_name(service.base),
        "object": "model",
        "created": created,
        "owned_by": "personalign",
    }
