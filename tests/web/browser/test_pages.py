"""Every page on a phone, light and dark: axe finds nothing serious, and it is light in bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from personalign.web.personas.tables import Alignment
from tests.web.browser.window import Watched
from tests.web.conftest import LiveSite
from tests.web.people import keep_persona, share_with
from tests.web.personas.sittings import aligned
from tests.web.questionnaire.filling import begin as begin_sitting
from tests.web.questionnaire.filling import consenting
from tests.web.reports.test_reporting import report_as
from tests.web.study.conftest import begin, hand_in, some_pairs, vote_all
from tests.web.visiting import Person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

HEAVIEST = 150 * 1024
"""Bytes a page may take with all it needs."""

MISSING = "/nothing-here"
SIGNED_OUT = ("/", "/privacy", "/sign-in", "/sign-up", MISSING)

QUESTION = "Do you like big parties?"


@pytest.fixture(scope="module")
def somebody(live: LiveSite) -> Person:
    """Somebody with every role, who consented."""
    return consenting(live, "researcher", "moderator", "admin")


@pytest.fixture(scope="module")
def paths(live: LiveSite, somebody: Person) -> list[str]:
    """Pages with something on them."""
    pair = aligned(live, somebody)
    with live.site.database.reading() as session:
        sitting = session.get_one(Alignment, pair).sitting_id
    unfinished = begin_sitting(somebody)
    somebody.get("/chat")
    somebody.post("/chat/say", question=QUESTION, pair=pair)
    talk = str(somebody.last.url.path)
    somebody.get(talk)
    somebody.post("/chat/keep", talk=talk.rpartition("/")[2])
    somebodys = keep_persona(live.site, live.account_of(live.member()).id)
    shared = share_with(live.site, somebodys, live.account_of(somebody).id)
    somebody.get(f"/chat?pair={shared}")
    somebody.post("/chat/say", question=QUESTION, pair=shared)
    talk_shared = str(somebody.last.url.path)
    report = report_as(somebody)
    return [
        "/consent",
        "/questionnaire",
        f"/questionnaire/{unfinished}",
        f"/questionnaire/{unfinished}/end",
        f"/profile/{sitting}",
        f"/align/{sitting}",
        "/personas",
        talk,
        talk_shared,
        "/chat/kept",
        "/account",
        "/account/delete",
        "/reports",
        "/moderation",
        f"/moderation/{report}",
        "/admin",
        "/admin/log",
        *study_paths(live, somebody),
    ]


def study_paths(live: LiveSite, researcher: Person) -> list[str]:
    """A researcher's pages, with results, and a rater's."""
    counted = hand_in(live, *some_pairs(prompts=3), researcher)
    for link, vote in zip(counted.invite(2), "AB", strict=True):
        vote_all(live.person(), link, {pair.prompt: vote for pair in counted.pairs})
    counted.close()
    rated = hand_in(live, *some_pairs(prompts=3, seed=6), researcher)
    own, new = rated.invite(2)
    begin(researcher, own)
    researcher.post(f"{own}/pairs/1", vote="A")
    made = ["/studies", "/studies/new", "/studies/new/written", "/studies/new/pack"]
    return [*made, counted.path, rated.path, new, f"{own}/pairs/1", f"{own}/pairs/2", f"{own}/end"]


def test_pages_of_somebody_signed_in(
    live: LiveSite, browser: Browser, somebody: Person, paths: list[str]
) -> None:
    for path in paths:
        check(browser, live, path, somebody)


def test_pages_of_whoever_comes(live: LiveSite, browser: Browser) -> None:
    for path in SIGNED_OUT:
        check(browser, live, path)


def test_other_views_with_their_answers(live: LiveSite, browser: Browser, somebody: Person) -> None:
    def ask(page: Page) -> None:
        page.get_by_label("Your question").fill(QUESTION)
        page.locator("main form button").first.click()
        page.locator(".reply").first.wait_for()

    check(browser, live, "/balanced", somebody, ask)


def check(
    browser: Browser,
    live: LiveSite,
    path: str,
    person: Person | None = None,
    then: Callable[[Page], object] = lambda _page: None,
) -> None:
    """Open a page in a window that has seen nothing yet, do something there, and look at it."""
    window = Watched(browser, live.url)
    if person is not None:
        cookie = {"name": "personalign", "value": person.cookie or "", "url": live.url}
        window.context.add_cookies([cookie])  # type: ignore[list-item]
    assert window.weigh(path) <= HEAVIEST, path
    page = window.page
    then(page)
    assert page.locator("h1").count() == 1, path
    assert problems(page) == [], path
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{path} is too wide"
    page.emulate_media(color_scheme="dark")
    assert problems(page, only=["color-contrast"]) == [], f"{path} in the dark"
    assert window.elsewhere == [], path
    if path != MISSING:  # of which the browser complains itself
        assert window.complaints == [], path
    window.context.close()


def problems(page: Page, *, only: list[str] | None = None) -> list[tuple[str, str]]:
    """What axe finds serious or critical; only: by these rules, where colours alone changed."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if only is not None:
        options["runOnly"] = only
    found = axe.Axe().run(page, options=options).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
