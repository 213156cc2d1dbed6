"""`personalign people simulate`: a file of plausible people, as many as wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ENDINGS = (".dat", ".dat.gz", ".parquet", ".csv", ".json")
"""What a file of simulated people can be."""


def simulate(
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many people.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file: .dat or .dat.gz (Johnson's raw layout), .parquet, .csv or .json.",
        ),
    ] = None,
    kind: Annotated[
        Literal["dat", "dat.gz", "parquet", "csv", "json"] | None,
        typer.Option("--format", help="Instead of FILE's ending; without FILE, simulated.FORMAT."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the draw; the same one gives the same people.")
    ] = 0,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write what was made to this JSON file."),
    ] = None,
) -> None:
    """Draw simulated people who answered all 300 items of the IPIP-NEO, and write them to a file.

    They come from a latent-trait model whose figures are aggregates: items as hard and facets as
    correlated as real ones, sex, age and country from published shares. Nobody real is among them,
    so they are what to try a command on, or to test at full size with. A .dat has the layout of
    Johnson's IPIP300.dat to the byte, reverse-scored items included; the others hold answers as
    ticked.

      personalign people simulate -n 300 -o people.json
      personalign people simulate -n 307313 --seed 1 -o IPIP300.dat
      personalign people simulate -n 5000 --format parquet
    """
    from personalign.cli.console import console, errors, progress, write_json
    from personalign.errors import PeopleError

    if output is None:
        output = Path(f"simulated.{_said(kind)}")
    elif kind is not None and not output.name.endswith(f".{kind}"):
        raise PeopleError(
            f"{output.name} does not end in .{kind}, and --format says {kind}; leave one of them "
            "out."
        )
    if not output.name.endswith(ENDINGS):
        raise PeopleError(
            f"Simulated people cannot be written to {output.name}; the name ends in one of "
            f"{', '.join(ENDINGS)}."
        )
    from personalign.dataset.simulate import simulate as draw

    with progress("Drawing people") as advance:
        people = draw(number, seed=seed, progress=advance)
    with errors.status(f"Writing {output.name}"):
        if output.name.endswith((".dat", ".dat.gz")):
            from personalign.dataset.johnson_write import write_johnson

            write_johnson(people, output, form=300)
        else:
            people.write(output)
    size = output.stat().st_size
    if json_file is not None:
        write_json(
            json_file,
            {
                "file": output.name,
                "bytes": size,
                "people": len(people),
                "items": len(people.inventory),
                "inventory": people.inventory.name,
                "seed": seed,
                "source": people.source,
            },
        )
    console.print(
        f"Wrote {output}: {number:,} simulated people, {size / 1e6:,.1f} MB",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if json_file is not None:
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)


def _said(kind: str | None) -> str:
    from personalign.errors import PeopleError

    if kind is None:
        raise PeopleError(
            "Neither a file nor a kind of file was named; say -o FILE, or --format with dat, "
            "dat.gz, parquet, csv, json."
        )
    return kind
