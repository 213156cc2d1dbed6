"""A real browser at a site: Debian's chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request

WAIT = 60_000
"""Milliseconds after which a test gives up; other programs may run beside it."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; a test is skipped where it is not installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Watched:
    """A browser's window, and everything that must not happen in one."""

    def __init__(self, browser: Browser, url: str, **settings: Any) -> None:
        given = {"base_url": url, "viewport": {"width": 390, "height": 844}, "locale": "en-GB"}
        self.context: BrowserContext = browser.new_context(**(given | settings))
        self.context.set_default_timeout(WAIT)
        self.page: Page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        host = urlsplit(url).netloc
        self.context.on("request", lambda request: self._note(request, host))
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def sign_up(self) -> str:
        """Make an account; gives its phrase."""
        self.page.goto("/sign-up")
        self.press("Make my account")
        words = self.page.locator("ol.phrase li").all_inner_texts()
        assert len(words) == 8
        return " ".join(words)

    @property
    def cookie(self) -> str:
        """The session's cookie."""
        return {one["name"]: one["value"] for one in self.context.cookies()}["personalign"]

    def press(self, name: str, role: Any = "button") -> None:
        """Press what is called that."""
        self.page.get_by_role(role, name=name, exact=True).first.click()

    def weigh(self, path: str) -> int:
        """Bytes a page takes with all it needs, in a window that has seen nothing yet."""
        answers: list[Any] = []

        def note(answer: Any) -> None:
            if not 300 <= answer.status < 400:  # what only leads on has no body
                answers.append(answer)

        self.page.on("response", note)
        self.page.goto(path)
        self.page.remove_listener("response", note)
        return sum(len(answer.body()) for answer in answers)

    def _note(self, request: Request, host: str) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != host:
            self.elsewhere.append(request.url)

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and "ERR_INTERNET_DISCONNECTED" not in text:
            self.complaints.append(text)
