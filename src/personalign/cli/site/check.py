"""`personalign site check | migrate`: whether a site is in order, and bringing its tables up to
date."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from personalign.cli.site_place import (
    DEFAULT_FOLDER,
    DatabaseUrl,
    KeyFile,
    SiteFolder,
    at_hand,
    settings_of,
)
from personalign.errors import SiteError

if TYPE_CHECKING:
    from personalign.web.database.open import Database
    from personalign.web.settings import SiteSettings

Finding = tuple[bool, str]
"""Whether something is as it should be, and what was found."""


def check(
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
) -> None:
    """Look whether database, key and audit log are in order; status 1 where one is not.

    Changes nothing; a server may be running.

      personalign site check
    """
    from personalign.cli.console import console

    settings, good = settings_of(site, database, site_key), True
    with at_hand(settings) as one:
        for fine, what in _findings(settings, one):
            good = good and fine
            mark = "[green]ok[/]     " if fine else "[red]problem[/]"
            console.print(mark, end=" ")
            console.print(what, highlight=False, markup=False, soft_wrap=True)
    if not good:
        raise typer.Exit(1)


def migrate(
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
) -> None:
    """Bring the database's tables to this version of Personalign; make a backup first.

    serve --web does the same when it starts.

      personalign site backup before.tar
      personalign site migrate
    """
    from personalign.cli.console import console

    settings = settings_of(site, database, site_key)
    with at_hand(settings) as one:
        from personalign.web.database.migrate import bring_up, version_of
        from personalign.web.vault import vault_from

        before = version_of(one)
        bring_up(one, vault_from(settings.keys))
        after = version_of(one)
    was = f"was {before} and is" if before != after else "is"
    console.print(f"The database {was} of version {after}.", highlight=False)


def _findings(settings: SiteSettings, database: Database) -> Iterator[Finding]:
    from personalign.web.audit.log import verify
    from personalign.web.database.migrate import newest_version, opens_with, version_of
    from personalign.web.database.reseal import sealed_with
    from personalign.web.vault import KEY_VARIABLE, MasterKey, vault_from

    shown = database.url.render_as_string(hide_password=True)
    version, newest = version_of(database), newest_version()
    known = f"this Personalign works with {newest}"
    yield version == newest, f"database {shown} of version {version}; {known}"
    try:
        vault = vault_from(settings.keys)
    except SiteError as error:
        yield False, str(error)
        return
    where = KEY_VARIABLE if KEY_VARIABLE in os.environ else str(settings.keys)
    whole = ", ".join(key.id.hex() for key in vault.keys if isinstance(key, MasterKey))
    yield True, f"keys {whole} from {where}"
    if KEY_VARIABLE not in os.environ:
        mode = stat.S_IMODE(settings.keys.stat().st_mode)
        private = mode & 0o077 == 0
        fix = "" if private else f"; make it private: chmod 600 {settings.keys}"
        yield (
            private,
            f"the key file may be read by {'its owner alone' if private else 'others'}{fix}",
        )
    if version != newest:
        return
    with database.reading() as session:
        problem = opens_with(session, vault)
        yield problem is None, problem or "the key is the one of this database"
        counts = sealed_with(session)
        have = {key.id for key in vault.keys if isinstance(key, MasterKey)}
        for key, count in counts.most_common():
            missing = "" if key in have else ", which is not there: they cannot be opened"
            yield key in have, f"{count} values are sealed with {key.hex()}{missing}"
        log = verify(session, vault)
        yield log.problem is None, log.problem or f"audit log: {log.entries} entries, {log.head}"
