"""`personalign people plot`: one figure of a file of people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from personalign.dataset.people import Respondents


class Kind(StrEnum):
    """The figures."""

    TRAITS = "traits"
    PYRAMID = "pyramid"
    COUNTRIES = "countries"
    CORRELATIONS = "correlations"
    CLUSTERS = "clusters"
    RADARS = "radars"
    PERSON = "person"
    STANDING = "standing"


def plot(
    file: Annotated[Path, typer.Argument(help="A file of people, in any format that is read.")],
    kind: Annotated[Kind, typer.Option(help="Which figure; see above.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The figure, .svg or .png.")
    ],
    chosen: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="traits: lay these people over everybody."),
    ] = None,
    k: Annotated[
        int | None, typer.Option(help="clusters: how many; 300, or a tenth of the people.")
    ] = None,
    sheet: Annotated[
        int | None, typer.Option(help="radars: which 60 people, counted from 1 (the default).")
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="person, standing: whose; the first of the file if left out."
        ),
    ] = None,
) -> None:
    """Draw people, as SVG or PNG.

    [bold]traits[/bold] histograms, [bold]pyramid[/bold] sex by age, [bold]countries[/bold] bars,
    [bold]correlations[/bold] between traits, [bold]clusters[/bold] k-means on two principal
    components with the chosen people, [bold]radars[/bold] a sheet of 60 people, [bold]person[/bold]
    one person's facets beside everybody's means, [bold]standing[/bold] one person's traits on
    everybody's distributions.

      personalign people plot people.parquet --kind pyramid -o pyramid.svg
      personalign people plot people.parquet --kind person --person 522 -o person.png
    """
    from personalign.cli.console import console, progress
    from personalign.dataset.papi import read_people
    from personalign.dataset.plots import known_figure_ending, write_figure

    known_figure_ending(out)
    _refuse_idle(kind, {"chosen": chosen, "k": k, "sheet": sheet, "person": person})
    with progress("Drawing"):
        people = read_people(file)
        others = None if chosen is None else read_people(chosen)
        figure = _figure(kind, people, chosen=others, k=k, sheet=sheet or 1, person=person)
        write_figure(figure, out)
    console.print(f"Wrote {out}", markup=False, highlight=False, soft_wrap=True)


_NEEDED_BY = {
    "chosen": {Kind.TRAITS},
    "k": {Kind.CLUSTERS},
    "sheet": {Kind.RADARS},
    "person": {Kind.PERSON, Kind.STANDING},
}


def _refuse_idle(kind: Kind, options: dict[str, object]) -> None:
    """No option that does nothing: PeopleError for one that belongs to another figure."""
    from personalign.errors import PeopleError

    for name, value in options.items():
        if value is not None and kind not in _NEEDED_BY[name]:
            kinds = " or ".join(sorted(one.value for one in _NEEDED_BY[name]))
            raise PeopleError(
                f"--{name} has no meaning for --kind {kind.value}; it belongs to {kinds}. Leave it "
                "out."
            )


def _figure(
    kind: Kind,
    people: Respondents,
    *,
    chosen: Respondents | None,
    k: int | None,
    sheet: int,
    person: str | None,
) -> Figure:
    from personalign.bench.people_report import pictured
    from personalign.dataset import plots
    from personalign.dataset.describe import describe, trait_scores
    from personalign.inventory.scoring import facet_means

    if kind is Kind.PYRAMID:
        return plots.age_pyramid(people)
    if kind is Kind.RADARS:
        return plots.radar_sheet(people, sheet=sheet)
    if kind is Kind.CLUSTERS:
        shown, selection = pictured(people, k=k)
        return plots.cluster_map(shown, selection, among=len(people))
    described = describe(people)
    if kind is Kind.TRAITS:
        return plots.trait_histograms(described, None if chosen is None else describe(chosen))
    if kind is Kind.COUNTRIES:
        return plots.country_bars(described)
    if kind is Kind.CORRELATIONS:
        return plots.correlation_heat_map(described)
    one = people.select([_row(people, person)])
    name = f"Person {one.ids[0]}"
    if kind is Kind.STANDING:
        return plots.person_among_people(trait_scores(one)[0], described, name=name)
    form = people.inventory
    profile = facet_means(one.responses[0], form) if described.facets else trait_scores(one)[0]
    return plots.person_radar(profile, described, name=name)


def _row(people: Respondents, name: str | None) -> int:
    from personalign.errors import PeopleError

    if name is None:
        return 0
    if name not in people.ids:
        shown = ", ".join(people.ids[:3])
        raise PeopleError(
            f"Nobody here is called {name!r}; the {len(people):,} ids begin {shown}. Name one of "
            "the file's ids."
        )
    return people.ids.index(name)
