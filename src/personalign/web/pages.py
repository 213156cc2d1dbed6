"""Pages: Jinja2 templates with the visitor's language, and the cookies and headers around them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from starlette.responses import HTMLResponse, RedirectResponse, Response

from personalign.web.site import Site, site_of
from personalign.web.texts import LANGUAGES, number
from personalign.web.visitor import FORM_FIELD, Visitor, cookie_name, visitor

if TYPE_CHECKING:
    from jinja2.runtime import Context
    from starlette.requests import Request

    from personalign.web.refusals import PageRefusal


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template of this package, filled.

    Templates have `t(key, **places)`, `visitor`, `member`, `site`, `static(name)` and `said` (a
    note about what was just done, ?said=KEY of said.toml).
    """
    who: Visitor = request.state.visitor
    site = site_of(request)

    def t(key: str, **places: object) -> str:
        return site.texts.say(who.language, key, **places)

    said = request.query_params.get("said", "")
    html = (
        environment()
        .get_template(template)
        .render(
            t=t,
            visitor=who,
            member=who.member,
            site=site,
            language=who.language,
            languages=LANGUAGES,
            form_field=FORM_FIELD,
            path=request.url.path,
            here=_here(request),
            said=t(f"said.{said}") if f"said.{said}" in site.texts.keys() else None,  # noqa: SIM118
            **values,
        )
    )
    response = HTMLResponse(html, status, headers={"cache-control": "no-store"})
    if who.fresh:
        set_cookie(response, site, who.cookie, lasting=False)
    return response


def _here(request: Request) -> str:
    """The address of a page, without the note about what was just done."""
    asked = urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "said"])
    return f"{request.url.path}?{asked}" if asked else request.url.path


def see(path: str, said: str | None = None) -> RedirectResponse:
    """Send the browser on after a form; said: what was done, a key of said.toml."""
    if said is not None:
        path += f"{'&' if '?' in path else '?'}said={said}"
    return RedirectResponse(path, 303)


def refused(request: Request, refusal: PageRefusal) -> Response:
    """The page of something that is not given."""
    if not hasattr(request.state, "visitor"):
        visitor(request)  # type: ignore[arg-type]
    response = page(request, "refused.html", refusal.status, refusal=refusal)
    if refusal.retry_after is not None:
        response.headers["retry-after"] = str(max(1, round(refusal.retry_after)))
    return response


def set_cookie(response: Response, site: Site, token: str, *, lasting: bool = True) -> None:
    """Give the browser its cookie; not lasting: until it is closed."""
    response.set_cookie(
        cookie_name(site),
        token,
        max_age=int(site.settings.session.total_seconds()) if lasting else None,
        secure=site.settings.secure,
        httponly=True,
        samesite="lax",
        path="/",
    )


def forget_cookie(response: Response, site: Site) -> None:
    """Take the cookie away."""
    response.delete_cookie(
        cookie_name(site), path="/", secure=site.settings.secure, httponly=True, samesite="lax"
    )


@cache
def environment() -> Environment:
    """The templates; every value is escaped, and one that is missing is an error."""
    made = Environment(
        loader=PackageLoader("personalign.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static
    made.filters["day"] = _day
    made.filters["number"] = _number
    return made


def static(name: str) -> str:
    """The address of a static file, with what changes when the file does.

    >>> static("site.css").partition("?v=")[0]
    '/static/site.css'
    """
    return f"/static/{name}?v={_stamp(name)}"


@cache
def _stamp(name: str) -> str:
    data = (files("personalign.web") / "static" / name).read_bytes()
    return hashlib.sha256(data).hexdigest()[:12]


@pass_context
def _number(context: Context, value: float, digits: int = 2) -> str:
    """A number in the visitor's language."""
    return number(context["t"], value, digits)


def _day(moment: datetime) -> str:
    """A day as every language reads it: 2026-11-26."""
    return moment.strftime("%Y-%m-%d")
