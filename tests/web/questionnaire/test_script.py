"""The page's script in a real browser: a lost connection loses nothing, keys tick, all is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from personalign.inventory.items import ipip_neo_120
from tests.web.conftest import LiveSite, live_site
from tests.web.questionnaire.filling import begin, consenting, plain, ticked_on
from tests.web.visiting import Person

CHROMIUM = Path("/usr/bin/chromium")
FORM = [item.number for item in ipip_neo_120()]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def one_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """One database is enough: what is tested runs in the browser."""
    with live_site(tmp_path_factory.mktemp("script")) as live:
        yield live


@pytest.fixture
def opened(one_site: LiveSite, browser: Browser) -> Iterator[tuple[Person, Page, str]]:
    """Somebody at the first page of the 120."""
    person = consenting(one_site)
    sitting = begin(person)
    context = browser.new_context(viewport={"width": 390, "height": 800})
    cookie = {"name": "personalign", "value": person.cookie or "", "url": one_site.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"{one_site.url}/questionnaire/{sitting}")
    yield person, page, sitting
    context.close()


def tick(page: Page, item: int, value: int) -> None:
    page.locator(f'input[name="item-{item}"][value="{value}"]').check()


def kept(person: Person, sitting: str) -> dict[int, int]:
    return ticked_on(person.get(f"/questionnaire/{sitting}?page=1"))


def test_each_tick_is_saved_by_itself_and_said(opened: tuple[Person, Page, str]) -> None:
    person, page, sitting = opened
    tick(page, FORM[0], 4)
    expect(page.locator("#saving")).to_have_text("Saved")
    expect(page.locator("#done")).to_have_text("1 of 120 done")
    assert kept(person, sitting) == {FORM[0]: 4}


def test_a_lost_connection_loses_nothing(opened: tuple[Person, Page, str]) -> None:
    person, page, sitting = opened
    away = True

    def lose(route: Route) -> None:
        route.abort() if away else route.continue_()

    page.route("**/answers", lose)
    for number in FORM[:3]:
        tick(page, number, plain(number))
    expect(page.locator("#saving")).to_contain_text("Not yet saved")
    assert kept(person, sitting) == {}
    page.get_by_role("button", name="Continue").click()
    assert "page=2" not in page.url, "the page waits until its answers are kept"
    away = False
    page.wait_for_url(re.compile("page=2"))
    assert kept(person, sitting) == {number: plain(number) for number in FORM[:3]}
    stored = page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))")
    assert set(stored) <= {"htmx-current-path-for-history"}, "answers stay on the page"


def test_a_busy_server_is_asked_again_and_a_refusal_is_told(
    opened: tuple[Person, Page, str],
) -> None:
    page, status = opened[1], 503
    page.route("**/answers", lambda route: route.fulfill(status=status, body=""))
    tick(page, FORM[0], 1)
    expect(page.locator("#saving")).to_contain_text("Not yet saved")
    status = 409
    expect(page.locator("#saving")).to_contain_text("cannot save")


def test_keys_tick_and_go_on(opened: tuple[Person, Page, str]) -> None:
    person, page, sitting = opened
    for key in "52341":
        page.keyboard.press(key)
    expect(page.locator("#done")).to_have_text("5 of 120 done")
    expect(page.get_by_role("button", name="Continue")).to_be_focused()
    page.keyboard.press("2")  # one too many
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("page=2"))
    assert kept(person, sitting) == dict(zip(FORM[:5], (5, 2, 3, 4, 1), strict=True))
