"""API keys of accounts: made and revoked on a page, looked up for every request.

They are keys like those of a file (server/keys.py), kept in the database instead. They may write
replies and nothing else, and which personas they see is asked of the database by their id.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from personalign.server.keys import Key, Keys, new_secret, read_key
from personalign.web.accounts.tables import Account, ApiKey
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import now, seal, unsealed_text
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.web.accounts.sessions import Member
    from personalign.web.database.open import Database
    from personalign.web.site import Site
    from personalign.web.vault import Vault

MOST_KEYS = 10
"""Keys an account may have."""

TOUCH_EVERY = timedelta(hours=1)
"""How often the use of a key is written down."""


@dataclass(frozen=True)
class KeyShown:
    """A key as its owner sees it."""

    id: str
    name: str
    created_at: datetime
    used_at: datetime | None


class SiteKeys:
    """The keys of a site's API: those of the operator's file, if there is one, and accounts'.

    A site always has it, so that nobody gets in without a key.
    """

    def __init__(self, file: Keys | None, database: Database) -> None:
        self._file, self._database = file, database

    def find(self, given: str) -> Key | None:
        """The key that was given, or None; what is revoked is not found from the next request."""
        key = None if self._file is None else self._file.find(given)
        return key or self._account_key(given)

    def holds(self, key: Key) -> bool:
        """Whether a key that was found is still there."""
        if self._file is not None and self._file.holds(key):
            return True
        with self._database.reading() as session:
            row = session.get(ApiKey, key.id)
        return row is not None and row.hash == key.hash

    def _account_key(self, given: str) -> Key | None:
        read = read_key(given)
        if read is None:
            return None
        with self._database.reading() as session:
            row = session.get(ApiKey, read[0])
        if row is None or not hmac.compare_digest(row.hash, read[1]):
            return None
        if row.used_at is None or now() - row.used_at > TOUCH_EVERY:
            self._touch(row.id)
        return Key(row.id, "of an account", row.hash, ("chat",), personas=())

    def _touch(self, number: str) -> None:
        """Write down that a key, and so its account, is used."""
        with self._database.writing() as session:
            row = session.get(ApiKey, number)
            if row is not None:
                row.used_at = now()
                session.get_one(Account, row.account_id).seen_at = now()


def keys_of(session: Session, vault: Vault, account_id: str) -> list[KeyShown]:
    """An account's keys, oldest first."""
    own = select(ApiKey).where(ApiKey.account_id == account_id).order_by(ApiKey.created_at)
    return [
        KeyShown(row.id, unsealed_text(vault, row, "name"), row.created_at, row.used_at)
        for row in session.scalars(own)
    ]


def make_key(site: Site, member: Member, name: str) -> str:
    """Make a key for an account; gives it, this once. PageRefusal where it has enough."""
    number, hashed, given = new_secret()
    with site.database.writing() as session:
        wait_for_turn(session)
        count = select(func.count()).where(ApiKey.account_id == member.id)
        if (session.scalar(count) or 0) >= MOST_KEYS:
            raise PageRefusal(409, "too_many_keys", most=MOST_KEYS)
        row = ApiKey(id=number, account_id=member.id, hash=hashed, created_at=now())
        seal(site.vault, row, "name", name)
        session.add(row)
        append(session, site.vault, "key.made", actor=member.audit_name, subject=number)
    return given


def revoke_key(site: Site, member: Member, number: str) -> None:
    """Revoke a key of an account's own and end its replies; PageRefusal (404) for any other."""
    with site.database.writing() as session:
        wait_for_turn(session)
        gone = session.execute(
            delete(ApiKey).where(ApiKey.id == number, ApiKey.account_id == member.id)
        )
        if not gone.rowcount:  # type: ignore[attr-defined]
            raise PageRefusal(404, "not_found")
        append(session, site.vault, "key.revoked", actor=member.audit_name, subject=number)
    site.silence([number])
