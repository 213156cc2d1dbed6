"""Johnson's raw files, IPIP300.dat and IPIP120.dat: read to responses, written byte for byte.

    people, report = read_johnson("IPIP300.dat")     # .dat, gzipped or zipped, CR LF or LF
    write_johnson(people, "people.dat")

The values on disk are keyed; they become responses here and keyed again on the way out. A file is
taken as one array of bytes: where all lines have one length it is looked at as a table in place,
else the lines that have the right length are gathered from it, some thousands at a time. There is
no loop over people. Lines that cannot be read are left out, counted and named in the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
    read_number,
    to_moments,
)
from personalign.dataset.johnson_write import write_johnson
from personalign.dataset.people import Respondents
from personalign.dataset.raw_bytes import read_bytes
from personalign.dataset.read_report import LEFT_OUT, ReadReport, report_of
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import to_responses

__all__ = ["read_johnson", "write_johnson"]

_CHUNK = 8192  # lines looked at together; bounds the memory of what is made on the way
_NEW_LINE, _RETURN = 10, 13


def read_johnson(
    path: str | Path, *, strict: bool = False, form: Literal[120, 300] | None = None
) -> tuple[Respondents, ReadReport]:
    """Read IPIP300.dat or IPIP120.dat, plain, gzipped or in a zip, as responses.

    Arguments:
        strict: refuse the file at its first line that would be left out or lose a field.
        form: the number of items the file should have; None goes by the length of its lines.

    Returns the people (300 columns; of the short form's file only its 120 are answered), with the
    time they filled in the form among the demographics, and what was met on the way. Ids are case
    numbers.

    Raises PeopleError if the file is empty, is not of this layout or of the other form, has more
    bad lines than good ones, or any with `strict`.
    """
    source = Path(path)
    data = read_bytes(source)
    ends = np.flatnonzero(data == _NEW_LINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    lengths -= (lengths > 0) & (data[np.maximum(ends - 1, 0)] == _RETURN)
    layout = _layout(lengths, form, source)
    parts: list[_Part] = []
    found: dict[str, list[NDArray[np.int64]]] = {"blank": [], "short": [], "long": []}
    for extra in _extra_bytes(lengths, layout):
        which = np.flatnonzero(lengths == layout.length + extra)
        for rows, lines in _blocks(data, starts, which, layout.length + extra):
            part = _parse(rows, lines, layout, extra)
            found["long"].append(part.not_text)
            parts.append(part)
    read = np.concatenate([part.seen for part in parts])
    others = np.ones(len(lengths), dtype=bool)
    others[read - 1] = False
    for kind, which_kind in (
        ("blank", lengths == 0),
        ("short", (lengths > 0) & (lengths < layout.length)),
        ("long", lengths > layout.length),
    ):
        found[kind].append(np.flatnonzero(others & which_kind) + 1)
    for kind in ("answers", "case", "sex", "age", "time", "latin-1"):
        found[kind] = [part.found[kind] for part in parts]
    people = _together(parts, layout, source)
    report = report_of(
        len(lengths),
        len(people),
        {kind: np.concatenate(numbers) for kind, numbers in found.items()},
    )
    _refuse_bad(report, strict, source)
    return people, report


def _layout(lengths: NDArray[np.int64], form: int | None, path: Path) -> Layout:
    """The layout that most lines have; PeopleError where none has it, or not the form told."""
    known = layouts()
    counts = {items: int((lengths == layout.length).sum()) for items, layout in known.items()}
    items = max(counts, key=lambda number: counts[number])
    if not counts[items]:
        usual, often = np.unique(lengths, return_counts=True)
        raise PeopleError(
            f"No line of {path.name} has 333 characters, as in IPIP300.dat, or 151, as in "
            f"IPIP120.dat; most have {usual[often.argmax()]}. Check that it is one of Johnson's "
            "raw files."
        )
    if form is not None and form != items:
        raise PeopleError(
            f"{path.name} was to be read as the {form}-item form, and its lines have "
            f"{known[items].length} characters: it is of the {items}-item form. Read it as that."
        )
    return known[items]


def _extra_bytes(lengths: NDArray[np.int64], layout: Layout) -> list[int]:
    """By how many bytes lines are longer whose country may have letters of several bytes."""
    most = 3 * layout.country
    extra = np.unique(lengths - layout.length)
    return [int(number) for number in extra if 0 <= number <= most]


def _blocks(
    data: Bytes, starts: NDArray[np.int64], which: NDArray[np.int64], length: int
) -> Iterator[tuple[Bytes, NDArray[np.int64]]]:
    """Lines of one length, (rows, length) bytes and (rows,) numbers from 1, block by block."""
    strides = np.unique(np.diff(starts))
    regular = len(which) == len(starts) and len(strides) <= 1
    for place in range(0, len(which), _CHUNK):
        block = which[place : place + _CHUNK]
        if regular:
            stride = int(strides[0]) if len(strides) else length
            first = int(starts[block[0]])
            rows = np.lib.stride_tricks.as_strided(
                data[first:], shape=(len(block), length), strides=(stride, 1), writeable=False
            )
        else:
            rows = data[starts[block][:, None] + np.arange(length)]
        yield rows, block + 1


@dataclass(frozen=True)
class _Part:
    """The people of one block of lines; from `lines` on, arrays have a row a person."""

    seen: NDArray[np.int64]
    """Numbers of the lines looked at, those left out included."""
    not_text: NDArray[np.int64]
    """Numbers of the lines that are simply too long: their country is no wider text."""
    lines: NDArray[np.int64]
    """Numbers of the lines that are people."""
    responses: NDArray[np.int8]
    ids: list[str]
    sex: NDArray[np.int64]
    age: NDArray[np.int64]
    country: NDArray[np.object_]
    time: NDArray[np.datetime64]
    found: dict[str, NDArray[np.int64]]
    """Line numbers by kind of problem."""


def _parse(rows: Bytes, lines: NDArray[np.int64], layout: Layout, extra: int) -> _Part:
    """People out of (rows, length + extra) bytes whose country is `extra` bytes wider."""
    end = COUNTRY + layout.country + extra
    country, latin, fits = _countries(rows[:, COUNTRY:end], layout.country if extra else None)
    keyed = rows[:, end:] - np.uint8(48)
    answered = (keyed <= 5).all(axis=1)
    good = fits & answered
    not_text, garbage, seen = lines[~fits], lines[fits & ~answered], lines
    if not good.all():
        rows, keyed, lines = rows[good], keyed[good], lines[good]
        country, latin = country[good], latin[good]
    case, case_fine = read_number(rows[:, CASE])
    sex, sex_fine = read_number(rows[:, SEX])
    age, age_fine = read_number(rows[:, AGE])
    parts = {name: read_number(rows[:, columns]) for name, columns in CLOCK.items()}
    time, time_fine = to_moments({name: values for name, (values, _) in parts.items()})
    for _, fine in parts.values():
        time_fine = time_fine & fine
    no_case = ~case_fine | (case < 0)
    return _Part(
        seen=seen,
        not_text=not_text,
        lines=lines,
        responses=to_responses(keyed.view(np.int8), layout.form.signs),
        ids=np.where(no_case, lines, case).astype(np.str_).tolist(),
        sex=sex,
        age=age,
        country=country,
        time=time,
        found={
            "answers": garbage,
            "case": lines[no_case],
            "sex": lines[~sex_fine | (sex > max(SEXES))],
            "age": lines[~age_fine],
            "time": lines[~time_fine],
            "latin-1": lines[latin],
        },
    )


def _countries(
    field: Bytes, width: int | None
) -> tuple[NDArray[np.object_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Names, which are no UTF-8, and which fit, of (rows, bytes) countries.

    A name fits a `width` if it is UTF-8 of so many characters; any name fits where it is None.
    """
    text = np.ascontiguousarray(field).view(f"S{field.shape[1]}")[:, 0]
    names, which = np.unique(text, return_inverse=True)
    decoded, latin, fits = [], [], []
    for name in names.tolist():
        try:
            decoded.append(name.decode("utf-8"))
            latin.append(False)
        except UnicodeDecodeError:
            decoded.append(name.decode("latin-1"))
            latin.append(True)
        fits.append(width is None or (not latin[-1] and len(decoded[-1]) == width))
    clean = np.array([name.replace("\0", " ").strip() for name in decoded], dtype=object)
    return clean[which], np.array(latin)[which], np.array(fits)[which]


def _together(parts: list[_Part], layout: Layout, path: Path) -> Respondents:
    """The people of all parts, in the order of their lines."""
    lines = np.concatenate([part.lines for part in parts])
    order = None if (np.diff(lines) > 0).all() else np.argsort(lines)
    full = ipip_neo_300()
    responses = np.zeros((len(lines), len(full)), dtype=np.int8)
    columns = full.columns(layout.form.items)
    place = 0
    for part in parts:
        responses[place : place + len(part.lines), columns] = part.responses
        place += len(part.lines)
    table = pl.DataFrame(
        {
            "sex": np.concatenate([part.sex for part in parts]),
            "age": np.concatenate([part.age for part in parts]),
            "country": np.concatenate([part.country for part in parts]).tolist(),
            "time": np.concatenate([part.time for part in parts]).astype("datetime64[us]"),
        }
    ).with_columns(
        pl.col("sex").replace_strict(SEXES, default=None, return_dtype=pl.String),
        pl.when(pl.col("age") > 0).then(pl.col("age")).cast(pl.Int16),
        pl.when(pl.col("country") != "").then(pl.col("country")),
    )
    people = Respondents(
        responses=responses,
        ids=tuple(name for part in parts for name in part.ids),
        demographics=table,
        source=f"{path.name} (keyed values, turned into responses; Johnson's layout)",
    )
    return people if order is None else people.select(order)


def _refuse_bad(report: ReadReport, strict: bool, path: Path) -> None:
    fault = report.first_fault()
    if strict and fault is not None:
        raise PeopleError(
            f"Line {fault[0]} of {path.name} {fault[1]}. Correct it, or read without strict to "
            "leave such lines out and count them."
        )
    blank = report.problems.get("blank", 0)
    if report.left_out - blank > report.people:
        reasons = ", ".join(
            f"{report.problems[kind]:,} {kind}" for kind in LEFT_OUT if kind in report.problems
        )
        raise PeopleError(
            f"{report.left_out:,} of the {report.lines:,} lines of {path.name} cannot be read "
            f"({reasons}; first at line {fault[0] if fault else 1}). Check that the file is one "
            "of Johnson's, complete and unchanged."
        )
