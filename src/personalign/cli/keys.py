"""`personalign keys create | list | revoke FILE`: who may use a server, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

keys = typer.Typer(help="Keys for personalign serve.", no_args_is_help=True)

WIDTH = 120
"""Characters of the list where there is no terminal."""

KeysFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file of keys.")]


@keys.command()
def create(
    file: KeysFile,
    name: Annotated[str, typer.Option(help="Whose key it is, in words.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do: chat, personas:read, personas:write or admin (everything, and "
            "the metrics); several times for several. Default: chat."
        ),
    ] = None,
    persona: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Personas it may see, use, make and delete, such as 'acme-*'; several times for "
            "several. Default: all.",
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Default: as many as the server takes.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Requests under way at once. Default: as many as it takes."),
    ] = None,
) -> None:
    """Make a key and print it, this once: the file holds only its hash.

    A running server knows it at once.

      personalign keys create keys.json --name ann --requests-per-minute 60
      personalign keys create keys.json --name acme --scope personas:write --persona 'acme-*'
    """
    from personalign.cli.console import errors
    from personalign.server.keys import create_key

    made = create_key(
        file,
        name,
        scopes=scope or ["chat"],  # type: ignore[arg-type]  # Key checks them
        personas=persona or ["*"],
        requests_per_minute=requests_per_minute,
        concurrency=concurrency,
    )
    errors.print("Keep this key; it is shown once:", highlight=False)
    typer.echo(made)


@keys.command("list")
def list_keys(file: KeysFile) -> None:
    """List the keys: who has one and what it may do, never the key.

    personalign keys list keys.json
    """
    from datetime import UTC, datetime

    from personalign.bench.table import plain_table
    from personalign.cli.console import console
    from personalign.server.keys import read_keys

    wide = console if console.is_terminal else type(console)(width=WIDTH)

    table = plain_table(f"Keys in {file}")
    for heading in ("id", "name", "may", "personas", "a minute", "at once", "made"):
        table.add_column(heading)
    for key in read_keys(file):
        made = datetime.fromtimestamp(key.created, UTC).date().isoformat()
        limits = [key.requests_per_minute, key.concurrency]
        table.add_row(
            key.id,
            key.name,
            ", ".join(key.scopes),
            ", ".join(key.personas),
            *("-" if limit is None else str(limit) for limit in limits),
            made,
        )
    wide.print(table)


@keys.command()
def revoke(
    file: KeysFile,
    which: Annotated[str, typer.Argument(metavar="KEY", help="Its id, or its name.")],
) -> None:
    """Take a key away; a running server refuses it at once.

    personalign keys revoke keys.json ann
    """
    from personalign.cli.console import console
    from personalign.server.keys import revoke_key

    gone = revoke_key(file, which)
    console.print(f"Revoked {gone.id} ({gone.name}).", highlight=False)
