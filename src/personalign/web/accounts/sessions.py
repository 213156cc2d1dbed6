"""Signing up, in and out, and who a cookie's bearer is."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from personalign.web.accounts.phrases import (
    hash_phrase,
    lookup_of,
    matches,
    new_handle,
    new_phrase,
)
from personalign.web.accounts.tables import Account, AccountRole, BrowserSession
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.web.site import Site

TOUCH_EVERY = timedelta(hours=1)
"""How often a visit is written down: often enough for retention, seldom enough to cost nothing."""


@dataclass(frozen=True)
class Member:
    """An account, as pages need it."""

    id: str
    handle: str
    language: str
    audit_name: str
    roles: frozenset[str]
    """Of accounts.tables.ROLES."""

    def may(self, role: str) -> bool:
        """Whether it has that role."""
        return role in self.roles


def sign_up(site: Site, language: str) -> tuple[str, str]:
    """Make an account; gives its phrase, this once, and the cookie of a browser signed in to it."""
    phrase, kept = _free_phrase(site)
    with site.database.writing() as session:
        wait_for_turn(session)
        account = new_account(session, language)
        account.lookup, account.phrase_hash = lookup_of(site.vault, phrase), kept
        session.flush()
        append(session, site.vault, "account.created", actor=account.audit_name)
        return phrase, open_session(session, site, account)


def new_account(session: Session, language: str) -> Account:
    """A fresh account without a way to sign in yet."""
    handle = new_handle()
    while session.scalar(select(Account.id).where(Account.handle == handle)) is not None:
        handle = new_handle()
    account = Account(
        id=new_id(),
        handle=handle,
        language=language,
        audit_name=new_id(),
        role_name=new_id(),
        created_at=now(),
        seen_at=now(),
    )
    session.add(account)
    return account


def sign_in(site: Site, phrase: str) -> str | None:
    """The cookie of a new session for the account of a phrase, or None where there is none."""
    with site.database.reading() as session:
        lookups = [lookup_of(site.vault, phrase, key) for key in site.vault.ids()]
        account = session.scalars(select(Account).where(Account.lookup.in_(lookups))).first()
    proved = None if account is None else account.phrase_hash
    good = matches(proved, phrase)
    with site.database.writing() as session:
        wait_for_turn(session)
        found = session.get(Account, account.id) if good and account is not None else None
        if found is None or found.phrase_hash != proved:  # deleted or changed since
            append(session, site.vault, "sign_in.refused", actor="")
            return None
        found.lookup = lookup_of(site.vault, phrase)  # under the newest key
        append(session, site.vault, "sign_in", actor=found.audit_name)
        return open_session(session, site, found)


def open_session(session: Session, site: Site, account: Account) -> str:
    """A browser's session in the caller's transaction; gives its cookie."""
    token = secrets.token_urlsafe(32)
    account.seen_at = now()
    session.flush()  # the account first: the session refers to it
    session.add(
        BrowserSession(
            token_hash=hashed(token),
            account_id=account.id,
            created_at=now(),
            seen_at=now(),
            expires_at=now() + site.settings.session,
        )
    )
    return token


def sign_out(site: Site, token: str) -> None:
    """End a session: its cookie opens nothing from now on."""
    with site.database.writing() as session:
        wait_for_turn(session)
        found = session.get(BrowserSession, hashed(token))
        if found is not None:
            account = session.get_one(Account, found.account_id)
            append(session, site.vault, "sign_out", actor=account.audit_name)
            session.delete(found)


def start_anew(session: Session, site: Site, account: Account) -> str:
    """End every session of an account, this browser's too, and give this one a fresh cookie.

    Whoever has a copy of an old cookie has nothing from now on.
    """
    session.execute(delete(BrowserSession).where(BrowserSession.account_id == account.id))
    return open_session(session, site, account)


def end_others(site: Site, member: Member) -> str:
    """End the sessions of all other browsers; gives this one's new cookie."""
    with site.database.writing() as session:
        wait_for_turn(session)
        account = session.get_one(Account, member.id)
        append(session, site.vault, "sessions.ended", actor=member.audit_name)
        return start_anew(session, site, account)


