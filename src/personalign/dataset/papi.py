"""Files of people: PAPI's layout and our own, as json, jsonl, csv or parquet; Johnson's raw .dat.

PAPI (and Johnson's raw data behind it) stores **keyed** values: a '-' item is already
reverse-scored. We read responses, so such a file is converted once, here, on the way in. What a
file holds is told by, in this order: its own `coordinate` column, which every file written by
`Respondents.write` carries; the caller's `coordinate=`; PAPI's fields (case, sex, age, sec, min,
hour, date, month, year, i1 ...). A file that says nothing is refused, because both coordinates look
alike and a wrong guess reverses half of the items.

A row is a person; columns i1-i300 are the items of the 300-item form by number, or i1-i120 alone
those of the 120-item form in its order. Blank and 0 are missing. A column `inventory` names another
questionnaire, and a column `split` the part that people are of; files of ours have them where they
are needed. The open 50-marker file is recognised by its columns.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from personalign.dataset import big_five_50
from personalign.dataset.coordinate import opposite_key_correlation
from personalign.dataset.johnson import read_johnson, write_johnson
from personalign.dataset.johnson_layout import CLOCK
from personalign.dataset.people import Respondents
from personalign.dataset.people_columns import (
    answers_of,
    demographics_of,
    form_of,
    ids_of,
    split_of,
)
from personalign.dataset.people_table import ENDINGS, read_table, write_table
from personalign.dataset.read_report import ReadReport
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import to_responses

Coordinate = Literal["response", "keyed"]

PAPI_FIELDS = frozenset({"case", "sex", "age", *CLOCK})
"""Fields that give away PAPI's layout, and with it keyed values."""

RAW_ENDINGS = (".dat", ".dat.gz", ".zip")
"""Endings of Johnson's raw files; the first two can be written."""

_ENOUGH_PEOPLE = 30  # below it, a correlation contradicts nothing
_CONTRADICTION = 0.1  # real people: -0.42 in responses, +0.42 where the coordinate is mistaken
_SAMPLE = 5_000  # people are plenty to see the sign of a correlation


def read_people(
    path: str | Path,
    *,
    coordinate: Literal["auto"] | Coordinate = "auto",
    check: bool = True,
    strict: bool = False,
) -> Respondents:
    """Read people from .json (list of records), .jsonl, .csv, .parquet or Johnson's .dat, .dat.gz
    or .zip, as responses.

    Arguments:
        coordinate: what the file stores, where it does not say so itself: "response" (as ticked) or
            "keyed" (reverse-scored); "auto" goes by the file.
        check: compare what is believed about the coordinate with the answers of 30 people or more:
            within a facet, people who agree with '+' items disagree with '-' items.
        strict: refuse a raw file with lines that cannot be read, where they are left out otherwise.
            Other files are always read strictly.

    Returns Respondents whose `source` names the file, the coordinate that was read, and how many
    lines were left out.

    Raises PeopleError if the file cannot be read, its coordinate cannot be told or contradicts the
    answers, or a value is no answer.
    """
    return read_and_report(path, coordinate=coordinate, check=check, strict=strict)[0]


def read_and_report(
    path: str | Path,
    *,
    coordinate: Literal["auto"] | Coordinate = "auto",
    check: bool = True,
    strict: bool = False,
    form: Literal[120, 300] | None = None,
) -> tuple[Respondents, ReadReport]:
    """`read_people`, and the report of what was left out; `form` is that of `read_johnson`."""
    source = Path(path)
    if coordinate not in ("auto", "response", "keyed"):
        raise PeopleError(
            f"The coordinate {coordinate!r} is unknown; it is response (as ticked), keyed "
            "(reverse-scored) or auto (as the file says)."
        )
    if source.name.lower().endswith(RAW_ENDINGS):
        return _read_raw(source, coordinate, check, strict, form)
    if source.suffix in (".csv", ".tsv") and big_five_50.recognises(source):
        people = big_five_50.read_big_five_50(source)
    else:
        people = _read_table(source, coordinate, check, form)
    return people, ReadReport(lines=len(people), people=len(people))


def write_people(people: Respondents, path: str | Path) -> None:
    """Write people as responses, marked as such, or as .dat: see `Respondents.write`."""
    target = Path(path)
    if target.name.endswith(RAW_ENDINGS[:2]):
        write_johnson(people, target)
        return
    _known_ending(target, "written", (*(name for name in ENDINGS if name != ".jsonl"), ".dat"))
    count = len(people)
    columns = [
        pl.Series("id", people.ids, dtype=pl.String),
        pl.repeat("response", count, eager=True).alias("coordinate"),
    ]
    if people.inventory.name != ipip_neo_300().name:
        columns.append(pl.repeat(people.inventory.name, count, eager=True).alias("inventory"))
    if people.split is not None:
        columns.append(pl.repeat(people.split, count, eager=True).alias("split"))
    if people.demographics is not None:
        columns += people.demographics.get_columns()
    columns += [
        pl.Series(f"i{number}", answers)
        for number, answers in zip(people.inventory.numbers, people.responses.T, strict=True)
    ]
    write_table(pl.DataFrame(columns), target)


