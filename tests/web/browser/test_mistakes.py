"""What was typed stays where something is wrong with it, and the page opens there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from personalign.web.personas.tables import Alignment
from tests.web.browser.window import Watched
from tests.web.conftest import LiveSite
from tests.web.personas.sittings import aligned, made_with
from tests.web.questionnaire.filling import consenting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def test_nothing_typed_is_lost_and_what_is_wrong_is_in_sight(
    live: LiveSite, browser: Browser
) -> None:
    ann = consenting(live)
    with made_with(live.site, "iti"):
        pair = aligned(live, ann)
    with live.site.database.reading() as session:
        sitting = session.get_one(Alignment, pair).sitting_id
    ann.get(f"/chat?pair={pair}")
    ann.post("/chat/say", question="Do you like big parties?", pair=pair, view="mine")
    window = Watched(browser, live.url)
    cookie = {"name": "personalign", "value": ann.cookie or "", "url": live.url}
    window.context.add_cookies([cookie])  # type: ignore[list-item]
    page = window.page

    # a conversation that was forgotten meanwhile: the question stays, and is asked afresh
    page.goto("/chat")
    live.site.talks.forget(live.account_of(ann).id)
    question = page.get_by_label("Your question")
    question.fill("And small ones?")
    window.press("Ask")
    page.get_by_text("is forgotten after a few hours").wait_for()
    assert question.input_value() == "And small ones?"
    window.press("Ask it in a new conversation")
    page.locator(".round .report").wait_for()
    assert page.locator(".round .asked").count() == 1

    # deleting it takes two presses
    window.press("Keep this conversation")
    button = page.get_by_role("button", name="Delete for good")
    assert not button.is_visible()
    page.get_by_text("Delete this conversation").click()
    assert button.is_visible()

    # a wrong age, far down a long page
    page.goto(f"/profile/{sitting}")
    page.get_by_label("Age in years").fill("old")
    page.locator('form[action$="/about"] button').click()
    page.locator("#age:focus").wait_for()
    pytest.importorskip("playwright.sync_api").expect(
        page.locator("#about-problem")
    ).to_be_in_viewport()
    assert page.get_by_label("Age in years").input_value() == "old"
    window.context.close()
