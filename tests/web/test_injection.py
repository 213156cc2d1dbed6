"""What is written into any field, address, header, body or file is text: no statement, no mark, no
template, no path. Nothing breaks by it, and where it is shown again it is shown as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import inspect

from personalign.evaluation.blind import key_text, pack_pairs, pack_text
from personalign.web.database.base import new_id
from personalign.web.vault import new_key, write_keys
from tests.server.live import until
from tests.web.conftest import LiveSite, live_site
from tests.web.owning import contents, differing, with_everything
from tests.web.reading import Read
from tests.web.routes import PLACE, Route, Values, all_routes, ask
from tests.web.study.conftest import begin, links_on, send
from tests.web.visiting import Person

HTML = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
AS_TEXT = "&lt;script&gt;alert(1)"
PRODUCT = "9801547"
"""What a template that evaluates 1337 * 7331 shows."""

SHORT = {
    "sql": "'; DROP TABLE account;--",
    "sql in quotes": '" OR 1=1 --',
    "html": HTML,
    "template": "{{ 1337*7331 }}{% raw %}${1337*7331}#{1337*7331}",
    "path": "../../../../etc/passwd",
    "nul": "a\0b",
    "emoji": "😀👩‍👩‍👧‍👦",
    "lone surrogate": b"a\xed\xa0\x80b",
    "escaped surrogate": r"\ud800 %ED%A0%80 &#xD800;",
    "line ends": "a\r\nset-cookie: b=c\r\n\r\n<p>",
    "number": "9" * 400,
}
"""Texts that mean something to a database, a browser, a template, a file system or a decoder."""

TEXTS = {**SHORT, "long": "x" * 100_000}

HEADERS = (
    "accept-language",
    "authorization",
    "content-type",
    "cookie",
    "host",
    "hx-request",
    "origin",
    "referer",
    "sec-fetch-site",
    "x-form-token",
    "x-forwarded-for",
)
COOKIES = (b"confirmed", b"language", b"openid", b"rating", b"study")

MOST_PAGES = 400
"""Where crawling ends."""

ROOMS = {"account", "admin", "balanced", "chat", "moderation", "reports", "sign-in", "studies"}
"""Beginnings of the addresses that show what was written."""


@pytest.fixture(scope="module")
def live(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site whose personas and replies are quickly made, with views that are ready."""
    folder = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    with live_site(folder, database_url, method="iti", reply_tokens=4) as one:
        model = one.site.service.base
        until(lambda: one.site.views.of(model) is not None, "the views")
        yield one


def check(what: object, page: str, status: int) -> None:
    """Nothing broke, and a browser would run nothing of what was sent."""
    assert status < 500, (what, page[-3000:])
    assert PRODUCT not in page and "root:x:" not in page, what
    if "<" in page:
        assert Read(page).runs == [], what


def crawled(person: Person, ids: Values) -> dict[str, str]:
    """Every page there is, and every one that links lead to; address -> page."""
    found: dict[str, str] = {}
    waiting = [route.at(ids) for route in all_routes("GET")]
    while waiting and len(found) < MOST_PAGES:
        address = waiting.pop(0)
        if address in found or re.search(r"\.(png|pdf)$|/export|/openid", address):
            continue
        answer = person.http.get(address)
        found[address] = answer.text
        check(address, answer.text, answer.status_code)
        if "text/html" in answer.headers["content-type"]:
            here = urlsplit(address).path
            links = [link.partition("#")[0] for link in Read(answer.text).links]
            waiting += [here + link if link.startswith("?") else link for link in links if link]
    return found


def _last(route: Route) -> bool:
    return route.path.endswith(("/delete", "/end", "/revoke", "/withdraw"))


@pytest.mark.slow
def test_what_is_written_anywhere_is_text(live: LiveSite) -> None:
    """Every field of every form and query, and every place of every path, with every text."""
    ann, ids = with_everything(live)
    tables = inspect(live.site.database.engine).get_table_names()
    before = contents(live)["account"]
    fields, showing = set(), set()
    for route in sorted(all_routes(), key=_last):
        if route.by_json:
            continue
        for name in (*route.fields, *route.queries):
            fields.add(name)
            for what, text in TEXTS.items():
                if what == "long" and name in route.queries:
                    text = "x" * 20_000
                ids["report_id"] = new_id()  # another report each time
                who = newcomer(live) if route.name == "POST /sign-up" else ann
                answer = ask(who, route, ids, **{name: text})
                check((route.name, name, what), answer.text, answer.status_code)
                if AS_TEXT in answer.text:
                    showing.add(f"{route.name} {name}")
        if route.method == "POST":
            for what in ("html", "nul", "emoji"):
                answer = ask(ann, route, ids, form_token=SHORT[what])
                check((route.name, what), answer.text, answer.status_code)
                assert answer.status_code == 403
        for place in route.places:
            for what in ("sql", "html", "path", "nul", "lone surrogate"):
                answer = ask(ann, route, {**ids, place: SHORT[what]})
                check((route.name, place, what), answer.text, answer.status_code)
    assert inspect(live.site.database.engine).get_table_names() == tables
    assert set(before) <= set(contents(live)["account"]), "others signed up"
    pages = crawled(ann, ids)
    assert len(pages) > 60
    showing |= {address for address, page in pages.items() if AS_TEXT in page}
    assert {re.split("[/ ]", address.partition("/")[2])[0] for address in showing} >= ROOMS
    sent = set().union(*(Read(page).fields for page in pages.values()))
    beside = {"form_token", "packs", "key", "replies", "prompts_file"}
    unknown = {name for name in sent - fields - beside if not name.startswith("item-")}
    assert unknown == set(), "forms have fields that no route declares"


