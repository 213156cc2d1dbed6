"""Writing people in the layout of Johnson's raw files, byte for byte."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from personalign.dataset.files import replacing
from personalign.dataset.johnson_layout import (
    AGE,
    CASE,
    CLOCK,
    COUNTRY,
    SEX,
    SEXES,
    Bytes,
    Layout,
    layouts,
    to_clock,
    write_number,
)
from personalign.dataset.people import Respondents
from personalign.errors import PeopleError
from personalign.inventory.keys import to_keyed

_CHUNK = 16_384  # people written together
_MOST_CASES = 999_999  # six digits


def write_johnson(
    people: Respondents, path: str | Path, *, form: Literal[120, 300] | None = None
) -> None:
    """Write people as IPIP300.dat or IPIP120.dat hold them: keyed values, CR LF, fixed width.

    Ids are written as case numbers where all of them are numbers of six digits at most; else
    people are numbered from 1. Countries are UTF-8, cut at a whole letter to their field. What has
    no place there is left blank: an unknown sex, age or time, an age above 99, a time before 1900.

    Arguments:
        path: ends in .dat or .dat.gz.
        form: the layout; None takes the short form's where nobody answered an item outside it.

    Raises PeopleError for another ending, another questionnaire, or a million people and more.
    """
    target = Path(path)
    if not target.name.endswith((".dat", ".dat.gz")):
        raise PeopleError(
            f"Johnson's layout cannot be written to {target.name}; the name ends in .dat or "
            ".dat.gz. Rename it."
        )
    layout = layouts()[form or _form(people)]
    missing = set(layout.form.numbers.tolist()) - set(people.inventory.numbers.tolist())
    if not people.inventory.name.startswith("IPIP-NEO") or (missing and form is not None):
        raise PeopleError(
            f"{layout.name} has a column for each item of {layout.form.name}, and these people "
            f"answered {people.inventory.name}. Write them as .parquet, .csv or .json."
        )
    head = _head(people, layout)
    end = np.frombuffer(b"\r\n", dtype=np.uint8)
    with replacing(target) as temporary, _opened(temporary) as file:
        for start in range(0, len(people), _CHUNK):
            rows = head[start : start + _CHUNK]
            items = _items(people.responses[start : start + _CHUNK], people, layout) + np.uint8(48)
            block = np.hstack([rows, items, np.broadcast_to(end, (len(rows), 2))])
            last = start + _CHUNK >= len(people)
            data = block.tobytes()
            file.write(data[:-2] if last and not layout.closed else data)


def what_is_lost(people: Respondents) -> list[str]:
    """A sentence for each thing these people have and Johnson's layout has no place for."""
    lost = []
    if not _numbered(people):
        lost.append("Ids that are no numbers of six digits: people are numbered from 1 instead.")
    table = people.demographics
    if table is not None and "age" in table.columns:
        old = int((table["age"] > 99).sum())
        if old:
            lost.append(f"{old:,} ages above 99 are left blank; the layout has two digits.")
    if table is not None and "country" in table.columns:
        width = layouts()[_form(people)].country
        names = table["country"].drop_nulls()
        cut = int((names.str.len_bytes() > width).sum())
        if cut:
            lost.append(f"{cut:,} countries are cut to {width} bytes.")
    if people.split is not None:
        lost.append(f"That these people are the part {people.split!r} of a split is not kept.")
    return lost


def _form(people: Respondents) -> Literal[120, 300]:
    if len(people.inventory) == 120:
        return 120
    held_out = people.inventory.columns(people.inventory.held_out)
    return 300 if people.responses[:, held_out].any() else 120


def _opened(path: Path):  # type: ignore[no-untyped-def]
    if path.suffix == ".gz":
        return gzip.GzipFile(path, "wb", compresslevel=6, mtime=0)
    return path.open("wb")


def _items(responses: NDArray[np.int8], people: Respondents, layout: Layout) -> Bytes:
    """(rows, items of the form) keyed values."""
    columns = people.inventory.columns(layout.form.items)
    return to_keyed(responses[:, columns], layout.form.signs).astype(np.uint8)


def _head(people: Respondents, layout: Layout) -> Bytes:
    """(people, columns before the items) characters."""
    rows = np.full((len(people), COUNTRY + layout.country), 32, dtype=np.uint8)
    rows[:, CASE] = write_number(_cases(people), 6)
    table = people.demographics
    if table is None:
        return rows
    if "sex" in table.columns:
        numbers = {word: number for number, word in SEXES.items()}
        sex = table["sex"].replace_strict(numbers, default=-1, return_dtype=pl.Int64)
        rows[:, SEX] = write_number(sex.fill_null(-1).to_numpy(), 1)
    if "age" in table.columns:
        age = table["age"].cast(pl.Int64).fill_null(-1).to_numpy()
        rows[:, AGE] = write_number(np.where((age > 0) & (age < 100), age, -1), 2)
    if "time" in table.columns:
        moments = table["time"].cast(pl.Datetime("us")).to_numpy().astype("datetime64[s]")
        moments = np.where(moments >= np.datetime64("1900-01-01"), moments, np.datetime64("NaT"))
        for name, values in to_clock(moments).items():
            columns = CLOCK[name]
            rows[:, columns] = write_number(values, columns.stop - columns.start)
    if "country" in table.columns:
        rows[:, COUNTRY:] = _country_field(table["country"], layout.country)
    return rows


def _cases(people: Respondents) -> NDArray[np.int64]:
    """(people,) case numbers: the ids where they can be, else 1, 2, 3, ..."""
    if len(people) > _MOST_CASES:
        raise PeopleError(
            f"There are {len(people):,} people, and a case number has six digits; write at most "
            f"{_MOST_CASES:,} to one file."
        )
    if _numbered(people):
        return pl.Series(people.ids, dtype=pl.String).cast(pl.Int64).to_numpy()
    return np.arange(1, len(people) + 1, dtype=np.int64)


def _numbered(people: Respondents) -> bool:
    return bool(pl.Series(people.ids, dtype=pl.String).str.contains(r"^[0-9]{1,6}$").all())


def _country_field(names: pl.Series, width: int) -> Bytes:
    """(people, width) UTF-8, cut at a whole letter and padded with blanks."""
    distinct = names.unique().to_list()
    field = {name: _cut(name or "", width) for name in distinct}
    texts = np.array([field[name] for name in distinct], dtype=f"S{width}")
    number = {name: place for place, name in enumerate(distinct)}
    which = names.replace_strict(
        list(number), list(number.values()), return_dtype=pl.Int64
    ).to_numpy()
    return texts[which].view(np.uint8).reshape(-1, width)


def _cut(name: str, width: int) -> bytes:
    clean = " ".join(name.split())
    return clean.encode()[:width].decode(errors="ignore").encode().ljust(width)
