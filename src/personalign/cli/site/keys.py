"""`personalign site new-key | rotate`: the keys under which everything personal is sealed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.site_place import (
    DEFAULT_FOLDER,
    DatabaseUrl,
    KeyFile,
    SiteFolder,
    needed,
    opened,
    settings_of,
)
from personalign.errors import SiteError

if TYPE_CHECKING:
    from personalign.web.site import Site


def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")],
) -> None:
    """Make a file with a fresh key, readable by you alone.

    Keep a copy where no backup of the database is: without the key nobody can read what people
    answered, and with both everybody can.

      personalign site new-key /etc/personalign/site.key
    """
    needed()
    from personalign.cli.console import console
    from personalign.web.vault import new_key as fresh
    from personalign.web.vault import write_keys

    if file.exists():
        raise SiteError(
            f"{file} is there already, and a site that lost its key is lost; name another file, or "
            "add a key to this one with: personalign site rotate"
        )
    key = fresh()
    write_keys(file, [key])
    console.print(f"{file}: key {key.id.hex()}", highlight=False, soft_wrap=True, markup=False)


def rotate(
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Add no key; only seal what older keys sealed with the newest."
        ),
    ] = False,
    drop_old: Annotated[
        bool,
        typer.Option(
            "--drop-old",
            help="Add no key; take away all but the newest, once they seal nothing any more.",
        ),
    ] = False,
) -> None:
    """Add a new key and seal everything with it, while the site runs.

    A server that reads the same file knows the new key at once; one that has its keys from the
    environment is restarted with the new key in front first, and then this is run with --resume.

      personalign site rotate
      personalign site rotate --drop-old

    After --drop-old a copy of the file opens no older copy of the database. What finds accounts by
    their phrase, and what checks older audit entries, is kept and opens nothing.
    """
    from personalign.cli.console import console, errors, progress
    from personalign.web.audit.log import append
    from personalign.web.database.reseal import reseal
    from personalign.web.vault import KEY_VARIABLE, Vault, read_keys, write_keys
    from personalign.web.vault import new_key as fresh

    settings = settings_of(site, database, site_key)
    in_environment = KEY_VARIABLE in os.environ
    if resume and drop_old:
        raise SiteError("--resume and --drop-old are two steps; run one after the other.")
    if in_environment and not (resume or drop_old):
        raise SiteError(
            f"The keys are in {KEY_VARIABLE}. Put a new one in front of them there, followed by a "
            "comma, restart the server, and run: personalign site rotate --resume"
        )
    with opened(settings) as one:
        if drop_old:
            _drop_old(one, in_environment)
            return
        if not resume:
            write_keys(settings.keys, [fresh(), *read_keys(settings.keys)])
            one.vault = Vault(read_keys(settings.keys), settings.keys)
            with one.database.writing() as session:
                append(session, one.vault, "key.added", key=one.vault.keys[0].id.hex())
        with progress("Sealing anew") as advance:
            done = reseal(one.database, one.vault, progress=advance)
        with one.database.writing() as session:
            append(session, one.vault, "key.rotated", values=done)
        newest = one.vault.keys[0].id.hex()
    console.print(f"{done} values were sealed anew with the key {newest}.", highlight=False)
    errors.print(
        "Copy the key file to where its copies are kept. The older keys are still in it, for older "
        "backups; `personalign site rotate --drop-old` takes them away.",
        highlight=False,
    )


def _drop_old(site: Site, in_environment: bool) -> None:
    from personalign.cli.console import console, errors
    from personalign.web.audit.log import append
    from personalign.web.database.reseal import nobody_writes, sealed_with
    from personalign.web.vault import MasterKey, encoded, write_keys

    newest, *rest = site.vault.keys
    old = [key for key in rest if isinstance(key, MasterKey)]
    if not old:
        raise SiteError(f"There is one key only, {newest.id.hex()}; nothing is to be dropped.")
    with nobody_writes(site.database) as session:
        append(session, site.vault, "key.dropped", keys=",".join(key.id.hex() for key in old))
        left = sealed_with(session)
        del left[newest.id]
        if left.total():
            raise SiteError(
                f"{left.total()} values are sealed with "
                f"{', '.join(sorted(key.hex() for key in left))} still; seal them anew first: "
                "personalign site rotate --resume"
            )
        kept = [newest, *(key.signing for key in rest)]
        if not in_environment:
            write_keys(site.settings.keys, kept)
    if in_environment:
        errors.print("What the environment's variable has to hold from now on:", highlight=False)
        typer.echo(",".join(encoded(key) for key in kept))
    else:
        console.print(f"{len(old)} older keys open nothing any more.", highlight=False)
    errors.print(
        "Backups from before the rotation need a copy of the older key file; where nobody is to "
        "read them any more, destroy its copies.",
        highlight=False,
    )
