"""What the columns of a table of people say: questionnaire, answers, ids, demographics, split.

Column by column, never person by person: a table may have hundreds of thousands of rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from personalign.dataset.johnson_layout import CLOCK, to_moments
from personalign.dataset.people import demographics_table, join_splits
from personalign.errors import PeopleError
from personalign.inventory.forms import get_inventory
from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300


def form_of(table: pl.DataFrame, path: Path) -> tuple[Inventory, list[str]]:
    """The questionnaire whose items the columns are, and the columns in its order."""
    if "inventory" in table.columns:
        named = table["inventory"].unique().to_list()
        if len(named) != 1:
            raise PeopleError(
                f"The column inventory of {path.name} names {len(named)} questionnaires; one file "
                "holds the answers to one. Split it."
            )
        form = get_inventory(str(named[0]))
        names = [f"i{number}" for number in form.numbers]
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise PeopleError(
                f"{path.name} lacks {len(missing)} of the {len(names)} columns of {form.name}, "
                f"{missing[0]} first; it needs all of them."
            )
        return form, names
    present = {number for number in range(1, 301) if f"i{number}" in table.columns}
    for form in (ipip_neo_300(), ipip_neo_120()):
        if present == set(range(1, len(form) + 1)):
            return form, [f"i{number}" for number in range(1, len(form) + 1)]
    gone = sorted(set(range(1, 301)) - present)
    raise PeopleError(
        f"{path.name} lacks {len(gone)} of the columns i1-i300, i{gone[0]} first; it needs "
        "all of them, or i1-i120 alone for the 120-item form in its order."
    )


def answers_of(table: pl.DataFrame, names: list[str], path: Path) -> NDArray[np.int8]:
    """(people, items) int8 the values as stored, 0 where blank."""
    columns, first_wrong = [], None
    for place, name in enumerate(names):
        raw = table[name]
        numbers, wrong = _answers(raw)
        if wrong is not None and (first_wrong is None or wrong < first_wrong[0]):
            first_wrong = (wrong, place)
        columns.append(numbers)
    if first_wrong is not None:
        row, place = first_wrong
        raise PeopleError(
            f"In {path.name}, person {row + 1} has {table[names[place]][row]!r} in the column "
            f"{names[place]}; an answer is 1-5, 0 or blank where missing. Correct it."
        )
    return pl.DataFrame(columns).to_numpy(order="c")


def _answers(raw: pl.Series) -> tuple[pl.Series, int | None]:
    """(people,) int8 answers of one item, 0 where blank, and the first row that is none."""
    if raw.dtype.is_integer():
        largest, smallest = raw.max(), raw.min()
        if largest is None or (largest <= 5 and smallest >= 0):  # type: ignore[operator]
            return raw.fill_null(0).cast(pl.Int8), None
    if raw.dtype == pl.String:
        raw = raw.str.strip_chars().replace("", None)
    try:
        numbers = raw.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError:  # lists, dates and the like
        numbers = pl.Series(raw.name, [None], dtype=pl.Float64).new_from_index(0, len(raw))
    values = numbers.fill_null(0).fill_nan(0)
    wrong = (raw.is_not_null() & numbers.is_null()) | ~values.is_in([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    if wrong.any():
        return values, wrong.arg_max()
    return values.cast(pl.Int8), None


def ids_of(table: pl.DataFrame) -> tuple[str, ...]:
    """Each person's id or PAPI case; the row's number where there is neither."""
    numbers = pl.int_range(1, table.height + 1, eager=True).cast(pl.String)
    for name in ("id", "case"):
        if name in table.columns:
            named = table[name].cast(pl.String)
            return tuple(pl.select(pl.coalesce(named, numbers)).to_series().to_list())
    return tuple(numbers.to_list())


def split_of(table: pl.DataFrame) -> str | None:
    """The part of a split these people are, where the file says so."""
    if "split" not in table.columns:
        return None
    return join_splits(table["split"].cast(pl.String).unique(maintain_order=True).to_list())


def demographics_of(table: pl.DataFrame) -> pl.DataFrame | None:
    """Sex, age, country and time where the file has any; PAPI writes 1 male, 2 female."""
    time = _time(table)
    if time is None and not {"sex", "age", "country"} & set(table.columns):
        return None
    nothing = pl.Series([None] * table.height, dtype=pl.String)
    sex, age, country = (
        table[name].cast(pl.String).str.strip_chars() if name in table.columns else nothing
        for name in ("sex", "age", "country")
    )
    sexes = {"1": "male", "2": "female", "male": "male", "female": "female"}
    years = age.cast(pl.Float64, strict=False)
    known = demographics_table(
        sex.replace_strict(sexes, default=None, return_dtype=pl.String),  # type: ignore[arg-type]
        years.set(~years.is_between(0, 150, closed="none").fill_null(False), None).cast(pl.Int16),  # type: ignore[arg-type]
        country.replace("", None),  # type: ignore[arg-type]
    )
    return known if time is None else known.with_columns(time.alias("time"))


def _time(table: pl.DataFrame) -> pl.Series | None:
    """(people,) when each filled in the form: a column `time`, or PAPI's six fields."""
    if "time" in table.columns:
        column = table["time"]
        if column.dtype == pl.String:
            return column.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
        return column.cast(pl.Datetime("us"), strict=False)
    if not set(CLOCK) <= set(table.columns):
        return None
    clock = {
        name: table[name].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        for name in CLOCK
    }
    numbers = {
        name: column.fill_null(-1).fill_nan(-1).to_numpy().astype(np.int64)
        for name, column in clock.items()
    }
    return pl.Series("time", to_moments(numbers)[0].astype("datetime64[us]"))
