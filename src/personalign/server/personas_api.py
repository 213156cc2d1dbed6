"""/v1/personas and /v1/jobs: making personas from answers, looking at them, deleting them.

Making one is a job: it takes a second on a small model and minutes on a large one, and an HTTP
request that waits so long is lost with its connection. POST answers 202 and the job's address.
What a person answered is used and forgotten; a persona's system prompt, which may hold the
answers, is told to nobody.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from personalign.dataset.answers import parse_answers
from personalign.errors import AnswersError, PersonaError, UnknownPersonaError
from personalign.server.access import needs, service_of
from personalign.server.bodies import NAME_PATTERN, Page, PersonaBody
from personalign.server.jobs import Job
from personalign.server.keys import Key
from personalign.server.model_names import Choice
from personalign.server.objects import (
    JobObject,
    PersonaDeleted,
    PersonaList,
    PersonaObject,
    errors,
)
from personalign.server.refusals import Refusal

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.server.service import Service

log = logging.getLogger("personalign.server")
router = APIRouter(prefix="/v1")

Reader = Annotated[Key, Depends(needs("personas:read"))]
Writer = Annotated[Key, Depends(needs("personas:write"))]
Name = Annotated[str, Path(pattern=NAME_PATTERN)]


@router.post(
    "/personas",
    status_code=202,
    response_model=JobObject,
    responses=errors(400, 401, 403, 409, 413, 429, 501, 503),
)
async def create_persona(request: Request, body: PersonaBody, key: Writer) -> Response:
    """Begin to make a persona from somebody's answers; the job tells when it is there."""
    service = service_of(request)
    if not key.sees(body.name):
        raise Refusal(
            403,
            f"Your key may make personas named {', '.join(key.personas)}, and {body.name} is none "
            "of them.",
            param="name",
            code="insufficient_permissions",
        )
    people = await asyncio.to_thread(_person, body)
    job = Job(body.name, body.method, dict(body.settings), body.alpha, key.id, people, body.replace)
    taken = await asyncio.to_thread(service.maker.submit, job, service.personas)
    return JSONResponse(taken.told(), 202, headers={"location": f"/v1/jobs/{taken.id}"})


@router.get("/jobs/{job}", response_model=JobObject, responses=errors(401, 403, 404, 429, 503))
async def find_job(request: Request, job: str, key: Writer) -> Response:
    """How far a persona is; its maker may ask, and who may do everything."""
    found = await asyncio.to_thread(service_of(request).maker.find, job)
    if found is None or (found.owner != key.id and not key.may("admin")):
        raise Refusal(
            404,
            f"There is no job {job!r} of your key; jobs are forgotten after a thousand newer ones.",
            code="not_found",
        )
    return JSONResponse(found.told())


@router.get("/personas", response_model=PersonaList, responses=errors(400, 401, 403, 429, 503))
async def list_personas(request: Request, key: Reader, page: Annotated[Page, Query()]) -> Response:
    """The personas the key may see, by name, a page at a time."""
    service = service_of(request)

    def read() -> tuple[list[dict[str, Any]], bool]:
        names = [name for name in service.visible(key) if name > page.after]
        told = (_told(service, name) for name in names[: page.limit])
        return [one for one in told if one is not None], len(names) > page.limit

    data, more = await asyncio.to_thread(read)
    return JSONResponse({"object": "list", "data": data, "has_more": more})


@router.get(
    "/personas/{name}",
    response_model=PersonaObject,
    responses=errors(400, 401, 403, 404, 429, 503),
)
async def find_persona(request: Request, name: Name, key: Reader) -> Response:
    """One persona."""
    service = service_of(request)

    def read() -> dict[str, Any] | None:
        return _told(service, name) if service.personas.seen_by(key, name) else None

    told = await asyncio.to_thread(read)
    if told is None:
        raise _unknown(name)
    return JSONResponse(told)


@router.delete(
    "/personas/{name}",
    response_model=PersonaDeleted,
    responses=errors(400, 401, 403, 404, 429, 503),
)
async def delete_persona(request: Request, name: Name, key: Writer) -> Response:
    """Delete one; replies it has begun are finished."""
    service = service_of(request)
    if not await asyncio.to_thread(service.personas.seen_by, key, name):
        raise _unknown(name)
    try:
        await asyncio.to_thread(service.personas.delete, name)
    except UnknownPersonaError:
        raise _unknown(name) from None
    return JSONResponse({"id": name, "object": "personalign.persona", "deleted": True})


def _person(body: PersonaBody) -> Respondents:
    """The person of the answers; Refusal where they are too few or not understood."""
    given: dict[str, Any] = {"answers": body.answers}
    if body.inventory is not None:
        given["inventory"] = body.inventory
    text = json.dumps(given if body.inventory or isinstance(body.answers, dict) else body.answers)
    try:
        return parse_answers(text, name="answers")
    except AnswersError as error:
        raise Refusal(400, str(error), param="answers", code="invalid_value") from error


def _told(service: Service, name: str) -> dict[str, Any] | None:
    """A persona as an object; None where it is gone."""
    try:
        created, persona = service.personas.written(name), service.personas.get(name)
    except UnknownPersonaError:
        return None
    except PersonaError as error:
        log.error("The persona %s cannot be told of. %s", name, error)
        return None
    return {
        "id": name,
        "object": "personalign.persona",
        "created": created,
        "model": Choice(name).model_name(service.base),
        "method": persona.provenance.get("method"),
        "alpha": persona.alpha,
        "scope": persona.scope,
        "pushed": persona.pushes,
        "prompted": persona.system_prompt is not None,
        "adapter": persona.adapter is not None,
        "key": persona.key,
    }


def _unknown(name: str) -> Refusal:
    return Refusal(
        404,
        f"There is no persona {name!r}, or your key may not see it; GET /v1/personas lists those "
        "it may.",
        param="name",
        code="not_found",
    )
