"""`personalign people convert`: one kind of file of people into another, and what was met."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from personalign.cli.inventory import Form

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.dataset.read_report import ReadReport


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Johnson's .dat (.dat.gz, .zip), or .parquet, .csv, .json, .jsonl."
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help=".parquet, .csv, .json, .dat or .dat.gz.")
    ],
    coordinate: Annotated[
        Literal["auto", "response", "keyed"],
        typer.Option(
            help="What IN stores, where it does not say so itself: answers as ticked (response) or "
            "already reverse-scored (keyed)."
        ),
    ] = "auto",
    form: Annotated[
        Form | None, typer.Option(help="Refuse IN unless it has so many items.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse a raw file at its first bad line; else they are left out."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it is there.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the report to this JSON file."),
    ] = None,
) -> None:
    """Turn a file of people into another kind of file, and say what was met in it.

    Johnson's raw files hold keyed values; .parquet, .csv and .json come out as responses and say
    so. Lines that cannot be read are left out, counted, and named by number. Parquet is the
    smallest and the fastest to read again.

      personalign people convert IPIP300.dat people.parquet
      personalign people convert people.csv people.dat --coordinate response --strict
    """
    from personalign.cli.console import console, errors, write_json
    from personalign.dataset.papi import read_and_report
    from personalign.errors import PeopleError

    if target.exists() and not force:
        raise PeopleError(f"{target} is there already; name another file, or say --force.")
    with errors.status(f"Reading {source.name}"):
        people, report = read_and_report(
            source,
            coordinate=coordinate,
            strict=strict,
            form=None if form is None else 120 if form is Form.SHORT else 300,
        )
    with errors.status(f"Writing {target.name}"):
        people.write(target)
    notes = _notes(people, report, target)
    for sentence in notes:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        found = {"in": source.name, "out": target.name, "source": people.source}
        missing = int((people.responses == 0).sum())
        write_json(json_file, {**found, **report.as_dict(), "missing": missing, "notes": notes})
    for path in (target, *([json_file] if json_file else [])):
        console.print(f"Wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _notes(people: Respondents, report: ReadReport, target: Path) -> list[str]:
    """What was read, what was wrong with it, and what the new file has no place for."""
    from personalign.dataset.johnson_write import what_is_lost

    form = people.inventory
    asked = (people.responses != 0).any(axis=0)
    answers = people.responses[:, asked]
    missing = int((answers == 0).sum())
    share = missing / max(answers.size, 1)
    notes = [
        f"{len(people):,} people read from {people.source}.",
        f"{int(asked.sum())} of the {len(form)} items of {form.name} are answered; "
        f"{missing:,} of those answers ({share:.2%}) are missing.",
        *report.sentences(),
    ]
    if target.name.endswith((".dat", ".dat.gz")):
        notes += what_is_lost(people)
    return notes
