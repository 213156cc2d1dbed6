"""Everything of an account in one file: a zip of `everything.json` and what is no text beside it.

Each table is there under its name, with what was sealed opened. Left out is what only opens doors
(hashes of secrets), and the key of a study that is still blind.
"""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, Table, or_, select
from sqlalchemy.orm import Session

from personalign import __version__
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.database.base import now
from personalign.web.database.tables import METADATA
from personalign.web.privacy.belongings import belongings_of

if TYPE_CHECKING:
    from personalign.web.site import Site
    from personalign.web.vault import Vault

FORMAT = 1

LEFT_OUT = {
    ("account", "lookup"): "finds the account of a phrase",
    ("account", "phrase_hash"): "checks a phrase",
    ("account", "oidc_subject"): "finds the account of a provider's subject",
    ("account", "audit_name"): "would tell of a deleted account's entries whose they were",
    ("account", "role_name"): "would tell of a deleted account's entries whose they were",
    ("browser_session", "token_hash"): "checks a cookie",
    ("api_key", "hash"): "checks a key",
    ("share", "token_hash"): "checks a link",
    ("invitation", "token_hash"): "checks a link",
    ("invitation", "browser_hash"): "checks a rater's browser",
    ("pack", "key"): "tells which answer was whose, and the study is blind",
}
"""(Table, column) -> what it is for; nobody can read anything of a person in these."""

NOT_TEXT = {("persona", "data"): "persona"}
"""(Table, column) -> the ending of the file it becomes."""

JSON = {("sitting", "about"), ("sitting", "put"), ("study", "settings")}
"""(Table, column) whose sealed text is JSON of ours; any other text is what somebody wrote."""


def export_account(session: Session, site: Site, account_id: str) -> bytes:
    """The zip file of an account's data."""
    found = belongings_of(session, account_id)
    files: dict[str, bytes] = {}
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, rows in found.own.items():
        table = METADATA.tables[name]
        tables[name] = [_told(site.vault, table, row, files) for row in rows]
    for name, rows in found.about_others.items():
        table = METADATA.tables[name]
        tables.setdefault(name, []).extend(_outside(table, row) for row in rows)
    account = session.get_one(Account, account_id)
    told = {
        "format": FORMAT,
        "personalign": __version__,
        "site": site.settings.public_url,
        "exported_at": now().isoformat(),
        "tables": tables,
        "audit_log": _entries(session, account),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("everything.json", json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        for name, data in files.items():
            file.writestr(name, data)
    return made.getvalue()


def _told(vault: Vault, table: Table, row: RowMapping, files: dict[str, bytes]) -> dict[str, Any]:
    """A row of one's own, opened."""
    keys = [row[column.name] for column in table.primary_key]
    told: dict[str, Any] = {}
    for column in table.columns:
        place, value = (table.name, column.name), row[column.name]
        if place in LEFT_OUT:
            continue
        if column.info.get("sealed") and value is not None:
            value = vault.open(value, *place, *keys)
            if place in NOT_TEXT:
                name = f"{table.name}-{'-'.join(map(str, keys))}.{NOT_TEXT[place]}"
                files[name] = value
                value = name
            else:
                value = json.loads(value) if place in JSON else value.decode()
        told[column.name] = _plain(value)
    return told


def _outside(table: Table, row: RowMapping) -> dict[str, Any]:
    """A part of one's own that names somebody else: without who, and without what it says."""
    return {
        column.name: _plain(row[column.name])
        for column in table.columns
        if (table.name, column.name) not in LEFT_OUT
        and not column.info.get("sealed")
        and not any(key.column.table.name == Account.__tablename__ for key in column.foreign_keys)
    }


def _entries(session: Session, account: Account) -> list[dict[str, Any]]:
    """What the audit log tells of an account, in its own words, without who else was there."""
    rows = session.scalars(
        select(AuditEntry)
        .where(
            or_(
                AuditEntry.actor == account.audit_name,
                AuditEntry.subject.in_((account.audit_name, account.role_name)),
            )
        )
        .order_by(AuditEntry.number)
    )
    return [
        {
            "number": row.number,
            "at": row.at.isoformat(),
            "by_this_account": row.actor == account.audit_name,
            "action": row.action,
            "details": {k: v for k, v in details_of(row).items() if k != "owner"},
        }
        for row in rows
    ]


def _plain(value: Any) -> Any:
    """A value as JSON knows it."""
    return value.isoformat() if isinstance(value, datetime) else value
