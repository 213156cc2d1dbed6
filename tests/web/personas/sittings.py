"""Finished questionnaires of members, without clicking through one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_120
from personalign.web.accounts.sessions import member_of
from personalign.web.balanced.views import Views
from personalign.web.database.base import new_id, now
from personalign.web.personas.aligning import Aligner
from personalign.web.questionnaire.consent import give
from personalign.web.questionnaire.sheets import put_answers
from personalign.web.questionnaire.tables import Sitting
from personalign.web.settings import SiteSettings
from personalign.web.site import Site
from tests.web.conftest import LiveSite
from tests.web.visiting import Person


def somebody(seed: int = 1) -> Respondents:
    """A simulated person's answers to the 120."""
    person = simulate(1, seed=seed)
    return person.only(person.inventory.tuning)


@contextmanager
def made_with(site: Site, method: str) -> Iterator[None]:
    """Personas by another method, as after a restart with other settings.

    `iti` pushes as `pas` does and searches for nothing: tests that ask for many are quick.
    """

    def restart(settings: SiteSettings) -> None:
        site.aligner.close()
        site.settings = settings
        site.aligner = Aligner(site)
        site.views = Views(site.aligner)
        site.aligner.start()

    usual = site.settings
    restart(replace(usual, method=method))
    yield
    restart(usual)


def filled_in(live: LiveSite, who: Person, person: Respondents, *, finished: bool = True) -> str:
    """A sitting of `who`, who consents, with those answers; its id."""
    account, member = live.account_of(who), member_of(live.site, who.cookie or "")
    assert member is not None
    give(live.site, member)
    sitting = Sitting(
        id=new_id(),
        account_id=account.id,
        form="120",
        language="en",
        started_at=now(),
        changed_at=now(),
        finished_at=now() if finished else None,
    )
    answers = dict(zip(range(1, 301), person.responses[0].tolist(), strict=True))
    with live.site.database.writing() as session:
        session.add(sitting)
        session.flush()
        asked = {item.number: answers[item.number] for item in ipip_neo_120()}
        put_answers(session, live.site.vault, sitting, asked)
    return sitting.id


def aligned(live: LiveSite, who: Person, *, seed: int = 1) -> str:
    """Have somebody's answers aligned, and wait; the alignment's id."""
    account = live.account_of(who).id
    sitting = filled_in(live, who, somebody(seed))
    number = live.site.aligner.begin(account, sitting, live.site.service.base)
    done = live.site.aligner.await_done(number)
    assert done.status == "done", done.error
    return number
