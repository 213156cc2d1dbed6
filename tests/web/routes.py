"""Every address of the site, and how to ask for it: for laws that hold on all of them.

Routes are read from the routers, with the fields of their forms and queries. What a law does not
set has a value here that the page takes; a new field or a new kind of id without one is an error,
so that whoever adds a page meets the laws.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from fastapi.params import File, Form
from fastapi.routing import iter_route_contexts

from personalign.web.app import ROUTERS
from tests.web.visiting import Person

Values = Mapping[str, Any]

PLACE = re.compile(r"(?:([\w.-]+)/)?\{(\w+)\}")
"""A place in a path with the folder in front of it: `chat/kept/{number}` is kept/number."""

FORM = "application/x-www-form-urlencoded"

USUAL: Values = {
    "agreed": "yes",
    "alpha": "1",
    "asking": "none-of-anybodys",
    "answers": {"7": 5},
    "back": "/",
    "category": "other",
    "comment": "a comment",
    "contrast": "aligned:misaligned",
    "contrasts": "aligned:misaligned",
    "find": "",
    "form": "120",
    "from": "2026-01",
    "go": "next",
    "age": "30",
    "sex": "female",
    "handle": "nobody-here-100",
    "head": "",
    "item-7": "5",
    "language": "en",
    "links": "",
    "live": "",
    "many": "1",
    "model": "loud",
    "name": "a name",
    "next": "/",
    "note": "a note",
    "outcome": "no_action",
    "page": "1",
    "pair": "",
    "peek": "",
    "persona": "",
    "phrase": "abandon ability able about above absent absorb abstract",
    "prompt": "a prompt",
    "prompts": "What would you do?",
    "question": "What would you do?",
    "reply": "a reply",
    "report_id": "0123456789abcdefghijkl",
    "role": "rater",
    "source": "raters",
    "speaker": "mine",
    "status": "waiting",
    "action": "",
    "sure": "yes",
    "surprise": "",
    "talk": "",
    "title": "a title",
    "to": "2026-02",
    "tokens": "16",
    "told": "what raters are told",
    "view": "all",
    "vote": "A",
}
"""Field -> what a page takes."""

BESIDE = {"POST /questionnaire/{sitting_id}": ("item-7",)}
"""Fields that a page reads by itself."""


@dataclass(frozen=True)
class Route:
    """One address."""

    method: str
    path: str
    fields: tuple[str, ...]
    """Of its form, without files."""
    queries: tuple[str, ...]
    by_json: bool
    """Whether the fields come as JSON."""

    @property
    def name(self) -> str:
        """As the tests and the log call it."""
        return f"{self.method} {self.path}"

    @property
    def places(self) -> list[str]:
        """What its path names, each with the folder in front of it."""
        return [f"{folder}/{place}" for folder, place in PLACE.findall(self.path)]

    def at(self, ids: Values) -> str:
        """The path to somebody's things; ids: place -> id."""

        def one(match: re.Match[str]) -> str:
            folder, place = match.groups()
            assert f"{folder}/{place}" in ids, f"{self.name}: the tests know no {folder}/{place}"
            return f"{folder}/{quote(ids[f'{folder}/{place}'], safe='')}"

        return PLACE.sub(one, self.path)


def all_routes(method: str | None = None) -> list[Route]:
    """The routes of all rooms; method: of one kind only."""
    found = [
        Route(
            kind,
            str(route.path),
            tuple(p.alias for p in body if not isinstance(p.field_info, File))
            + BESIDE.get(f"{kind} {route.path}", ()),
            tuple(p.alias for p in _flat(route.dependant, "query_params")),
            any(not isinstance(p.field_info, Form) for p in body),
        )
        for router in ROUTERS
        for route in iter_route_contexts(router.routes)
        for body in [_flat(route.dependant, "body_params")]
        for kind in sorted(route.methods or ())
    ]
    assert len(found) > 90
    return [route for route in found if method in (None, route.method)]


def ask(
    person: Person, route: Route, ids: Values, headers: Values | None = None, **changed: Any
) -> httpx.Response:
    """One request with a form token, where it is a POST; redirects are not followed.

    ids: places of paths, and fields that name something, such as `talk`; `links.txt tokens` is the
    field of one address. changed: fields that are something else; form_token=None leaves it out.
    """
    given: dict[str, Any] = {**USUAL, "form_token": person.token, **ids, **changed}
    folder = route.path.rpartition("/")[2]
    for name in (*route.fields, *route.queries):
        if name not in changed and f"{folder} {name}" in given:
            given[name] = given[f"{folder} {name}"]
        assert name in given, f"{route.name}: the tests know no value for the field {name}"
    path = route.at(given)
    if route.queries:
        path += "?" + encoded({name: given[name] for name in route.queries})
    sent = dict(headers or {})
    if route.method == "GET":
        return person.http.get(path, headers=sent, follow_redirects=False)
    token = given["form_token"]
    if route.by_json:
        body: dict[str, Any] = {"json": {name: given[name] for name in route.fields}}
        sent |= {} if token is None else {"x-form-token": token}
    else:
        fields = {name: given[name] for name in route.fields}
        sent["content-type"] = FORM
        body = {"content": encoded(fields if token is None else fields | {"form_token": token})}
    return person.http.request(route.method, path, headers=sent, follow_redirects=False, **body)


def encoded(fields: Values) -> str:
    """A form as a browser sends it; bytes go as they are."""
    return urlencode({name: value for name, value in fields.items() if value is not None})


def _flat(dependant: Any, kind: str) -> list[Any]:
    """Parameters of a route and of what it depends on."""
    found: Iterator[Any] = (p for one in dependant.dependencies for p in _flat(one, kind))
    return [*getattr(dependant, kind), *found]
