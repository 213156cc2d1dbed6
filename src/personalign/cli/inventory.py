"""`personalign inventory`: the items, as a table or as JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """The questionnaires: the two forms of the IPIP-NEO, and the 50 markers of the Big Five."""

    SHORT = "120"
    FULL = "300"
    MARKERS = "50"


def inventory(
    facet: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Only this facet (such as N1) or trait (such as N)."),
    ] = None,
    form: Annotated[
        Form,
        typer.Option(
            help="The IPIP-NEO's full form, its short one in its own order, or the IPIP's 50 "
            "markers of the Big Five."
        ),
    ] = Form.FULL,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the items to this JSON file."),
    ] = None,
) -> None:
    """Show the items of a questionnaire, the IPIP-NEO unless said otherwise.

    [bold]number[/bold] is the item's number in the whole form, [bold]short[/bold] its number among
    the items that methods learn from (of the IPIP-NEO, in the 120-item form); they are scored on
    the others. Where the key is +, agreeing raises the facet; where it is -, agreeing lowers it.
    The 50 markers have traits and no facets.

      personalign inventory --facet N1
      personalign inventory --form 50
    """
    from rich.table import Table

    from personalign.cli.console import console, write_json
    from personalign.errors import InventoryError
    from personalign.inventory.forms import get_inventory
    from personalign.inventory.keys import FACETS, TRAITS

    chosen = get_inventory("IPIP-Big5-50" if form is Form.MARKERS else f"IPIP-NEO-{form.value}")
    items = list(chosen)
    if facet is not None:
        code = facet.strip().upper()
        if code not in FACETS and code not in TRAITS:
            raise InventoryError(
                f"There is no facet {facet!r}; facets are a trait letter ({', '.join(TRAITS)}) and "
                "a number from 1 to 6, such as N1. A letter alone gives the whole trait."
            )
        if code in FACETS and not chosen.has_facets:
            raise InventoryError(
                f"{chosen.name} has traits and no facets, so none {facet!r}; ask for a trait: "
                f"{', '.join(TRAITS)}."
            )
        items = [item for item in items if (item.facet or item.trait).startswith(code)]
    table = Table(title=f"{chosen.name}: {len(items)} items", title_justify="left")
    for heading in ("number", "short"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("facet" if chosen.has_facets else "trait", no_wrap=True)
    table.add_column("key", justify="center", no_wrap=True)
    table.add_column("statement")
    for item in items:
        table.add_row(
            str(item.number),
            str(item.short_number or ""),
            f"{item.facet} {FACETS[item.facet]}"
            if item.facet
            else f"{item.trait} {TRAITS[item.trait]}",
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
                "facet_name": FACETS[item.facet] if item.facet else None,
                "trait": item.trait,
                "trait_name": TRAITS[item.trait],
                "sign": item.sign,
            }
            for item in items
        ]
        write_json(json_file, {"inventory": chosen.name, "items": rows})
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)
