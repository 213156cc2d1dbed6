"""Data sets of people by name: Johnson's raw files on OSF, PAPI's on the Hugging Face hub, any URL.

    files = fetch("johnson-300")                # [.../IPIP300.dat], downloaded once
    people = read_fetched(files)

Files are kept in the people's part of the cache folder, checked, and taken up where a download
broke off. Where there is no network, the error names the file to fetch by hand and its place; a
file put there is found by the next call.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from personalign.dataset.download import Progress, Remote, download
from personalign.dataset.files import cache_folder
from personalign.dataset.papi import RAW_ENDINGS, read_people
from personalign.dataset.people import Respondents
from personalign.dataset.people_table import ENDINGS
from personalign.errors import PeopleError

_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_OPENING = 65_536  # bytes of a table that are searched for an item's column


@dataclass(frozen=True)
class Source:
    """A data set that has a name here."""

    about: str
    """What it is, in a line."""
    file: str = ""
    """Its name in the cache, if it is one file."""
    remote: Remote | None = None
    """Where that file is."""
    repository: str = ""
    """Its name on the Hugging Face hub, if it is there."""


SOURCES: dict[str, Source] = {
    "johnson-300": Source(
        "Johnson's IPIP300.dat: 307,313 people, 300 items (OSF tbmh5, 103 MB)",
        "IPIP300.dat",
        Remote(
            "https://osf.io/download/563a59ba8c5e4a40e6c1db75/",
            "1bbb7189f5f0f2883bb4493f956cf639178c5c8ee95319fd3881f6d9d2f189a3",
            102_949_853,
        ),
    ),
    "johnson-120": Source(
        "Johnson's IPIP120.dat: 619,150 people, 120 items (OSF tbmh5, 95 MB)",
        "IPIP120.dat",
        Remote("https://osf.io/download/563a5c9d8c5e4a40e2c1bf4e/", None, 619_150 * 153),
    ),
    "papi-300k": Source(
        "PAPI's people with 300 items, from the Hugging Face hub",
        repository="WestlakeNLP/PAPI-300K",
    ),
    "papi-120-600k": Source(
        "PAPI's people with 120 items, from the Hugging Face hub",
        repository="WestlakeNLP/PAPI-120-600K",
    ),
}
"""Name -> what is behind it. The first checksum is OSF's own; the second file's is not known, so
its length is checked, and its checksum is kept from the first download on."""


def fetch(
    source: str,
    *,
    sha256: str | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """The files of people of a named data set, or the file at a URL, downloaded where needed.

    Arguments:
        source: a name of SOURCES, one with a file of it ("papi-300k:data/test.json"), or a URL.
        sha256: the checksum that a file of a URL must have.
        folder: where files are kept; the people's part of the cache folder by default.
        progress: called with (bytes so far, bytes in all); the hub's files show their own.

    Returns their paths, all parts of one table.

    Raises PeopleError for an unknown name, and where a file cannot be fetched or is damaged.
    """
    place = (folder or cache_folder() / "people").expanduser().absolute()
    if source.lower().startswith(("http://", "https://")):
        remote = Remote(source, sha256.lower() if sha256 else None)
        return [download(remote, place / "url" / _file_name(source), progress=progress)]
    name, _, wanted = source.partition(":")
    if name not in SOURCES:
        raise PeopleError(
            f"There is no data set {name!r}; there are {', '.join(SOURCES)}, and any address that "
            "begins with http:// or https://."
        )
    known = SOURCES[name]
    if sha256 is not None or (wanted and not known.repository):
        raise PeopleError(
            f"{name} has its own checksum and files; a checksum goes with an address, and a file's "
            "name with a data set of the hub."
        )
    if known.remote is not None:
        return [download(known.remote, place / name / known.file, progress=progress)]
    files = _by_hand(place / name) or _from_hub(known.repository, place / name)
    return _one_table(files, name, wanted)


def read_fetched(files: Sequence[Path]) -> Respondents:
    """The people of all these files, in order, as `read_people` reads each."""
    return Respondents.concat([read_people(path) for path in files])


def _file_name(url: str) -> str:
    """A name for the cache: the address's own, behind a few digits that keep addresses apart."""
    last = Path(unquote(urlsplit(url).path)).name or "people"
    safe = re.sub(r"[^\w.-]", "_", last)
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{safe}"


def _by_hand(folder: Path) -> dict[str, Path]:
    """Files of people that somebody put into the folder themselves."""
    hidden = folder / "hub"
    return _files_of_people(folder, [p for p in folder.rglob("*") if hidden not in p.parents])


def _from_hub(repository: str, folder: Path) -> dict[str, Path]:
    """The hub's files of people, in huggingface_hub's own cache below `folder`, each checked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError

    endings = (*ENDINGS, *RAW_ENDINGS)
    try:
        found = snapshot_download(
            repository,
            repo_type="dataset",
            cache_dir=folder / "hub",
            allow_patterns=[f"*{ending}" for ending in endings],
        )
    except (HTTPError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".") or type(error).__name__
        raise PeopleError(
            f"The data set {repository} cannot be fetched from the hub: {reason}. Where there is a "
            f"network, fetch its files from https://huggingface.co/datasets/{repository}/tree/main "
            f"by hand, save them in {folder}, and run the same command again."
        ) from error
    root = Path(found)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    for path in files:
        _check_blob(path)
    return _files_of_people(root, files)


def _check_blob(path: Path) -> None:
    """PeopleError unless the file has the checksum that the hub's cache names it by."""
    blob = path.resolve()
    data_size = blob.stat().st_size
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):
        digest = hashlib.sha256()
    elif re.fullmatch(r"[0-9a-f]{40}", blob.name):
        digest = hashlib.sha1(b"blob %d\0" % data_size, usedforsecurity=False)  # as git does
    else:
        return  # no links on this system: the file carries its own name
    with blob.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != blob.name:
        blob.unlink()
        raise PeopleError(
            f"{path.name} did not come over from the hub as it is there: its checksum is "
            f"{digest.hexdigest()} and should be {blob.name}. It was thrown away; run the same "
            "command again."
        )


def _files_of_people(root: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Name below `root` -> path, of the files that have a column for the first item."""
    return {
        path.relative_to(root).as_posix(): path
        for path in sorted(files)
        if path.is_file() and _holds_people(path)
    }


def _holds_people(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(RAW_ENDINGS):
        return True
    if not name.endswith(ENDINGS):
        return False
    if name.endswith(".parquet"):
        import polars as pl

        try:
            return "i1" in pl.read_parquet_schema(path)
        except (pl.exceptions.PolarsError, OSError):
            return True  # damaged: reading it will say so
    with path.open("rb") as file:
        return re.search(rb"\bi1\b", file.read(_OPENING)) is not None


def _one_table(files: dict[str, Path], name: str, wanted: str) -> list[Path]:
    """The one file, or all shards of the one table; PeopleError where there is a choice to make."""
    if wanted:
        if wanted not in files:
            raise PeopleError(
                f"{name} has no file of people {wanted!r}; it has {', '.join(files) or 'none'}."
            )
        return [files[wanted]]
    tables: dict[str, list[Path]] = {}
    for file, path in files.items():
        tables.setdefault(_SHARD.sub("", file), []).append(path)
    if len(tables) != 1:
        choices = ", ".join(f"{name}:{file}" for file in files)
        raise PeopleError(
            f"{name} has {len(tables)} files of people, and one is needed. Name it: {choices}."
            if tables
            else f"{name} has no file of people with a column i1, or in Johnson's layout."
        )
    return next(iter(tables.values()))
