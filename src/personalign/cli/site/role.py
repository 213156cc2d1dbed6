"""`personalign site role give | take HANDLE ROLE`: who may do more than speak for themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from personalign.cli.site_place import (
    DEFAULT_FOLDER,
    DatabaseUrl,
    KeyFile,
    SiteFolder,
    opened,
    settings_of,
)

role = typer.Typer(help="Give and take roles; the first admin's, too.", no_args_is_help=True)

Handle = Annotated[
    str, typer.Argument(metavar="HANDLE", help="The account's name, as its page shows it.")
]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="rater, researcher, moderator or admin.")]


@role.command("give")
def give_role(
    handle: Handle,
    role: Role,
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
) -> None:
    """Give an account a role; it counts at once.

    personalign site role give quiet-heron-417 admin
    """
    from personalign.cli.console import console

    with opened(settings_of(site, database, site_key)) as one:
        from personalign.web.accounts.roles import give

        fresh = give(one, handle, role)
    console.print(f"{handle} is {role} {'now' if fresh else 'already'}.", highlight=False)


@role.command("take")
def take_role(
    handle: Handle,
    role: Role,
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
) -> None:
    """Take a role away from an account; the last admin stays.

    personalign site role take quiet-heron-417 moderator
    """
    from personalign.cli.console import console

    with opened(settings_of(site, database, site_key)) as one:
        from personalign.web.accounts.roles import take

        gone = take(one, handle, role)
    console.print(f"{handle} is {'no longer' if gone else 'not'} {role}.", highlight=False)
