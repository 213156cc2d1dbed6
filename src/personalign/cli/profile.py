"""`personalign profile`: what one person's answers add up to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_SCALE = "1" + "".join(f"{number:>8}" for number in range(2, 6))  # 33 places wide


class Sex(StrEnum):
    """The sexes the norm tables know."""

    MALE = "male"
    FEMALE = "female"


def profile(
    answers: Annotated[
        Path, typer.Argument(help="An answers file (.json or .csv), as personalign take writes it.")
    ],
    age: Annotated[
        int | None, typer.Option(help="In years, 10 to 110; percentiles need it.", metavar="YEARS")
    ] = None,
    sex: Annotated[
        Sex | None, typer.Option(help="Compare with this sex alone; with both if left out.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the 30 facets to this .svg or .png file."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the scores to this JSON file."),
    ] = None,
) -> None:
    """Score a person's answers: 5 traits, 30 facets, percentiles, a radar.

    A mean runs from 1 to 5, in the direction of the trait. A percentile of 80 means that 80 in
    100 people of that age and sex score lower.

      personalign profile answers.json --age 34 --sex female --figure radar.svg
    """
    import numpy as np
    from rich.markup import escape
    from rich.table import Table

    from personalign.cli.console import console, write_json
    from personalign.dataset.answers import read_answers
    from personalign.inventory.keys import FACETS, TRAITS
    from personalign.inventory.profile import profile_of

    person = read_answers(answers)
    result = profile_of(person.responses[0], sex=None if sex is None else sex.value, age=age)
    table = Table(
        title=f"{escape(answers.name)}: {result.answered} items answered",
        title_justify="left",
        box=None,
    )
    table.add_column("")
    table.add_column("mean", justify="right")
    table.add_column(_SCALE, no_wrap=True)
    standing = result.standing
    if standing is not None:
        table.add_column("percentile", justify="right")
    traits = dict(zip(TRAITS, result.traits, strict=True))
    facets = dict(zip(FACETS, result.facets, strict=True))
    percents: dict[str, float] = {}
    if standing is not None:
        percents.update(zip(TRAITS, standing.trait_percentiles, strict=True))
        percents.update(zip(FACETS, standing.facet_percentiles, strict=True))

    def row(code: str, label: str, mean: float, style: str) -> None:
        cells = [label, "-" if np.isnan(mean) else f"{mean:.2f}", _bar(mean)]
        if standing is not None:
            cells.append("-" if np.isnan(percents[code]) else f"{percents[code]:.0f}")
        table.add_row(*cells, style=style)

    for trait, name in TRAITS.items():
        row(trait, name, traits[trait], "bold")
        for code in FACETS:
            if code[0] == trait:
                row(code, f"  {code} {FACETS[code]}", facets[code], "")
    console.print(table)
    if standing is None:
        console.print("Add --age and --sex to see percentiles.", style="dim", highlight=False)
    else:
        group = f"Percentiles among {standing.norms.group}, {standing.norms.items}-item norms."
        console.print(group, style="dim", highlight=False)
    if figure is not None:
        from personalign.dataset.plots import radar, write_figure

        write_figure(radar(result.facets, title=answers.stem), figure)
        console.print(f"Wrote {figure}", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        write_json(json_file, {"answers": answers.name, **result.as_dict()})
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)


def _bar(mean: float) -> str:
    """A bar of 33 places, the first at 1 and the last at 5; empty for NaN."""
    return "" if mean != mean else "━" * (1 + round((mean - 1) * 8))
