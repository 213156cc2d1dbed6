"""A person with a browser without JavaScript: pages, links, forms, cookies. For tests."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx

WAIT = 60


class Person:
    """One browser at a site; it follows redirects and sends each form with its page's token."""

    def __init__(self, url: str, *, language: str = "en") -> None:
        self.http = httpx.Client(
            base_url=url,
            follow_redirects=True,
            timeout=WAIT,
            headers={"accept-language": language},
        )
        self.token = ""
        self.last: httpx.Response
        """The answer seen last, with its address."""
        self.phrase = ""

    def get(self, path: str, status: int = 200) -> str:
        """The page at a path."""
        return self._read(self.http.get(path), status)

    def post(self, path: str, status: int = 200, **fields: Any) -> str:
        """Send a form from the page seen last; gives the page that follows."""
        data = {"form_token": self.token} | fields
        return self._read(self.http.post(path, data=data), status)

    def sign_up(self) -> Person:
        """Make an account."""
        self.get("/sign-up")
        page = self.post("/sign-up")
        self.phrase = phrase_on(page)
        return self

    def sign_in(self, phrase: str, status: int = 200) -> str:
        """Sign in with a phrase."""
        self.get("/sign-in")
        return self.post("/sign-in", status, phrase=phrase)

    def api_key(self, name: str = "a program") -> str:
        """Make an API key on the account's page."""
        self.get("/account")
        found = re.search(
            r"pa-[0-9a-f]{12}-[A-Za-z0-9_-]{43}", self.post("/account/keys", name=name)
        )
        assert found, "the key is shown"
        return found[0]

    @property
    def cookie(self) -> str | None:
        """The session's cookie."""
        return self.http.cookies.get("personalign")

    def _read(self, answer: httpx.Response, status: int) -> str:
        assert answer.status_code == status, (answer.status_code, answer.text[:2000])
        self.last = answer
        found = re.search(r'name="form_token" value="(\w+)"', answer.text)
        if found:
            self.token = found[1]
        return answer.text


def phrase_on(page: str) -> str:
    """The phrase that a page shows."""
    words = re.search(r'<ol class="phrase".*?</ol>', page, re.S)
    assert words, "the phrase is shown"
    return " ".join(re.findall(r"<li>(\w+)</li>", words[0]))


def words_of(page: str) -> str:
    """What a page says, without its marks."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())