def newcomer(live: LiveSite) -> Person:
    """Somebody without an account: who makes one is somebody else from then on."""
    person = live.person()
    person.get("/sign-up")
    return person


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "utf-16", "idna", "klingon"])
def test_a_form_in_an_odd_alphabet_is_refused(live: LiveSite, charset: str) -> None:
    """Decoders that a form may name make halves of characters, which no database takes."""
    ann = live.member("researcher")
    before = contents(live)
    for route in all_routes("POST"):
        for said in (charset, f'"{charset.upper()}"'):
            parts = [
                f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n\\ud800 +2AA-\r\n'
                for name in route.fields
            ]
            headers = {"x-form-token": ann.token}
            headers["content-type"] = f"multipart/form-data; boundary=b; charset={said}"
            body = "".join([*parts, "--b--\r\n"]).encode()
            path = PLACE.sub(r"\1/x", route.path)
            answer = ann.http.post(path, content=body, headers=headers, follow_redirects=False)
            assert answer.status_code == 400, (route.name, answer.text[:500])
    assert differing(before, contents(live)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"answers":' * 50_000,
        b'{"answers": {"1": ' + b"9" * 5_000 + b"}}",
        b'{"answers": {"1": NaN}}',
        b'{"answers": {"1": 1e999}}',
        b'{"answers": {"1": 3.5}}',
        b'{"answers": {"1": "<script>alert(1)</script>"}}',
        b'{"answers": {"1": "\\ud800"}}',
        b'{"answers": {"\\ud800": 1}}',
        b'{"answers": {"1\\u0000": 1}}',
        b'{"answers": {"1\'; DROP TABLE answer;--": 1}}',
        b'{"answers": {"0": 1}}',
        b'{"answers": {"301": 1}}',
        b'{"answers": {"1": 6}}',
        b'{"answers": [[1, 1]]}',
        b'{"answers": null}',
        b'\xff\xfe{"answers": {}}',
    ],
)
def test_answers_that_are_none_are_refused(live: LiveSite, body: bytes) -> None:
    ann = live.member()
    ann.get("/consent")
    ann.post("/consent")
    ann.get("/questionnaire")
    ann.post("/questionnaire", form="120")
    place = urlsplit(str(ann.last.url)).path
    before = contents(live)
    headers = {"x-form-token": ann.token, "content-type": "application/json"}
    answer = ann.http.post(f"{place}/answers", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text[:500]
    check(body[:40], answer.text, answer.status_code)
    assert differing(before, contents(live)) == []


def test_headers_are_text(live: LiveSite) -> None:
    """Languages, cookies, tokens, the host and who is said to ask."""
    stranger = live.person()
    for what, text in SHORT.items():
        value = text if isinstance(text, bytes) else text.encode()
        value = re.sub(rb"[\0\r\n]+", b" ", value).strip()
        sent = [(name, value) for name in HEADERS]
        sent += [("cookie", name + b"=" + value) for name in COOKIES]
        sent.append(("cookie", b"personalign=" + value * 4))  # as long as a session's
        for name, header in sent:
            answer = stranger.http.get("/sign-in", headers={name: header})
            check((name, what), answer.text, answer.status_code)
            answer = stranger.http.post("/sign-out", content=b"", headers={name: header})
            check((name, what), answer.text, answer.status_code)
            assert answer.status_code in (400, 403), (name, what)


def test_files_are_text(live: LiveSite) -> None:
    """What a researcher hands in, and what it is called, up to the raters' pages."""
    ann = live.member("researcher")
    name = f"../../etc/{HTML}'; DROP TABLE study;--"
    for way, field in (("pack", "packs"), ("pack", "key"), ("replies", "replies")):
        for what, text in TEXTS.items():
            data = text if isinstance(text, bytes) else text.encode()
            ann.get(f"/studies/new/{way}")
            given = {"form_token": ann.token, "title": HTML, "contrasts": HTML}
            needed = {field, "packs"} if way == "pack" else {field}
            files = dict.fromkeys(needed, (name, data))
            answer = ann.http.post(f"/studies/new/{way}", data=given, files=files)
            check((way, field, what), answer.text, answer.status_code)
            assert answer.status_code == 400
    shown = [text if isinstance(text, str) else "a\ufffdb" for text in SHORT.values()]
    rows = [
        {"person": HTML, "prompt": str(n), "asked": text, "condition": one, "text": one + text}
        for n, text in enumerate(shown)
        for one in ("aligned", "misaligned")
    ]
    pairs, key = pack_pairs(rows, [("aligned", "misaligned")], seed=1)
    files = {"packs": pack_text(pairs), "key": key_text(key)}
    page = send(ann, "pack", files, title=HTML, told=HTML)
    path = urlsplit(str(ann.last.url)).path
    link = links_on(ann.post(f"{path}/links", many=1))[0]
    rater = live.person()
    pages = [page, rater.get(link), begin(rater, link)]
    pages += [rater.post(f"{link}/pairs/{n}", vote="A") for n in range(1, len(pairs) + 1)]
    ann.get(path)
    pages.append(ann.post(f"{path}/close"))
    for one in pages:
        check("a study", one, 200)
    assert sum(AS_TEXT in one for one in pages) >= 4
    for file in ("votes.csv", "votes.jsonl", "pack.jsonl", "results.json", "key.json"):
        answer = ann.http.post(f"{path}/files/{file}", data={"form_token": ann.token})
        assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff"
        assert "attachment" in answer.headers["content-disposition"]
        assert "html" not in answer.headers["content-type"]
        for line in answer.text.splitlines() if file.endswith("l") else []:
            json.loads(line)
