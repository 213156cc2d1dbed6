"""Giving roles to accounts and taking them away, by handle.

In the audit log an account's roles stand under a name of their own (`Account.role_name`): who
gives one knows the handle, and would know by the entry which other entries are that account's.
The first admin is made on the machine itself: personalign site role HANDLE admin
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from personalign.errors import RoleRefused
from personalign.web.accounts.tables import ROLES, Account, AccountRole
from personalign.web.audit.log import SYSTEM, append, wait_for_turn

if TYPE_CHECKING:
    from personalign.web.site import Site


def give(site: Site, handle: str, role: str, *, actor: str = SYSTEM) -> bool:
    """Give a role; False where the account has it already.

    actor: audit name of who does it; the site itself where it is done on the command line.
    Raises RoleRefused for an unknown role or handle.
    """
    with site.database.writing() as session:
        wait_for_turn(session)
        account = _account(session, handle, role)
        if session.get(AccountRole, (account.id, role)) is not None:
            return False
        session.add(AccountRole(account_id=account.id, role=role))
        append(session, site.vault, "role.given", actor=actor, subject=account.role_name, role=role)
        return True


def take(site: Site, handle: str, role: str, *, actor: str = SYSTEM) -> bool:
    """Take a role away; False where the account does not have it. It ends with the next request.

    Raises RoleRefused for an unknown role or handle, and for the last admin's role: a site without
    one could give no more roles.
    """
    with site.database.writing() as session:
        wait_for_turn(session)  # two admins who take each other's role at once go one by one
        account = _account(session, handle, role)
        bearers = session.scalars(select(AccountRole).where(AccountRole.role == role)).all()
        own = [one for one in bearers if one.account_id == account.id]
        if not own:
            return False
        if role == "admin" and len(bearers) == 1:
            raise RoleRefused(
                "last_admin",
                f"{account.handle} is the last admin of this site; make somebody else one first.",
            )
        session.delete(own[0])
        append(session, site.vault, "role.taken", actor=actor, subject=account.role_name, role=role)
        return True


def _account(session: Session, handle: str, role: str) -> Account:
    if role not in ROLES:
        raise RoleRefused(
            "unknown_role", f"There is no role {role!r}; the roles are {', '.join(ROLES)}."
        )
    wanted = handle.strip().lower()
    account = session.scalars(select(Account).where(Account.handle == wanted)).first()
    if account is None:
        raise RoleRefused(
            "unknown_handle",
            f"There is no account {handle!r}; its owner sees the handle on the account page.",
        )
    return account
