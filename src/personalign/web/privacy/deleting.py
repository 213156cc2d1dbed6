"""Deleting an account with everything of it: database, files, memory, device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from personalign.web.accounts.sessions import still_proved
from personalign.web.accounts.tables import Account, ApiKey
from personalign.web.audit.log import SYSTEM, append, wait_for_turn
from personalign.web.personas.tables import StoredPersona
from personalign.web.privacy.belongings import belongings_of, delete_belongings
from personalign.web.privacy.forgetting import forget_personas

if TYPE_CHECKING:
    from datetime import datetime

    from personalign.web.site import Site


def delete_account(
    site: Site,
    account_id: str,
    *,
    proved: str | None = None,
    unseen_since: datetime | None = None,
) -> bool:
    """Delete an account; False where there is none.

    proved: what a phrase has proved (`sessions.proves`); PageRefusal (401) where the phrase was
    changed since. unseen_since: only if nobody has come since then, and written down as the
    site's own doing.

    First the rows go, in one transaction with the audit log's entry: from then on its sessions,
    keys and shares open nothing. Then replies being written for it end, what rooms and engines hold
    in memory goes, and SQLite's write-ahead file, where deleted rows may still stand.
    """
    with site.database.writing() as session:
        wait_for_turn(session)
        account = session.get(Account, account_id, with_for_update=True)
        if account is not None and proved is not None:
            still_proved(account, proved)
        if account is None or (unseen_since is not None and account.seen_at >= unseen_since):
            return False
        personas = session.scalars(
            select(StoredPersona).where(StoredPersona.account_id == account_id)
        ).all()
        keys = session.scalars(select(ApiKey.id).where(ApiKey.account_id == account_id)).all()
        session.expunge_all()
        delete_belongings(session, belongings_of(session, account_id, lock=True))
        append(
            session,
            site.vault,
            "account.deleted",
            actor=account.audit_name if unseen_since is None else SYSTEM,
            subject=account.audit_name,
        )
    site.silence(keys)
    for forget in site.forget:
        forget(account_id)
    forget_personas(site, personas)
    site.database.overwrite()
    return True
