"""Nothing is kept for longer than the site says: what is past its days goes, every hour.

unfinished questionnaires, kept conversations, closed reports, accounts nobody came to
(settings.Retention); sessions that are over; links for sharing that nobody followed; in memory,
addresses that tried to sign in
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, text

from personalign.web.accounts.sharing import LINK_DAYS
from personalign.web.accounts.tables import Account, BrowserSession, Share
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.chat.tables import Conversation
from personalign.web.database.base import now
from personalign.web.privacy.deleting import delete_account
from personalign.web.questionnaire.tables import Sitting
from personalign.web.reports.tables import Report

if TYPE_CHECKING:
    from personalign.web.site import Site

log = logging.getLogger("personalign.web")

EVERY_SECONDS = 3600.0
_LOCK = 7_305_192
"""PostgreSQL's advisory lock of whoever enforces: one of several servers."""


@dataclass(frozen=True)
class Enforced:
    """What was deleted, how many of each."""

    unfinished: int = 0
    conversations: int = 0
    reports: int = 0
    sessions: int = 0
    links: int = 0
    accounts: int = 0

    @property
    def anything(self) -> bool:
        """Whether there was anything."""
        return any(asdict(self).values())


def enforce(site: Site, moment: datetime) -> Enforced:
    """Delete what is past its days at a moment; written into the audit log, if there was anything.

    Nothing where another server is at it.
    """
    days = site.settings.retention

    def since(count: int) -> datetime:
        return moment - timedelta(days=count)

    past = {
        "unfinished": delete(Sitting).where(
            Sitting.finished_at.is_(None), Sitting.changed_at < since(days.unfinished)
        ),
        "conversations": delete(Conversation).where(
            Conversation.changed_at < since(days.conversations)
        ),
        "reports": delete(Report).where(Report.closed_at < since(days.reports)),
        "sessions": delete(BrowserSession).where(BrowserSession.expires_at <= moment),
        "links": delete(Share).where(
            Share.accepted_at.is_(None), Share.created_at < since(LINK_DAYS)
        ),
    }
    unseen = since(days.accounts)
    with site.database.writing() as session:
        wait_for_turn(session)
        if not site.database.sqlite:
            mine = session.scalar(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})"))
            if not mine:
                return Enforced()
        counts = {what: session.execute(gone).rowcount for what, gone in past.items()}  # type: ignore[attr-defined]
        dead = session.scalars(select(Account.id).where(Account.seen_at < unseen)).all()
        done = Enforced(**counts, accounts=len(dead))
        if done.anything:
            append(session, site.vault, "retention.enforced", **asdict(done))
    for account_id in dead:
        delete_account(site, account_id, unseen_since=unseen)
    if done.anything:
        site.database.overwrite()
    return done


class Keeper:
    """The thread that does it every hour, as long as a site is open."""

    def __init__(self, site: Site, every: float = EVERY_SECONDS) -> None:
        self._site, self._every = site, every
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._closing.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._site.pace.forget()
            try:
                enforce(self._site, now())
            except Exception as error:  # the next hour may be better; the message may hold values
                log.error("What is past its days was not deleted: %s", type(error).__name__)
            self._closing.wait(self._every)
