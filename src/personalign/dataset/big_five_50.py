"""The open answers to the 50 IPIP markers: openpsychometrics.org's data file.

A row is a person, tab-separated: race, age, engnat, gender, hand, source, country, then E1-E10,
N1-N10, A1-A10, C1-C10 and O1-O10 as ticked, 1 Disagree ... 5 Agree, 0 missing. Nothing is
reverse-scored, so these are responses as they stand. Sex is kept where it is male or female, age
where it can be one (some typed a year of birth), country as its two-letter ISO code; the other
columns are not read. Ids are the people's places in the file, from 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from personalign.dataset.people import Respondents, demographics_table
from personalign.errors import PeopleError
from personalign.inventory.big_five_50 import big_five_50

COLUMNS = tuple(f"{trait}{place}" for trait in "ENACO" for place in range(1, 11))
"""The file's names of the items, in the inventory's order."""

OLDEST = 120
"""Years; what is above it was not an age."""

_SEXES = {"1": "male", "2": "female"}


def recognises(path: str | Path) -> bool:
    """Whether the first line of the file names the 50 items; False where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            header = file.readline(4096).decode("utf-8", errors="replace")
    except OSError:
        return False
    return set(COLUMNS) <= set(_names(header))


def read_big_five_50(path: str | Path) -> Respondents:
    """Read openpsychometrics' file of the 50 markers, tab- or comma-separated.

    Returns Respondents of `big_five_50()`.

    Raises PeopleError where the file cannot be read, lacks a column, has nobody in it, or an answer
    is not 0-5; the message names the line.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            header = file.readline(4096).decode("utf-8", errors="replace")
        table = pl.read_csv(
            source,
            separator="\t" if "\t" in header else ",",
            infer_schema=False,
            encoding="utf8-lossy",
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        first = str(error).splitlines()[0].rstrip(".")
        raise PeopleError(
            f"{source.name} cannot be read as a table of the 50 IPIP markers: {first}. Check that "
            "the file is complete."
        ) from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise PeopleError(
            f"{source.name} lacks {len(missing)} of the 50 columns E1 ... O10, {missing[0]} first; "
            "give openpsychometrics' data file as it is."
        )
    if not table.height:
        raise PeopleError(f"{source.name} holds no people; it needs at least one row.")
    return Respondents(
        responses=_responses(table, source),
        ids=tuple(map(str, range(1, table.height + 1))),
        demographics=_demographics(table),
        source=f"{source.name} (responses; openpsychometrics' layout)",
        inventory=big_five_50(),
    )


def _names(header: str) -> list[str]:
    return [name.strip().strip('"') for name in header.replace(",", "\t").split("\t")]


def _responses(table: pl.DataFrame, source: Path) -> np.ndarray:
    """(people, 50) int8, 0 missing or blank."""
    raw = table.select(pl.col(COLUMNS).str.strip_chars())
    numbers = raw.cast(pl.Int8, strict=False)
    blank = raw.select(pl.all().is_null() | (pl.all() == "")).to_numpy()
    values = numbers.fill_null(-1).to_numpy()
    values = np.where(blank, np.int8(0), values)
    wrong = np.argwhere((values < 0) | (values > 5))
    if len(wrong):
        row, column = (int(place) for place in wrong[0])
        raise PeopleError(
            f"Line {row + 2} of {source.name} has {raw[row, column]!r} in the column "
            f"{COLUMNS[column]}; an answer is 1-5, 0 or blank where missing. Correct it."
        )
    return values.astype(np.int8)


def _demographics(table: pl.DataFrame) -> pl.DataFrame:
    def column(name: str) -> list[str | None]:
        if name not in table.columns:
            return [None] * table.height
        return table[name].str.strip_chars().to_list()

    return demographics_table(
        [_SEXES.get(value or "") for value in column("gender")],
        [_age(value) for value in column("age")],
        [
            value if value and len(value) == 2 and value.isalpha() else None
            for value in column("country")
        ],
    )


def _age(text: str | None) -> int | None:
    """The age in years, or None for what is none."""
    if not text or not text.isdecimal():
        return None
    return int(text) if 0 < int(text) <= OLDEST else None
