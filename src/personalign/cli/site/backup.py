"""`personalign site backup | restore FILE`: everything a site keeps in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from personalign.cli.site_place import (
    DEFAULT_FOLDER,
    DatabaseUrl,
    KeyFile,
    SiteFolder,
    at_hand,
    needed,
    settings_of,
)
from personalign.errors import SiteError

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


def backup(
    file: BackupFile,
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
) -> None:
    """Write the whole database into one file, while the site runs.

    What people answered and wrote is in it as it is in the database: sealed. The site's key is not
    in it, and this command needs none; keep a copy of the key elsewhere.

      personalign site backup backups/2026-11-26.tar
    """
    from personalign.cli.console import console, errors

    with at_hand(settings_of(site, database, None)) as one:
        from personalign.web.database.backup import back_up

        made = back_up(one, file)
    console.print(
        f"{file}: {sum(made.rows.values())} rows, audit log {made.head}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    errors.print(
        f"The key is not in it; to open it the key {', '.join(made.keys)} is needed.",
        highlight=False,
    )


def restore(
    file: BackupFile,
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what is there.")
    ] = False,
) -> None:
    """Put a backup into an empty database, and check it against its manifest, key and audit log.

      personalign site restore backups/2026-11-26.tar --site another-site --site-key site.key

    Everybody is signed out. What was deleted or revoked since the backup was made is back.
    """
    needed()
    from personalign.cli.console import console, errors
    from personalign.web.database.open import Database
    from personalign.web.database.restore import restore as put_back
    from personalign.web.vault import vault_from

    if not file.is_file():
        raise SiteError(f"There is no file {file}; name a file of `personalign site backup`.")
    settings = settings_of(site, database, site_key)
    vault = vault_from(settings.keys)
    one = Database(settings.database)
    try:
        if one.file is None:
            one.check()
        made = put_back(one, vault, file, replace=replace)
    finally:
        one.close()
    console.print(
        f"Restored {sum(made.rows.values())} rows of {made.made_at}; the audit log is whole.",
        highlight=False,
    )
    errors.print(
        f"Accounts that were deleted, and keys, shares and roles that were taken back after "
        f"{made.made_at}, are there again: see to them before you start the server.",
        highlight=False,
        style="yellow",
    )
