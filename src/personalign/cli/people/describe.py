"""`personalign people describe`: who the people of a file are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from personalign.dataset.compare import Comparison
    from personalign.dataset.describe import Description


def describe(
    file: Annotated[Path, typer.Argument(help="A file of people, in any format that is read.")],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Everybody the people of FILE were chosen from: set beside them."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every table and figure to this .html page."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the figures to this JSON file."),
    ] = None,
) -> None:
    """Describe people: age, sex, country, traits, reliability, missing and careless answers.

    Means run from 1 to 5 in the direction of the trait, [bold]alpha[/bold] is Cronbach's. A
    [bold]flag[/bold] is a sign of careless answering, not a verdict; nobody is left out.

    With --against, the people of FILE are set beside everybody they were chosen from, each
    difference in standard deviations.

      personalign people describe people.parquet --report people.html
      personalign people describe test-set.parquet --against people.parquet
    """
    from personalign.cli.console import console, progress, write_json
    from personalign.dataset import describe as description
    from personalign.dataset.compare import compare
    from personalign.dataset.papi import read_people
    from personalign.errors import PeopleError

    if report is not None and report.suffix != ".html":
        raise PeopleError(f"The report cannot be written as {report.name!r}; it ends in .html.")
    with progress("Reading and describing"):
        people = read_people(file)
        described = description.describe(people)
        everybody = None if against is None else read_people(against)
        whole = None if everybody is None else description.describe(everybody)
    comparison = None if whole is None else compare(whole, described)
    _show(file.name, described)
    if comparison is not None:
        show_comparison(comparison)
    if report is not None:
        from personalign.bench.people_report import write_people_report

        with progress("Drawing") as advance:
            if everybody is None:
                write_people_report(report, people, described=described, progress=advance)
            else:
                write_people_report(
                    report,
                    everybody,
                    chosen=people,
                    described=whole,
                    chosen_described=described,
                    progress=advance,
                )
        console.print(f"Wrote {report}", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        data = {"file": file.name, **described.as_dict()}
        if comparison is not None:
            data["against"] = comparison.as_dict()
        write_json(json_file, data)
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)


def show_comparison(comparison: Comparison) -> None:
    """Print chosen against all, the largest difference in bold."""
    from rich.table import Table

    from personalign.cli.console import console

    table = Table(
        title=f"{comparison.chosen:,} chosen against all {comparison.people:,}",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column("")
    for heading in ("all", "chosen", "difference in SD", "SD chosen / all"):
        table.add_column(heading, justify="right")
    for one in comparison.differences:
        share = one.sd_ratio is None
        table.add_row(
            one.name,
            *(f"{100 * v:.1f}%" if share else f"{v:.2f}" for v in (one.all, one.chosen)),
            f"{one.standardised:+.2f}",
            "" if one.sd_ratio is None else f"{one.sd_ratio:.2f}",
            style="bold" if one is comparison.largest else "",
        )
    console.print(table)
    console.print(comparison.sentence, highlight=False)
    if comparison.correlation_sentence is not None:
        console.print(comparison.correlation_sentence, highlight=False)


def _show(name: str, described: Description) -> None:
    from rich.markup import escape
    from rich.table import Table

    from personalign.cli.console import console
    from personalign.dataset.describe import DOUBLE_REVERSED

    twice = described.double_reversed
    table = Table(
        title=f"{escape(name)}: {described.people:,} people, {described.inventory}",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column("")
    for heading in ("mean", "SD", "quartiles", "alpha", *(["reversed twice"] if twice else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for scale in (*described.traits, *described.facets):
        trait = len(scale.code) == 1
        cells = [
            f"{scale.mean:.2f}",
            f"{scale.sd:.2f}",
            " ".join(f"{q:.2f}" for q in scale.quartiles),
        ]
        cells.append(f"{scale.alpha:.2f}")
        if twice:
            cells.append(f"{twice[scale.code]:.2f}" if trait else "")
        label = f"{scale.code} {scale.name}" if trait else f"  {scale.code} {scale.name}"
        table.add_row(label, *cells, style="bold" if trait else "")
    console.print(table)
    if twice:
        console.print(DOUBLE_REVERSED, style="dim", highlight=False)
    lines = []
    if described.ages:
        age = described.ages
        lines.append(
            f"Age: mean {age['mean']:.1f}, SD {age['sd']:.1f}, {age['youngest']:.0f} to "
            f"{age['oldest']:.0f}; " + _counted(described.age_bands, 12)
        )
    lines.append("Sex: " + _counted(described.sexes, 3))
    lines.append("Country: " + _counted(described.countries, 6))
    missing = described.missing
    lines.append(
        f"Missing: {missing['answers']:,} answers ({100 * missing['share']:.3f}%), of "
        f"{missing['people']:,} people"
    )
    flags = described.careless.as_dict()
    lines.append(
        f"Flagged: {flags['longest_string']['flagged']:,} for long strings of equal answers, "
        f"{flags['even_odd']['flagged']:,} for even-odd consistency below "
        f"{flags['even_odd']['cutoff']}, {flags['person_total']['flagged']:,} for a negative "
        f"person-total correlation, {flags['any']['flagged']:,} for any of these"
    )
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _counted(counts: dict[str, int], most: int) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:most]]
    others = len(counts) - len(shown)
    if others > 0:
        shown.append(f"{others} more {sum(list(counts.values())[most:]):,}")
    return ", ".join(shown)
