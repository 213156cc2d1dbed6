"""`personalign site audit verify | report`: whether the audit log is as it was written, and what it
tells of a span of time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
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

audit = typer.Typer(help="The audit log.", no_args_is_help=True)


@audit.command()
def verify(
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="HEAD",
            help="A head that this command printed earlier and that was kept elsewhere: without "
            "one, a database that was set back as a whole is not noticed.",
        ),
    ] = None,
) -> None:
    """Check every entry of the audit log against its chain; status 1 where one is not as it was.

      personalign site audit verify
      personalign site audit verify --expect 12:9f86d081...

    The head goes to stdout, to be kept where whoever runs the database cannot write.
    """
    from personalign.cli.console import errors
    from personalign.web.audit.log import verify as check

    with (
        opened(settings_of(site, database, site_key)) as one,
        one.database.reading() as session,
    ):
        found = check(session, one.vault, expected=expect)
    if found.problem is not None:
        errors.print(
            f"{found.problem} {found.entries} entries before it are as they were written.",
            style="red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)
    errors.print(f"{found.entries} entries are as they were written. The head:", highlight=False)
    typer.echo(found.head)


@audit.command()
def report(
    since: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, in UTC.")
    ],
    until: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last.")
    ],
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here, not to stdout.")
    ] = None,
) -> None:
    """Count what happened on the site, month by month, as JSON; admins see it as a page, too.

    personalign site audit report --from 2026-01-01 --to 2026-07-01 -o half-year.json
    """
    from personalign.dataset.files import replacing

    with opened(settings_of(site, database, site_key)) as one:
        from personalign.web.audit.report import audit_report

        made = audit_report(one, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)).to_json()
    if output is None:
        typer.echo(made)
        return
    with replacing(output) as temporary:
        temporary.write_text(made + "\n", "utf-8")
    typer.echo(output)
