"""A blind study in a real browser, on the pocket model: a researcher and two raters.

The replies are written by the site. One rater votes by keyboard and reloads in the middle, the
other presses buttons; nothing either is sent tells a condition; the results are what they voted.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.web.browser.window import Watched
from tests.web.conftest import LiveSite

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PROMPTS = ["How do you spend a free day?", "Do you like big parties?", "Do you make plans?"]
TITLE = "Aligned against misaligned"
TELLING = re.compile(r"ligned|original|simulated|condition", re.I)
"""What no page of a rater may say."""


class Rater:
    """Somebody with a link, in a browser of their own, and all they were told."""

    def __init__(self, browser: Browser, live: LiveSite, link: str, hidden: list[str]) -> None:
        self.window = Watched(browser, live.url)
        self.page, self.link, self.hidden = self.window.page, urlsplit(link).path, hidden
        self.headers: list[dict[str, str]] = []
        self.page.on("response", lambda response: self.headers.append(response.headers))
        self.votes: dict[str, str] = {}  # prompt -> vote

    def begin(self) -> None:
        """Read, agree, and come to the first pair."""
        self.page.goto(self.link)
        self.look()
        self.page.get_by_label("I have read this and want to take part.").check()
        self.window.press("Begin")

    @property
    def place(self) -> int:
        """Which pair is shown."""
        found = re.fullmatch(r"Pair (\d) of 3", self.page.locator("h1").inner_text())
        assert found
        return int(found[1])

    def vote(self, vote: str, *, key: str | None = None) -> None:
        """Vote on the pair that is shown, by a key or else by pressing."""
        self.look()
        self.votes[self.page.locator("section.asked p").inner_text()] = vote
        before = self.page.url
        if key is not None:
            self.page.keyboard.press(key)
        else:
            self.page.locator(f'button[name="vote"][value="{vote}"]').click()
        self.page.wait_for_url(lambda url: url != before)

    def look(self) -> None:
        """See that the page gives nothing away."""
        html = self.page.content()
        assert not TELLING.search(html), TELLING.search(html)
        for word in self.hidden:
            assert word not in html

    def finish(self) -> None:
        """Let the votes stand."""
        self.look()
        self.window.press("Finish")
        self.page.get_by_role("heading", name="Thank you").wait_for()
        self.look()
        for headers in self.headers:
            told = json.dumps(headers)
            assert not TELLING.search(told) and not any(word in told for word in self.hidden)
            assert not {"etag", "last-modified", "server-timing"} & {
                name for name in headers if "immutable" not in headers.get("cache-control", "")
            }
        assert self.window.elsewhere == self.window.complaints == []


def test_a_study_with_two_raters(live: LiveSite, browser: Browser, tmp_path: Path) -> None:
    ruth = Watched(browser, live.url)
    page = ruth.page
    ruth.sign_up()
    account = live.account_behind(ruth.cookie)
    live.give_account(account, "researcher")

    # the pairs are written here, by assistants of a made-up person
    page.goto("/studies")
    ruth.press("New study", "link")
    ruth.press("Choose prompts", "link")
    page.get_by_label("Title").fill(TITLE)
    page.get_by_label("Prompts, one a line").fill("\n".join(PROMPTS))
    page.get_by_label("Longest reply, in tokens").fill("24")
    ruth.press("Make the study")
    page.locator("#writing").wait_for(state="detached")
    study = urlsplit(page.url).path
    page.get_by_label("How many links").fill("2")
    ruth.press("Make links")
    links = page.get_by_label("One link a rater").input_value().splitlines()
    links = [line.partition(": ")[2] for line in links]
    assert len(set(links)) == 2

    # one votes by keyboard and reloads in the middle, the other presses
    hidden = [TITLE, account.handle, study.rpartition("/")[2]]
    ann, ben = (Rater(browser, live, link, hidden) for link in links)
    ann.begin()
    ann.vote("A", key="a")
    ann.page.reload()
    assert ann.place == 2
    ann.vote("B", key="B")
    ann.page.goto(ann.link)
    assert ann.place == 3
    ben.begin()
    for vote in ("A", "neither", "B"):
        ben.vote(vote)
    ann.vote("neither", key="n")
    ann.finish()
    ben.finish()
    assert set(ann.votes) == set(ben.votes) == set(PROMPTS)

    # the study is closed and counted
    page.goto(study)
    assert page.get_by_text("While votes come in, results are not shown.").count()
    ruth.press("Close the study")
    files = {}
    for name in ("Votes (CSV)", "Pairs", "Key"):
        with page.expect_download() as download:
            ruth.press(name)
        download.value.save_as(tmp_path / name)
        files[name] = (tmp_path / name).read_text("utf-8")
    prompts = {one["pair"]: one["prompt"] for one in map(json.loads, files["Pairs"].splitlines())}
    rows = list(csv.DictReader(files["Votes (CSV)"].splitlines()))
    for number, rater in ((1, ann), (2, ben)):
        own = [row for row in rows if row["rater"] == f"rater-{number}"]
        assert {prompts[row["pair"]]: row["vote"] for row in own} == rater.votes
    behind = {entry["pair"]: entry for entry in json.loads(files["Key"])["entries"]}
    counted = Counter(behind[row["pair"]].get(row["vote"], "neither") for row in rows)
    assert sum(counted.values()) == 6
    shown = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts()
        for row in page.locator("article tbody tr").all()
    }
    assert {name: int(cells[0]) for name, cells in shown.items()} == {
        "for aligned": counted["aligned"],
        "neither": counted["neither"],
        "for misaligned": counted["misaligned"],
    }
    interval = re.compile(r"\d+% \(\d+–\d+%\)")
    assert all(interval.fullmatch(cell) for cells in shown.values() for cell in cells[1:])
    assert re.search(r"Krippendorff's alpha of the raters: -?\d\.\d\d", page.inner_text("main"))
    assert ruth.elsewhere == ruth.complaints == []
