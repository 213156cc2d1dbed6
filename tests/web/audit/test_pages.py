"""Admins read the log page by page and check it; what they check is written down."""

from __future__ import annotations

import re

from sqlalchemy import func, select

from personalign.web.audit.log import append
from personalign.web.audit.tables import AuditEntry
from tests.web.conftest import LiveSite
from tests.web.visiting import words_of


def numbers_in(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'class="number"[^>]*>(\d+)</td>', page)]


def test_the_log_is_there_whole_newest_first(live: LiveSite) -> None:
    admin = live.member("admin")
    with live.site.database.writing() as session:
        for number in range(60):
            append(session, live.site.vault, "thing.done", subject="<b>bold</b>", place=number)
    seen, number = [], 1
    while True:
        page = admin.get(f"/admin/log?page={number}")
        seen += numbers_in(page)
        if 'rel="next"' not in page:
            break
        number += 1
    with live.site.database.reading() as session:
        total = session.scalar(select(func.count()).select_from(AuditEntry))
    assert seen == list(range(total or 0, 0, -1))
    only = admin.get("/admin/log?action=thing.done")
    assert (
        "Entries found: 60" in words_of(only) and "account.created" not in only.split("<tbody>")[1]
    )
    assert "<b>bold" not in only and "place: 59" in words_of(only)


def test_checking_shows_the_head_and_is_written_down(live: LiveSite) -> None:
    admin = live.member("admin")
    admin.get("/admin/log")
    page = admin.post("/admin/log/verify")
    assert "The log is whole" in words_of(page)
    found = re.search(r"<code>(\d+:[0-9a-f]{64})</code>", page)
    assert found
    again = admin.post("/admin/log/verify", head=found[1])
    assert "The log is whole" in words_of(again)
    missing = admin.post("/admin/log/verify", head=f"999999:{found[1].partition(':')[2]}")
    assert "tampered with" in words_of(missing) and "Entry" in words_of(missing)
    assert "no head of a log" in words_of(admin.post("/admin/log/verify", 400, head="hello"))
    name = live.account_of(admin).audit_name
    with live.site.database.reading() as session:
        checks = session.scalars(
            select(AuditEntry.details)
            .where(AuditEntry.action == "audit.verified", AuditEntry.actor == name)
            .order_by(AuditEntry.number)
        ).all()
    assert ['"good": true' in one for one in checks] == [True, True, False]
