"""`personalign site retention`: deleting what is past its days, now."""

from __future__ import annotations

from dataclasses import asdict, replace

from personalign.cli.serve_web import (
    KeepAccounts,
    KeepConversations,
    KeepReports,
    KeepUnfinished,
    retention_of,
)
from personalign.cli.site_place import (
    DEFAULT_FOLDER,
    DatabaseUrl,
    KeyFile,
    SiteFolder,
    opened,
    settings_of,
)


def retention(
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
    keep_unfinished: KeepUnfinished = None,
    keep_conversations: KeepConversations = None,
    keep_reports: KeepReports = None,
    keep_accounts: KeepAccounts = None,
) -> None:
    """Delete what is past its days; a running server does it every hour by itself.

    Give the same days as to serve --web.

      personalign site retention --keep-conversations 30
    """
    from personalign.cli.console import console

    days = retention_of(keep_unfinished, keep_conversations, keep_reports, keep_accounts)
    settings = replace(settings_of(site, database, site_key), retention=days)
    with opened(settings) as one:
        from personalign.web.database.base import now
        from personalign.web.privacy.retention import enforce

        done = asdict(enforce(one, now()))
    told = ", ".join(f"{count} {what}" for what, count in done.items() if count)
    console.print(f"Deleted: {told or 'nothing'}.", highlight=False)
