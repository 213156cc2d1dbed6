"""Admins give and take roles; never the last admin's; others find no such pages."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, func, or_, select

from personalign.errors import RoleRefused
from personalign.web.accounts import roles
from personalign.web.accounts.sessions import new_account
from personalign.web.accounts.tables import ROLES, AccountRole
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from tests.web.conftest import LiveSite
from tests.web.visiting import words_of


def roles_of(live: LiveSite, account_id: str) -> set[str]:
    with live.site.database.reading() as session:
        own = select(AccountRole.role).where(AccountRole.account_id == account_id)
        return set(session.scalars(own))


def test_only_admins_find_these_pages(live: LiveSite) -> None:
    ann = live.account_of(live.member())
    for person in (live.member(), live.member("moderator", "researcher", "rater")):
        for path in ("/admin", "/admin/log", "/admin/audit-report", "/admin/scores"):
            person.get(path, 404)
        person.get("/")
        for step in ("give", "take"):
            person.post(f"/admin/roles/{step}", 404, handle=ann.handle, role="admin")
        for path in ("/admin/log/verify", "/admin/scores"):
            person.post(path, 404)
    assert not roles_of(live, ann.id)


def test_a_role_counts_at_once_and_until_it_is_taken(live: LiveSite) -> None:
    admin, ann = live.member("admin"), live.member()
    account = live.account_of(ann)
    ann.get("/moderation", 404)
    admin.get("/admin")
    for handle in (account.handle, f" {account.handle.upper()} "):
        admin.post("/admin/roles/give", handle=handle, role="moderator")
    assert roles_of(live, account.id) == {"moderator"}
    ann.get("/moderation")
    page = admin.get(f"/admin?find={account.handle}&role=moderator")
    assert account.handle in page
    admin.post("/admin/roles/take", handle=account.handle, role="moderator")
    ann.get("/moderation", 404)
    asked = f"find={account.handle}&"  # the footer leads back to it
    found = admin.get(f"/admin?{asked}role=moderator").replace(asked, "")
    assert account.handle not in found.replace(f'value="{account.handle}"', "")
    with live.site.database.reading() as session:
        entries = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == account.role_name)
            .order_by(AuditEntry.number)
        )
        told = [(entry.action, entry.actor, details_of(entry)) for entry in entries]
        names = (AuditEntry.actor, AuditEntry.subject)
        either = or_(*(name == account.audit_name for name in names))
        rest = set(session.scalars(select(AuditEntry.action).where(either)))
        roles_own = select(AuditEntry.number).where(AuditEntry.actor == account.role_name)
        assert session.scalar(roles_own) is None
    assert rest == {"account.created"}, "who gives a role cannot find the rest by its name"
    actor = live.account_of(admin).audit_name
    assert told == [
        ("role.given", actor, {"role": "moderator"}),
        ("role.taken", actor, {"role": "moderator"}),
    ]


def test_the_list_tells_handles_and_roles_and_nothing_else(live: LiveSite) -> None:
    admin, ann = live.member("admin"), live.account_of(live.member())
    page = admin.get(f"/admin?find={ann.handle}")
    assert ann.handle in page
    told = (ann.id, ann.audit_name, ann.role_name, ann.phrase_hash or "?")
    assert not any(one in page for one in (*told, f"{ann.created_at:%Y-%m-%d}"))


def test_what_cannot_be_given_is_told(live: LiveSite) -> None:
    admin = live.member("admin")
    admin.get("/admin")
    page = admin.post("/admin/roles/give", 400, handle="nobody-at-all", role="rater")
    assert "no account with this handle" in words_of(page) and 'value="nobody-at-all"' in page
    own = live.account_of(admin).handle
    assert "no such role" in words_of(admin.post("/admin/roles/give", 400, handle=own, role="god"))
    with pytest.raises(RoleRefused, match=", ".join(ROLES)):
        roles.give(live.site, own, "god")
    with pytest.raises(RoleRefused, match="no account 'nobody'"):
        roles.take(live.site, "nobody", "rater")


def test_the_last_admin_stays_even_if_two_take_each_others_role(live: LiveSite) -> None:
    with live.site.database.writing() as session:
        session.execute(delete(AccountRole).where(AccountRole.role == "admin"))
        handles = [new_account(session, "en").handle for _ in range(2)]
    for handle in handles:
        assert roles.give(live.site, handle, "admin") and not roles.give(live.site, handle, "admin")
    refused: list[str] = []
    ready = threading.Barrier(2)

    def work(handle: str) -> None:
        ready.wait()
        try:
            roles.take(live.site, handle, "admin")
        except RoleRefused as error:
            refused.append(error.reason)

    threads = [threading.Thread(target=work, args=(handle,)) for handle in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == ["last_admin"]
    with live.site.database.reading() as session:
        admins = select(func.count()).where(AccountRole.role == "admin")
        assert session.scalar(admins) == 1


def test_the_last_admins_page_says_so(live: LiveSite) -> None:
    with live.site.database.writing() as session:
        session.execute(delete(AccountRole).where(AccountRole.role == "admin"))
    admin = live.member("admin")
    admin.get("/admin")
    own = live.account_of(admin).handle
    page = admin.post("/admin/roles/take", 400, handle=own, role="admin")
    assert "last admin" in words_of(page)
    admin.get("/admin")
