"""Tables of people on disk: json, jsonl, csv and parquet in and out, a column a field.

What the columns mean is `papi.py`'s business. Everything is done by column, so that hundreds of
thousands of people take seconds; json, which has no columns, is read some thousand records at a
time.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from personalign.dataset.files import replacing
from personalign.errors import PeopleError

ENDINGS = (".json", ".jsonl", ".csv", ".parquet")
"""Endings of the tables that can be read; the same without .jsonl can be written."""

_ITEM = re.compile(r"i[1-9][0-9]{0,2}")
_CHUNK = 5_000  # records of json turned into columns together
_BETWEEN = re.compile(r"[ \t\r\n]*")


def read_table(path: Path) -> pl.DataFrame:
    """The rows of a file; answers are whole numbers wherever the file allows it.

    Raises PeopleError if the file cannot be read as what its ending says, or has no rows.
    """
    if not path.is_file():
        raise PeopleError(f"There is no file of people at {path}; check the path.")
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": _read_csv,
        ".jsonl": pl.read_ndjson,
        ".json": _read_json,
    }
    try:
        table = readers[path.suffix](path)
    except (pl.exceptions.PolarsError, ValueError, OSError, TypeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PeopleError(
            f"{path.name} cannot be read as {path.suffix[1:]}: {first.rstrip('.')}. Check that the "
            "file is complete and has that format."
        ) from error
    if not table.height:
        raise PeopleError(f"{path.name} holds no people; it needs at least one row.")
    return table


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write .json (a list with a line a row), .csv or .parquet; whole or not at all.

    Moments become ISO text in json and csv.
    """
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            table.write_parquet(temporary)
            return
        table = table.with_columns(cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S"))
        if path.suffix == ".csv":
            table.write_csv(temporary)
            return
        with temporary.open("wb") as file:
            for start in range(0, table.height, _CHUNK):
                lines = io.BytesIO()
                table[start : start + _CHUNK].write_ndjson(lines)
                # A new line inside a text is written \n, so these are the ends of the rows.
                rows = lines.getvalue().rstrip(b"\n").replace(b"\n", b",\n")
                file.write((b",\n" if start else b"[\n") + rows)
            file.write(b"\n]\n" if table.height else b"[]\n")


def _read_csv(path: Path) -> pl.DataFrame:
    """Answers as int8 where they all are; else everything as text, so that a value can be named."""
    header = pl.read_csv(path, infer_schema=False, n_rows=0).columns
    answers = {name: pl.Int8() for name in header if _ITEM.fullmatch(name)}
    try:
        return pl.read_csv(path, infer_schema=False, schema_overrides=answers)
    except pl.exceptions.PolarsError:
        return pl.read_csv(path, infer_schema=False)


def _read_json(path: Path) -> pl.DataFrame:
    tables = []
    for records in _records(path):
        names, columns = _columns(records)
        tables.append(
            pl.DataFrame(
                [
                    _small(pl.Series(name, values, strict=False))
                    for name, values in zip(names, columns, strict=True)
                ]
            )
        )
    return pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()


def _columns(records: list[dict[str, Any]]) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """The fields of all records, and for each its values; None where a record lacks it."""
    names = list(records[0])
    if all(list(record) == names for record in records):  # as files written by programs are
        return names, zip(*(record.values() for record in records), strict=True)
    names = list(dict.fromkeys(name for record in records for name in record))
    return names, ([record.get(name) for record in records] for name in names)


def _small(column: pl.Series) -> pl.Series:
    """Answers as int8, an eighth of what they take by default."""
    if column.dtype == pl.Int64 and _ITEM.fullmatch(column.name):
        smallest, largest = column.min(), column.max()
        if smallest is None or (smallest >= -128 and largest <= 127):  # type: ignore[operator]
            return column.cast(pl.Int8)
    return column


def _records(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The objects of a list of objects, in chunks, so that never all of them are Python objects."""
    text = path.read_text(encoding="utf-8")
    decode = json.JSONDecoder().raw_decode
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        decode(text, place)  # for its message, where this is no JSON at all
        raise _no_records(path)
    place = _skip(text, place + 1)
    records: list[dict[str, Any]] = []
    while text[place : place + 1] != "]":
        record, place = decode(text, place)
        if not isinstance(record, dict):
            raise _no_records(path)
        records.append(record)
        if len(records) == _CHUNK:
            yield records
            records = []
        place = _skip(text, place)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
            if text[place : place + 1] == "]":
                raise json.JSONDecodeError("Nothing follows the comma", text, place)
        elif text[place : place + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' or ']'", text, place)
    if _skip(text, place + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, place + 1)
    if records:
        yield records


def _skip(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place


def _no_records(path: Path) -> PeopleError:
    return PeopleError(
        f"{path.name} is no list of records; a json file of people is a list with one object a "
        "person, such as PAPI's Test-set.json."
    )
