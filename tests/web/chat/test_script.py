"""The chat's script in a real browser: stopping keeps what was said, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Page, expect

from tests.web.browser.window import Watched, chromium
from tests.web.conftest import LiveSite, live_site
from tests.web.personas.sittings import aligned, made_with


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[LiveSite, Page]]:
    """Somebody in the chat, whose replies take long."""
    with (
        chromium() as browser,
        live_site(tmp_path, reply_tokens=100_000) as live,
        made_with(live.site, "iti"),
    ):
        person = live.member()
        aligned(live, person)
        window = Watched(browser, live.url)
        cookie = {"name": "personalign", "value": person.cookie or "", "url": live.url}
        window.context.add_cookies([cookie])  # type: ignore[list-item]
        window.page.goto("/chat")
        yield live, window.page
        assert window.complaints == []


def test_a_reply_is_stopped_by_its_button_alone_and_stays(opened: tuple[LiveSite, Page]) -> None:
    _, page = opened
    question = page.get_by_label("Your question")
    question.fill("One?")
    question.press("Control+Enter")
    page.locator(".reply .text.plain").nth(2).wait_for()
    question.fill("Two?")
    question.press("Control+Enter")
    page.get_by_label("All side by side").press("Enter")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("You stopped it here.")).to_have_count(3)
    expect(page.get_by_role("button", name="Keep this conversation")).to_be_visible()
    expect(question).to_have_value("Two?")
    shown = page.locator("#talk").inner_text()
    assert "Writing" not in shown and page.locator(".round").count() == 1
    page.reload()
    assert page.locator("#talk").inner_text() == shown
