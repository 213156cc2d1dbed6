"""`personalign methods`: what can turn answers into a persona, and what it has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def methods(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the table to this JSON file."),
    ] = None,
) -> None:
    """Show the methods by name, and the reference rows their scores stand beside.

    Methods make a persona from a person's answers to the tuning items. Reference rows ask no model
    at all.

      personalign align me.json --method few-shot -o me
      personalign evaluate --people people.json --methods none,pas
    """
    from rich.table import Table

    from personalign.cli.console import console, write_json
    from personalign.methods.reference import REFERENCES
    from personalign.methods.registry import METHODS

    for title, known in (("Methods", METHODS), ("Reference rows", REFERENCES)):
        table = Table(title=title, title_justify="left")
        table.add_column("name", style="bold", no_wrap=True)
        table.add_column("what it does")
        for name, method in known.items():
            table.add_row(name, method.description)
        console.print(table)
    if json_file is not None:
        facts: dict[str, Any] = {
            kind: {name: method.description for name, method in known.items()}
            for kind, known in (("methods", METHODS), ("references", REFERENCES))
        }
        console.print(f"Written to {write_json(json_file, facts)}.", highlight=False)
