"""Every answer bears its headers, bodies are bounded in size and time, the log names nobody."""

from __future__ import annotations

import logging
import re
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from personalign.web.guard import HEADERS, POLICY
from tests.web.conftest import LiveSite, live_site
from tests.web.visiting import words_of

TEN_MB = 10 * 2**20


def host_of(live: LiveSite) -> tuple[str, int]:
    host, port = live.url.removeprefix("http://").split(":")
    return host, int(port)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/sign-in", 200),
        ("GET", "/nothing/here", 404),
        ("GET", "/static/site.css", 200),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/static/../site.py", 404),
        ("GET", "/static/%2e%2e/site.py", 404),
        ("POST", "/sign-out", 403),
        ("DELETE", "/sign-in", 403),
        ("PUT", "/", 403),
    ],
)
def test_every_answer_bears_the_headers(
    live: LiveSite, method: str, path: str, status: int
) -> None:
    answer = live.person().http.request(method, path, follow_redirects=False)
    assert answer.status_code in (status, 405), answer.text[:300]
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert "server" not in answer.headers


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY and "http" not in POLICY and "*" not in POLICY


def test_pages_are_not_kept_and_static_files_are(live: LiveSite) -> None:
    page = live.person().http.get("/")
    assert page.headers["cache-control"] == "no-store"
    style = re.search(r'href="(/static/site\.css\?v=\w+)"', page.text)
    assert style
    assert "immutable" in live.person().http.get(style[1]).headers["cache-control"]


def test_over_https_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    with live_site(tmp_path, public_url="https://site.example") as live:
        answer = live.person().http.get("/")
    assert "max-age" in answer.headers["strict-transport-security"]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-personalign=")
    for word in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie


def test_ten_megabytes_are_refused(live: LiveSite) -> None:
    ann = live.member()
    ann.get("/")
    answer = ann.http.post("/sign-out", data={"form_token": ann.token, "much": "x" * TEN_MB})
    assert answer.status_code == 413
    live.account_of(ann)


def test_ten_megabytes_of_unsaid_length_are_refused(live: LiveSite) -> None:
    def pieces() -> object:
        for _ in range(10):
            yield b"x" * 2**20

    answer = live.person().http.post(
        "/sign-in",
        content=pieces(),  # type: ignore[arg-type]
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(live: LiveSite) -> None:
    entrance = live.site.service.entrance
    usual, entrance.bounds = entrance.bounds, replace(entrance.bounds, body_seconds=0.3)
    try:
        with socket.create_connection(host_of(live), timeout=30) as line:
            began = time.monotonic()
            line.sendall(
                b"POST /sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"
                b"accept-language: de\r\n"
                b"content-type: application/x-www-form-urlencoded\r\n\r\nphrase="
            )
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert time.monotonic() - began < 10
        assert "Das hat zu lange gedauert" in answer.decode() and b"text/html" in answer
    finally:
        entrance.bounds = usual


def test_the_log_tells_routes_and_nothing_of_people(
    live: LiveSite, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="personalign"):
        ann = live.member()
        ann.get("/")
        ann.get("/nothing/somebodys-secret-address", 404)
        ann.post("/sign-out")
        ann.sign_in(ann.phrase)
        handle = live.account_of(ann).handle
    told = caplog.text
    assert "/sign-in" in told
    first_two = ann.phrase.split()[:2]
    for private in (" ".join(first_two), "+".join(first_two), handle, ann.cookie or "?"):
        assert private not in told
    assert "somebodys-secret" not in told and "127.0.0.1" not in told


def test_under_a_load_it_does_not_take_more(live: LiveSite) -> None:
    entrance = live.site.service.entrance
    ann = live.member()
    usual, entrance.bounds = entrance.bounds, replace(entrance.bounds, under_way=0)
    try:
        answer = live.person(language="de").http.get("/")
        theirs = ann.http.post("/sign-out", data={"form_token": ann.token})
    finally:
        entrance.bounds = usual
    assert answer.status_code == theirs.status_code == 429 and answer.headers["retry-after"]
    assert answer.headers["content-security-policy"] == POLICY
    assert "Gerade sind viele hier" in words_of(answer.text)
    live.account_of(ann)  # still signed in
