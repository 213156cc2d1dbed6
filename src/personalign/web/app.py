"""The site's ASGI application: its pages, with the API of the same server beside them.

/v1 and what machines ask (/healthz, /readyz, /metrics, /openapi.json) go to the API's application,
everything else to the pages. Each room has a `pages.py` with a router; this is their list.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from personalign.server.app import create_app
from personalign.web import home
from personalign.web.accounts import account_pages, admin, once_pages, openid_pages, share_pages
from personalign.web.accounts import pages as accounts
from personalign.web.audit import pages as audit_log
from personalign.web.audit import report_pages as audit_report
from personalign.web.balanced import pages as balanced
from personalign.web.chat import pages as chat
from personalign.web.guard import SiteGuard
from personalign.web.personas import pages as personas
from personalign.web.privacy import pages as privacy
from personalign.web.profile import pages as profile
from personalign.web.questionnaire import consent_pages as consent
from personalign.web.questionnaire import pages as questionnaire
from personalign.web.refusals import install
from personalign.web.reports import pages as reports
from personalign.web.reports import queue as moderation
from personalign.web.study import pages as study
from personalign.web.visitor import check_form

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from personalign.web.site import Site

ROUTERS = (
    home.router,
    accounts.router,
    consent.router,
    questionnaire.router,
    profile.router,
    openid_pages.router,
    privacy.router,  # before /account and what is below it
    account_pages.router,
    share_pages.router,
    once_pages.router,
    reports.router,
    moderation.router,
    admin.router,
    audit_log.router,
    audit_report.router,
    personas.router,
    chat.router,
    balanced.router,
    study.router,
)

API_PATHS = ("/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json")


def create_site(site: Site) -> ASGIApp:
    """Pages and API in one application; closing site and services is their owner's business.

    The site's own thread begins with it.
    """
    site.aligner.start()
    pages = FastAPI(title="Personalign", openapi_url=None, docs_url=None, redoc_url=None)
    pages.state.site = site
    for router in ROUTERS:
        pages.include_router(router, dependencies=[Depends(check_form)])
    pages.mount("/static", _Static(directory=str(files("personalign.web") / "static")))
    install(pages)
    guarded, api = SiteGuard(pages, site), create_app(site.service)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for_api = scope["type"] == "http" and scope["path"].startswith(API_PATHS)
        await (api if for_api else guarded)(scope, receive, send)

    return application


class _Static(StaticFiles):
    """Files whose address changes when they do: kept by browsers for good."""

    def file_response(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response
