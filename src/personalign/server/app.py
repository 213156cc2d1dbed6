"""The HTTP application: routes, the guard in front of them, and errors in one form.

/v1/models  /v1/chat/completions  /v1/completions     openai_api.py
/v1/personas  /v1/jobs                                personas_api.py
/healthz  /readyz  /metrics                           here
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from personalign import __version__
from personalign.server import openai_api, personas_api
from personalign.server.access import needs, service_of
from personalign.server.guard import Guard
from personalign.server.keys import Key
from personalign.server.metrics import CONTENT_TYPE
from personalign.server.objects import Health, errors
from personalign.server.refusals import install

if TYPE_CHECKING:
    from personalign.server.service import Service

router = APIRouter()


def create_app(service: Service) -> FastAPI:
    """The application of one server; closing the service is its owner's business."""
    app = create_api(service)
    app.add_middleware(Guard, entrance=service.entrance)
    return app


def create_api(service: Service) -> FastAPI:
    """The same without the guard: what a replica runs, before which the guard stands already."""
    app = FastAPI(
        title="Personalign",
        version=__version__,
        summary="One model, many personas, behind OpenAI's API.",
        docs_url=None,  # the pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    for routes in (openai_api.router, personas_api.router, router):
        app.include_router(routes)
    install(app)
    described = app.openapi

    def describe() -> dict[str, Any]:
        """FastAPI's document, without the 422 it adds: what is invalid is a 400 here."""
        document = described()
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        return document

    app.openapi = describe  # type: ignore[method-assign]
    return app


@router.get("/healthz", response_model=Health)
async def healthz() -> Response:
    """Whether the process lives."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=Health, responses={503: {"model": Health}})
async def readyz(request: Request) -> Response:
    """Whether it takes requests; 503 until the personas are read, and when it is about to end."""
    service = service_of(request)
    if service.ready:
        return JSONResponse({"status": "ready"})
    return JSONResponse(
        {"status": "shutting down" if service.entrance.draining else "loading"}, 503
    )


@router.get(
    "/metrics",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **errors(401, 403, 429),
    },
    response_class=Response,
)
async def metrics(request: Request, _key: Annotated[Key, Depends(needs("admin"))]) -> Response:
    """Numbers for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)
