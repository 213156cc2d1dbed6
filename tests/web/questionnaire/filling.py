"""People who consent and fill in questionnaires, by forms alone. For tests of all rooms."""

from __future__ import annotations

import re
from collections.abc import Callable

from personalign.inventory.items import ipip_neo_120
from tests.web.conftest import LiveSite
from tests.web.visiting import Person

Answering = Callable[[int], int]
"""An item's number -> what is ticked: 1 to 5, or 0 to leave it out."""


def plain(number: int) -> int:
    """Some answers that differ."""
    return 1 + number % 5


def consenting(live: LiveSite, *roles: str, language: str = "en") -> Person:
    """Somebody signed up who agreed to the text."""
    person = live.person(language=language).sign_up()
    if roles:
        live.give(person, *roles)
    person.get("/consent")
    person.post("/consent")
    return person


def begin(person: Person, form: str = "120") -> str:
    """Begin a form; gives the sitting's id."""
    person.get("/questionnaire")
    person.post("/questionnaire", form=form)
    return place(person)[1]


def place(person: Person) -> tuple[str, str]:
    """The address the browser is at, and the sitting's id in it."""
    path = person.last.url.raw_path.decode()
    found = re.search(r"/(?:questionnaire|profile)/([\w-]{22})", path)
    return path, found[1] if found else ""


def items_on(page: str) -> list[int]:
    """The items a page asks."""
    return [
        int(number) for number in re.findall(r'<fieldset class="item card" id="item-(\d+)"', page)
    ]


def ticked_on(page: str) -> dict[int, int]:
    """What is ticked on a page."""
    found = re.findall(r'name="item-(\d+)" value="(\d)" checked', page)
    return {int(number): int(value) for number, value in found}


def turn(person: Person, page: str, answering: Answering, go: str = "next") -> str:
    """Tick a page and press a button; gives the page that follows."""
    action = re.search(r'<form method="post" action="(/questionnaire/[^"]+)" id="items"', page)
    assert action, "the page has items"
    ticked = {f"item-{number}": str(answering(number)) for number in items_on(page)}
    return person.post(action[1], go=go, **ticked)


def fill(person: Person, sitting: str, answering: Answering = plain) -> str:
    """Go through a whole form from where it stands; gives the page at its end."""
    page = person.get(f"/questionnaire/{sitting}")
    while 'id="items"' in page:
        page = turn(person, page, answering)
    return page


def finished(person: Person, form: str = "120", answering: Answering = plain, **about: str) -> str:
    """Take a whole questionnaire and finish it; gives the sitting's id.

    The 120 are sent at once, as the page's script does, so that tests are quick.
    """
    sitting = begin(person, form)
    if form == "120":
        answers = {str(item.number): answering(item.number) for item in ipip_neo_120()}
        answer = person.http.post(
            f"/questionnaire/{sitting}/answers",
            json={"answers": answers},
            headers={"x-form-token": person.token},
        )
        assert answer.status_code == 200, answer.text
    else:
        fill(person, sitting, answering)
    person.post(f"/questionnaire/{sitting}/finish", **about)
    return sitting
