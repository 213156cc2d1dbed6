"""`personalign people download`: data sets of people by name or address, kept and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def download(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="johnson-300, johnson-120, papi-300k, papi-120-600k, or an http(s) address.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also write the people here, in the kind of file that the name ends in.",
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="DIGITS", help="The checksum that the file of an address must have."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write what came to this JSON file."),
    ] = None,
) -> None:
    """Fetch people's answers: Johnson's raw files, PAPI's data sets, or any address.

    [bold]johnson-300[/bold]: 307,313 people, 300 items, 103 MB. [bold]johnson-120[/bold]: 619,150
    people, 120 items, 95 MB. [bold]papi-300k[/bold] and [bold]papi-120-600k[/bold]: the same as
    PAPI's authors put them on the Hugging Face hub; a data set of several tables wants one named,
    as in papi-300k:data/test.json.

    What was fetched is kept in the cache folder and checked. A download that broke off goes on
    where it stopped when you run the command again. Without a network, the error says which file to
    fetch by hand and where to put it.

      personalign people download johnson-300 -o people.parquet
      personalign people download https://example.org/people.csv -o people.csv
    """
    from personalign.cli.console import console, errors, progress, write_json
    from personalign.dataset.download import sha256_of
    from personalign.dataset.hub import SOURCES, fetch, read_fetched
    from personalign.errors import PeopleError

    if output is not None and output.exists() and not force:
        raise PeopleError(f"{output} is there already; name another file, or say --force.")
    known = SOURCES.get(source.partition(":")[0])
    if known is not None and known.repository:  # the hub's own library shows its progress
        paths = fetch(source, sha256=sha256)
    else:
        with progress(f"Fetching {source} (bytes)") as advance:
            paths = fetch(source, sha256=sha256, progress=advance)
    for path in paths:
        size = f"{path.stat().st_size:,} bytes"
        console.print(f"{path}  {size}", markup=False, highlight=False, soft_wrap=True)
    if output is not None:
        with errors.status(f"Writing {output.name}"):
            if len(paths) == 1 and _kind(paths[0]) == _kind(output):
                _copy(paths[0], output)
            else:
                read_fetched(paths).write(output)
        console.print(f"Wrote {output}", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        files = [
            {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in paths
        ]
        write_json(json_file, {"source": source, "files": files})
        console.print(f"Wrote {json_file}", markup=False, highlight=False, soft_wrap=True)


def _kind(path: Path) -> str:
    """The ending that says how a file is to be read: ".dat.gz" whole, else the last part."""
    return ".dat.gz" if path.name.endswith(".dat.gz") else path.suffix


def _copy(path: Path, target: Path) -> None:
    """The same bytes under another name, whole or not at all."""
    import shutil

    from personalign.dataset.files import replacing

    with replacing(target) as temporary:
        shutil.copyfile(path, temporary)