def end_session(site: Site, member: Member, public_id: str) -> bool:
    """End one session of an account's own, named by `public_id`; False where there is none."""
    with site.database.writing() as session:
        wait_for_turn(session)
        for one in sessions_of(session, member.id):
            if public_id_of(one) == public_id:
                append(session, site.vault, "session.ended", actor=member.audit_name)
                session.delete(one)
                return True
    return False


def sessions_of(session: Session, account_id: str) -> list[BrowserSession]:
    """An account's sessions, the latest seen first."""
    return list(
        session.scalars(
            select(BrowserSession)
            .where(BrowserSession.account_id == account_id, BrowserSession.expires_at > now())
            .order_by(BrowserSession.seen_at.desc(), BrowserSession.token_hash)
        )
    )


def public_id_of(one: BrowserSession) -> str:
    """What a page calls a session: the beginning of a hash of its hash, which opens nothing."""
    return hashlib.sha256(one.token_hash).hexdigest()[:16]


def proves(site: Site, account_id: str, phrase: str) -> str | None:
    """The hash that a phrase has proved, where it is that of an account; else None.

    Whoever acts on it gives it to `still_proved` in the transaction that does so.
    """
    with site.database.reading() as session:
        proved = session.get_one(Account, account_id).phrase_hash
    return proved if matches(proved, phrase) else None


def still_proved(account: Account | None, proved: str) -> Account:
    """An account whose phrase is the one that was proved; read after the turn to write has come.

    Raises PageRefusal (401) where the phrase was changed or the account deleted since: then every
    session of its has ended, too.
    """
    if account is None or account.phrase_hash != proved:
        raise PageRefusal(401, "sign_in")
    return account


def change_phrase(site: Site, member: Member, proved: str) -> tuple[str, str]:
    """A new phrase for an account: it, this once, and a fresh cookie; all sessions end.

    proved: what `proves` gave for the old one. Raises PageRefusal (401) where it was changed since.
    """
    phrase, kept = _free_phrase(site)
    with site.database.writing() as session:
        wait_for_turn(session)
        account = still_proved(session.get(Account, member.id), proved)
        account.lookup, account.phrase_hash = lookup_of(site.vault, phrase), kept
        append(session, site.vault, "phrase.changed", actor=member.audit_name)
        return phrase, start_anew(session, site, account)


def _free_phrase(site: Site) -> tuple[str, str]:
    """A phrase whose first words no account has, and its hash."""
    while True:
        phrase = new_phrase()
        lookups = [lookup_of(site.vault, phrase, key) for key in site.vault.ids()]
        with site.database.reading() as session:
            taken = session.scalar(select(Account.id).where(Account.lookup.in_(lookups)))
        if taken is None:
            return phrase, hash_phrase(phrase)


def member_of(site: Site, token: str) -> Member | None:
    """Who is signed in with a cookie; None for an unknown or ended one."""
    with site.database.reading() as session:
        rows = session.execute(
            select(Account, AccountRole.role, BrowserSession.seen_at)
            .join(BrowserSession, BrowserSession.account_id == Account.id)
            .outerjoin(AccountRole, AccountRole.account_id == Account.id)
            .where(BrowserSession.token_hash == hashed(token), BrowserSession.expires_at > now())
        ).all()
    if not rows:
        return None
    account = rows[0][0]
    if now() - rows[0][2] > TOUCH_EVERY:
        _touch(site, token)
    roles = frozenset(role for _, role, _ in rows if role is not None)
    return Member(account.id, account.handle, account.language, account.audit_name, roles)


def hashed(token: str) -> bytes:
    """What the database keeps of a random token."""
    return hashlib.sha256(token.encode()).digest()


def _touch(site: Site, token: str) -> None:
    with site.database.writing() as session:
        found = session.get(BrowserSession, hashed(token))
        if found is not None:
            found.seen_at = now()
            found.expires_at = now() + site.settings.session
            session.get_one(Account, found.account_id).seen_at = now()
