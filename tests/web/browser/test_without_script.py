"""The whole way with JavaScript turned off: only streaming is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from personalign.inventory.items import ipip_neo_120
from personalign.web.accounts.tables import Account
from tests.web.browser.window import Watched
from tests.web.conftest import LiveSite
from tests.web.questionnaire.filling import plain
from tests.web.visiting import Person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ITEMS = [item.number for item in ipip_neo_120()]
A_PAGE = 5


def test_everything_but_streaming_works_without_javascript(
    live: LiveSite, browser: Browser
) -> None:
    ann = Watched(browser, live.url, java_script_enabled=False)
    page = ann.page
    phrase = ann.sign_up()
    account = live.account_behind(ann.cookie)
    ann.press("I have written them down")
    ann.press("I have read this and agree")

    # the first page, a page back and forth, the last page after another day
    page.goto("/questionnaire")
    page.get_by_role("button", name=re.compile("The 120 statements")).click()
    tick_all(page)
    ann.press("Continue")
    assert page.url.endswith("page=2")
    ann.press("Back")
    assert page.locator("fieldset.item input:checked").count() == A_PAGE
    sitting = page.url.rpartition("/")[2].partition("?")[0]
    another_day(live, ann, sitting)
    page.goto(f"/questionnaire/{sitting}")
    assert page.get_by_text(f"{len(ITEMS) - A_PAGE} of {len(ITEMS)} done").count()
    tick_all(page)
    ann.press("Continue")
    ann.press("Finish and see my profile")
    assert page.locator("svg").count() >= 2

    # aligned: the page looks for itself until it is done
    page.goto(f"/align/{sitting}")
    ann.press("Begin")
    page.get_by_role("link", name="Talk to it").click()

    # whole replies, at the strength of the slider's form
    for number in (1, 2):
        page.get_by_label("Your question").fill("Do you like big parties?")
        ann.press("Ask")
        assert page.locator(".round").count() == number
    texts = page.locator(".round").first.locator(".reply .text").all_inner_texts()
    assert len(texts) == 3 and all(texts) and texts[0] != texts[1]

    # a report, and the end
    page.locator(".reply.mine .report").first.click()
    page.get_by_label("It only tells me what I think already").check()
    ann.press("Hand over")
    page.goto("/reports")
    assert page.get_by_text("It only tells me what I think already").count()
    page.goto("/account/delete")
    page.locator("#phrase").fill(phrase)
    ann.press("Delete everything for good")
    assert page.url.endswith("said=account_deleted")
    with live.site.database.reading() as session:
        assert session.get(Account, account.id) is None
    assert ann.elsewhere == ann.complaints == []


def tick_all(page: Page) -> None:
    """Tick every statement of the page."""
    items = page.locator("fieldset.item")
    assert items.count() == A_PAGE
    for place in range(A_PAGE):
        items.nth(place).locator('input[value="4"]').check(force=True)


def another_day(live: LiveSite, window: Watched, sitting: str) -> None:
    """Answer all but the first page and the last."""
    same: Person = live.person()
    same.http.cookies.set("personalign", window.cookie)
    same.get(f"/questionnaire/{sitting}")
    asked = ITEMS[A_PAGE:-A_PAGE]
    answer = same.http.post(
        f"/questionnaire/{sitting}/answers",
        json={"answers": {str(number): plain(number) for number in asked}},
        headers={"x-form-token": same.token},
    )
    assert answer.status_code == 200, answer.text
