"""The whole way in a real browser, on the pocket model: from consent to nothing being left.

One person answers 120 items, reloads the page and loses the connection in the middle, sees the
profile, aligns, chats in three columns, moves the slider, reports a reply, and is gone. A moderator
closes the report.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from personalign.inventory.items import ipip_neo_120
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import verify
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.tables import METADATA
from personalign.web.personas.tables import StoredPersona
from personalign.web.questionnaire.sheets import read_sheet
from personalign.web.questionnaire.tables import Sitting
from personalign.web.reports.tables import Report
from tests.web.browser.window import Watched
from tests.web.conftest import LiveSite

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def answer_page(window: Watched, first: int) -> int:
    """Tick every statement of the page; gives how many there were."""
    items = window.page.locator("fieldset.item")
    count = items.count()
    for place in range(count):
        value = 1 + (3 * (first + place)) % 5
        items.nth(place).locator(f'input[value="{value}"]').check(force=True)
    return count


def saved(window: Watched) -> None:
    """Wait until the page says that everything is saved."""
    window.page.locator("#saving", has_text="Saved").wait_for()


def test_the_whole_way_of_a_person(live: LiveSite, browser: Browser, tmp_path: Path) -> None:
    ann = Watched(browser, live.url)
    page = ann.page
    phrase = ann.sign_up()
    account = live.account_behind(ann.cookie)

    # consent, then 120 statements, with a reload and a lost connection in the middle
    ann.press("I have written them down")
    ann.press("I have read this and agree")
    page.goto("/questionnaire")
    page.get_by_role("button", name=re.compile("The 120 statements")).click()
    done, turned = 0, 0
    while "/end" not in page.url and page.locator("fieldset.item").count():
        if turned == 3:
            page.reload()
        if turned == 6:
            ann.context.set_offline(True)
        done += answer_page(ann, done)
        if turned == 6:
            page.locator("#saving", has_text="Not yet saved").wait_for()
            ann.context.set_offline(False)
        saved(ann)
        before = page.url
        ann.press("Continue")
        page.wait_for_url(lambda url, before=before: url != before)
        turned += 1
    assert done == len(ipip_neo_120())
    page.get_by_label("Age in years").fill("34")
    ann.press("Finish and see my profile")

    # every answer is there, the profile shows, its files come down
    with live.site.database.reading() as session:
        sitting = session.scalars(select(Sitting).where(Sitting.account_id == account.id)).one()
        sheet = read_sheet(session, live.site.vault, sitting)
    assert sheet.answers == tuple(1 + 3 * place % 5 for place in range(120))
    assert page.locator("svg").count() >= 2
    for ending in ("pdf", "png", "json"):
        with page.expect_download() as download:
            page.locator(f'a[href$=".{ending}"]').first.click()
        download.value.save_as(tmp_path / f"profile.{ending}")
    assert (tmp_path / "profile.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((tmp_path / "profile.json").read_text("utf-8"))) > 5

    # align, chat in three columns, move the slider
    page.goto(f"/align/{sitting.id}")
    ann.press("Begin")
    page.get_by_role("link", name="Talk to it").click()
    replies = {}
    for strength in ("best", "0"):
        if strength == "0":
            ann.press("New conversation", "link")
            page.locator("#alpha").fill("0")
        page.get_by_label("Your question").fill("Do you like big parties?")
        ann.press("Ask")
        page.locator(".round .report").nth(2).wait_for()
        replies[strength] = page.locator(".round .reply .text").all_inner_texts()
    assert len(replies["best"]) == len(replies["0"]) == 3
    assert replies["0"][0] == replies["0"][1] == replies["best"][0], "0 is the model as it is"
    assert page.locator(".reply.mine .who").first.inner_text().count("not you")

    # keep it, report a reply; a moderator closes it
    ann.press("Keep this conversation")
    page.locator(".reply.mine .report").first.click()
    page.get_by_label("It only tells me what I think already").check()
    page.get_by_label("Anything to add? (optional)").fill("Far too agreeable <b>&</b>")
    ann.press("Hand over")
    mod = Watched(browser, live.url)
    mod.sign_up()
    live.give_account(live.account_behind(mod.cookie), "moderator")
    mod.page.goto("/moderation")
    with live.site.database.reading() as session:
        own = session.scalars(select(Report.id).where(Report.account_id == account.id)).one()
    mod.page.locator(f'a[href="/moderation/{own}"]').click()
    assert mod.page.get_by_text("Far too agreeable <b>&</b>").count()
    assert account.handle not in mod.page.content()
    close_report(mod)
    page.goto("/reports")
    assert page.get_by_text("No action").count() or page.get_by_text("Closed").count()

    # everything comes down, then everything goes
    page.goto("/account")
    with page.expect_download() as download:
        page.locator('a[href="/account/export"]').first.click()
    download.value.save_as(tmp_path / "everything")
    with zipfile.ZipFile(tmp_path / "everything") as archive:
        told = "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    assert "Do you like big parties?" in told and replies["0"][1][:40] in told
    persona_ids = personas_of(live, account.id)
    assert persona_ids
    page.goto("/account/delete")
    page.locator("#phrase").fill(phrase)
    page.locator("button.danger").click()
    page.wait_for_url(re.compile(r"/\?said=account_deleted$"))
    assert_gone(live, account, persona_ids)
    assert ann.elsewhere == mod.elsewhere == []
    assert ann.complaints == mod.complaints == []


def personas_of(live: LiveSite, account_id: str) -> list[str]:
    """Ids of an account's personas."""
    with live.site.database.reading() as session:
        own = select(StoredPersona.id).where(StoredPersona.account_id == account_id)
        return list(session.scalars(own))


def close_report(mod: Watched) -> None:
    """Take a report into review, write a note, close it."""
    page = mod.page
    page.get_by_role("button", name=re.compile("review", re.I)).first.click()
    page.locator("textarea").first.fill("Read it; nothing to be done.")
    page.get_by_role("button", name=re.compile("note", re.I)).first.click()
    page.locator('input[name="outcome"][value="no_action"]').check()
    page.get_by_role("button", name=re.compile("close", re.I)).first.click()


def assert_gone(live: LiveSite, account: Account, persona_ids: list[str]) -> None:
    """Nothing of an account is left: in no table, no file, no slot of the device."""
    names = {account.id, account.handle, *persona_ids}
    with live.site.database.reading() as session:
        for table in METADATA.sorted_tables:
            rows = json.dumps([[str(v) for v in row] for row in session.execute(select(table))])
            assert not [name for name in names if name in rows], table.name
        assert verify(session, live.site.vault).problem is None
        actions = set(session.scalars(select(AuditEntry.action)))
    assert any("delete" in action for action in actions)
    for path in live.site.settings.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [name for name in names if name.encode() in data], path.name
    for persona_id in persona_ids:
        assert live.site.shelf.forget(persona_id) is None
    assert live.site.service.engine.stats().slots_held == 0
