"""However many attempts there are, the log stays small, and tells of every one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from personalign.web.audit.attempts import Attempts
from personalign.web.audit.log import details_of, verify
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.open import Database
from personalign.web.vault import new_key, write_keys
from tests.web.conftest import LiveSite, live_site


def told(database: Database, after: int) -> list[int]:
    """How many attempts each entry after one tells of."""
    with database.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.number > after).order_by(AuditEntry.number)
        ).all()
    found = [details_of(entry) for entry in entries if entry.action == "refused"]
    return [("reason" in details) + details.get("unwritten_before", 0) for details in found]


def last(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(AuditEntry.number).order_by(AuditEntry.number.desc())) or 0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pauses=st.lists(st.sampled_from([0.0, 0.1, 5.0, 200.0]), max_size=30))
def test_entries_are_bounded_and_tell_of_every_attempt(
    live: LiveSite, pauses: Sequence[float]
) -> None:
    database, vault = live.site.database, live.site.vault
    before, seconds = last(database), 0.0
    attempts = Attempts(database, vault, per_minute=6, clock=lambda: seconds)
    for pause in pauses:
        seconds += pause
        attempts.write_down(actor="", reason="stale_form", route="/account")
    attempts.close()
    attempts.close()
    numbers = told(database, before)
    assert sum(numbers) == len(pauses)
    assert len(numbers) <= 6 + sum(pauses) * 6 / 60 + 1
    with database.reading() as session:
        assert verify(session, vault).problem is None


def test_a_flood_of_forged_forms_is_refused_and_counted(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, ann = live.site, live.member()
    ann.get("/account")
    attempts = Attempts(site.database, site.vault, per_minute=3, clock=lambda: 0.0)
    monkeypatch.setattr(site, "attempts", attempts)
    before = last(site.database)
    for _ in range(20):
        assert ann.http.post("/account/keys", data={"name": "theirs"}).status_code == 403
    attempts.close()
    assert told(site.database, before) == [1, 1, 1, 17]


def test_what_is_counted_is_written_when_the_site_closes(tmp_path: Path) -> None:
    write_keys(tmp_path / "site.key", [new_key()])
    with live_site(tmp_path) as one:
        one.site.attempts = Attempts(one.site.database, one.site.vault, per_minute=1)
        for _ in range(5):
            one.site.attempts.write_down(actor="", reason="stale_form", route="/account")
        url = one.site.settings.database
    database = Database(url)
    assert told(database, 0) == [1, 4]
    database.close()
