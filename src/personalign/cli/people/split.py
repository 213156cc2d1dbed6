"""`personalign people split`: some people to develop a method on, the others to report on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


def split(
    file: Annotated[Path, typer.Argument(help="A file of people, of any kind that is read.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where tuning and reported people are written."
        ),
    ],
    tuning_share: Annotated[
        float, typer.Option(help="Share of the people that methods are developed on.")
    ] = 0.5,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the draw; the same one gives the same parts.")
    ] = 0,
    ending: Annotated[
        Literal["parquet", "csv", "json"], typer.Option("--format", help="Of both files.")
    ] = "parquet",
    coordinate: Annotated[
        Literal["auto", "response", "keyed"],
        typer.Option(help="What FILE stores, where it does not say so itself."),
    ] = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="Replace the parts that are in FOLDER already.")
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the counts to this JSON file."),
    ] = None,
) -> None:
    """Put people into two parts that never overlap: tuning and reported.

    Settings tried on the people whose scores are reported make the scores too good. So a method is
    developed on the tuning part, and scored once on the reported part. Both have the same share of
    each sex and age band (not known is a band too). The part is written into the files:
    `personalign evaluate` refuses to score tuning people unless told to.

      personalign people split people.json -o parts
      personalign evaluate --people parts/reported.parquet --population parts/tuning.parquet
    """
    from personalign.cli.console import console, errors, write_json
    from personalign.dataset.papi import read_people
    from personalign.dataset.split import split_people
    from personalign.errors import PeopleError

    targets = {part: output / f"{part}.{ending}" for part in ("tuning", "reported")}
    present = [str(path) for path in targets.values() if path.exists()]
    if present and not force:
        raise PeopleError(
            f"{' and '.join(present)} {'is' if len(present) == 1 else 'are'} there already; name "
            "another folder, or say --force to replace the parts."
        )
    with errors.status(f"Reading {file.name}"):
        people = read_people(file, coordinate=coordinate)
    parts = split_people(people, tuning_share=tuning_share, seed=seed)
    with errors.status(f"Writing to {output}"):
        _write(parts, targets)
    counts = _counts(parts)
    _show(counts)
    if json_file is not None:
        found = {
            "file": file.name,
            "seed": seed,
            "tuning_share": tuning_share,
            "parts": {name: len(part) for name, part in parts.items()},
            "strata": counts,
        }
        write_json(json_file, found)
    for path in (*targets.values(), *([json_file] if json_file else [])):
        console.print(f"Wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _write(parts: dict[str, Respondents], targets: dict[str, Path]) -> None:
    """Both files, or neither: they are moved into place once both are written."""
    import os
    import tempfile

    folder = next(iter(targets.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".split-") as temporary:
        for name, part in parts.items():
            part.write(Path(temporary) / targets[name].name)
        for path in targets.values():
            os.replace(Path(temporary) / path.name, path)


def _counts(parts: dict[str, Respondents]) -> list[dict[str, str | int]]:
    """One row a stratum with somebody in it: sex, age, and how many people each part has."""
    from collections import Counter

    from personalign.dataset.split import AGE_BANDS, UNKNOWN, strata

    counted = {name: Counter(strata(part)) for name, part in parts.items()}
    bands = [*AGE_BANDS, UNKNOWN]
    groups = {group for counts in counted.values() for group in counts}
    ordered = sorted(
        groups, key=lambda group: (group[0] == UNKNOWN, group[0], bands.index(group[1]))
    )
    return [
        {"sex": sex, "age": age, **{name: counts[sex, age] for name, counts in counted.items()}}
        for sex, age in ordered
    ]


def _show(counts: list[dict[str, str | int]]) -> None:
    from rich.table import Table

    from personalign.cli.console import console

    parts = [name for name in counts[0] if name not in ("sex", "age")]
    table = Table(title="People of each part, by sex and age", title_justify="left")
    for heading in ("sex", "age"):
        table.add_column(heading, no_wrap=True)
    for name in parts:
        table.add_column(name, justify="right", no_wrap=True)
    for row in counts:
        table.add_row(str(row["sex"]), str(row["age"]), *(f"{row[name]:,}" for name in parts))
    table.add_section()
    totals = (sum(int(row[name]) for row in counts) for name in parts)
    table.add_row("all", "", *(f"{total:,}" for total in totals))
    console.print(table)
