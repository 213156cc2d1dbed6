"""`personalign inventory`: the items, as a table or as JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """The two forms of the questionnaire, by their number of items."""

    SHORT = "120"
    FULL = "300"


def inventory(
    facet: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Only this facet (such as N1) or trait (such as N)."),
    ] = None,
    form: Annotated[
        Form, typer.Option(help="The full form, or the short one in its own order.")
    ] = Form.FULL,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the items to this JSON file."),
    ] = None,
) -> None:
    """Show the items of the IPIP-NEO questionnaire.

    [bold]number[/bold] is the item's number in the 300-item form, [bold]short[/bold] its number in
    the 120-item form. Where the key is +, agreeing raises the facet; where it is -, agreeing lowers
    it. Methods learn from the 120 items and are scored on the other 180.

      personalign inventory --facet N1
    """
    from rich.table import Table

    from personalign.cli.console import console, write_json
    from personalign.errors import InventoryError
    from personalign.inventory.items import ipip_neo_120, ipip_neo_300
    from personalign.inventory.keys import FACETS, TRAITS

    chosen = ipip_neo_120() if form is Form.SHORT else ipip_neo_300()
    items = list(chosen)
    if facet is not None:
        code = facet.strip().upper()
        if code not in FACETS and code not in TRAITS:
            raise InventoryError(
                f"There is no facet {facet!r}; facets are a trait letter ({', '.join(TRAITS)}) and "
                "a number from 1 to 6, such as N1. A letter alone gives the whole trait."
            )
        items = [item for item in items if item.facet.startswith(code)]
    table = Table(title=f"{chosen.name}: {len(items)} items", title_justify="left")
    for heading in ("number", "short"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("facet", no_wrap=True)
    table.add_column("key", justify="center", no_wrap=True)
    table.add_column("statement")
    for item in items:
        table.add_row(
            str(item.number),
            str(item.short_number or ""),
            f"{item.facet} {FACETS[item.facet]}",
            "+" if item.sign > 0 else "-",
            item.statement,
        )
    console.print(table)
    if json_file is not None:
        rows = [
            {
                "number": item.number,
                "short_number": item.short_number,
                "statement": item.statement,
                "facet": item.facet,
                "facet_name": FACETS[item.facet],
                "trait": item.trait,
                "trait_name": TRAITS[item.trait],
                "sign": item.sign,
            }
            for item in items
        ]
        write_json(json_file, {"inventory": chosen.name, "items": rows})
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)
