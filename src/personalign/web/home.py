"""The first page: what this is, what it is not, and where to begin."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from personalign.web.pages import page
from personalign.web.site import site_of
from personalign.web.study.way_back import way_back
from personalign.web.visitor import Anyone

router = APIRouter()


@router.get("/")
def home(request: Request, visitor: Anyone) -> Response:
    """The first page."""
    site = site_of(request)
    return page(request, "home.html", way_back=way_back(site, request, visitor.member))
