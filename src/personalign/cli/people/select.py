"""`personalign people select`: the Test-Set and the Dev-Set of a file of people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Features(StrEnum):
    """The items people are clustered on."""

    TUNING = "tuning"
    ALL = "all"


class Dev(StrEnum):
    """Who the Dev-Set is."""

    MATCHED = "matched"
    REST = "rest"


class Ending(StrEnum):
    """The formats the sets can be written in."""

    PARQUET = "parquet"
    JSON = "json"
    CSV = "csv"


def select(
    file: Annotated[Path, typer.Argument(help="A file of people, in any format that is read.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the two sets go.")
    ],
    k: Annotated[int, typer.Option(help="Clusters, and people in the Test-Set.")] = 300,
    features: Annotated[
        Features,
        typer.Option(help="Cluster on the short form's items (tuning), or on all items."),
    ] = Features.TUNING,
    dev: Annotated[
        Dev,
        typer.Option(
            help="The Dev-Set: the next nearest person of every centroid (matched), or everybody "
            "who is not in the Test-Set (rest), as in the paper."
        ),
    ] = Dev.MATCHED,
    seed: Annotated[int, typer.Option(help="The same seed chooses the same people.")] = 0,
    ending: Annotated[Ending, typer.Option("--format", help="Of the two sets.")] = Ending.PARQUET,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the comparison to this JSON file."),
    ] = None,
) -> None:
    """Choose people who stand for all: a Test-Set and a Dev-Set that share nobody.

    Items are standardised, k-means makes k clusters, and every centroid chooses the nearest person
    not chosen yet (the paper's Eq. 1). The folder gets test-set and dev-set, selection.json (who
    was chosen by which centroid, and how far away) and clusters.svg.

    What is printed is how well the Test-Set stands for all, the largest difference named.

      personalign people select people.parquet -o sets
      personalign people select people.parquet -o sets --k 100 --features all --dev rest
    """
    from personalign.cli.console import console, progress, write_json
    from personalign.cli.people.describe import show_comparison
    from personalign.dataset.compare import compare
    from personalign.dataset.describe import describe
    from personalign.dataset.papi import read_people
    from personalign.dataset.select import select_representatives
    from personalign.dataset.sets import write_selection

    with progress("Reading"):
        people = read_people(file)
    with progress(f"Clustering {len(people):,} people") as advance:
        selection = select_representatives(
            people,
            k,
            features=features.value,
            seed=seed,
            parts=2 if dev is Dev.MATCHED else 1,
            progress=advance,
        )
    with progress("Comparing and writing"):
        test = people.select(selection.parts[0])
        comparison = compare(describe(people), describe(test))
        written = write_selection(
            out, people, selection, comparison=comparison, ending=ending.value
        )
    show_comparison(comparison)
    if not selection.settled:
        console.print(
            "k-means was stopped before its centroids stood still; the people are still each "
            "centroid's nearest.",
            style="dim",
        )
    for path in written:
        console.print(f"Wrote {path}", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        write_json(json_file, {"file": file.name, **comparison.as_dict()})
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)