def _known_ending(path: Path, verb: str, endings: tuple[str, ...]) -> None:
    if not path.name.endswith(endings):
        raise PeopleError(
            f"A file of people ending in {path.suffix or 'nothing'!r} cannot be {verb}; the "
            f"endings {', '.join(endings)} can. Rename or convert {path.name}."
        )


def _read_raw(
    path: Path, coordinate: str, check: bool, strict: bool, form: Literal[120, 300] | None
) -> tuple[Respondents, ReadReport]:
    if coordinate == "response":
        raise PeopleError(
            f"{path.name} is in Johnson's layout, whose values are keyed, and was to be read as "
            "response; drop coordinate= to go by the file."
        )
    people, report = read_johnson(path, strict=strict, form=form)
    if check:
        _refuse_contradiction(people.responses, "keyed", "Johnson's layout", path)
    if report.left_out:
        left = f"; {report.left_out:,} of {report.lines:,} lines left out)"
        people = replace(people, source=people.source.removesuffix(")") + left)
    return people, report


def _read_table(
    path: Path, coordinate: Literal["auto"] | Coordinate, check: bool, told: int | None
) -> Respondents:
    _known_ending(path, "read", (*ENDINGS, *RAW_ENDINGS))
    table = read_table(path)
    stored, reason = _coordinate(table, coordinate, path)
    form, names = form_of(table, path)
    if told is not None and told != len(form):
        raise PeopleError(
            f"{path.name} was to be read as the {told}-item form, and its columns are those of "
            f"{form.name}. Read it as that."
        )
    values = answers_of(table, names, path)
    if stored == "keyed":
        values = to_responses(values, form.signs)
    inventory = form
    if form is ipip_neo_120() and "inventory" not in table.columns:
        inventory = ipip_neo_300()
        responses = np.zeros((len(values), len(inventory)), dtype=np.int8)
        responses[:, inventory.columns(form.items)] = values
        values = responses
    if check and reason != "marked" and inventory.has_facets:
        _refuse_contradiction(values, stored, reason, path)
    words = "keyed values, turned into responses" if stored == "keyed" else "responses"
    return Respondents(
        responses=values,
        ids=ids_of(table),
        demographics=demographics_of(table),
        source=f"{path.name} ({words}; {reason})",
        inventory=inventory,
        split=split_of(table),
    )


def _coordinate(
    table: pl.DataFrame, told: Literal["auto"] | Coordinate, path: Path
) -> tuple[Coordinate, str]:
    """What the file stores, and how we know."""
    if "coordinate" in table.columns:
        marks = table["coordinate"].unique().to_list()
        if len(marks) != 1 or marks[0] not in ("response", "keyed"):
            raise PeopleError(
                f"The column coordinate of {path.name} holds {', '.join(map(repr, marks[:3]))}; it "
                "needs response, or keyed, in every row."
            )
        if told not in ("auto", marks[0]):
            raise PeopleError(
                f"{path.name} is marked as {marks[0]} and was to be read as {told}; drop "
                "coordinate= to go by the file."
            )
        return marks[0], "marked"
    if told != "auto":
        return told, "as told"
    if set(table.columns) >= PAPI_FIELDS:
        return "keyed", "PAPI's layout"
    raise PeopleError(
        f"Nothing in {path.name} tells whether its values are responses (as ticked) or keyed "
        '(reverse-scored); a guess would reverse half of the items. Say coordinate="response" or '
        'coordinate="keyed".'
    )


def _refuse_contradiction(
    responses: NDArray[np.int8], stored: Coordinate, reason: str, path: Path
) -> None:
    if len(responses) < _ENOUGH_PEOPLE:
        return
    correlation = opposite_key_correlation(responses[:_SAMPLE])
    if correlation > _CONTRADICTION:
        other = "keyed" if stored == "response" else "response"
        raise PeopleError(
            f"{path.name} was taken to store {stored} values ({reason}), but then people who agree "
            f"with an item also agree with its opposite (correlation {correlation:+.2f} within "
            f'facets, where people have about -0.4). Say coordinate="{other}", or check=False if '
            "these people really answer so."
        )
