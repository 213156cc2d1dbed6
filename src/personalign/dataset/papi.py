"""Files of people: PAPI's layout and our own, as json, csv or parquet.

PAPI (and Johnson's raw data behind it) stores **keyed** values: a '-' item is already
reverse-scored. We read responses, so such a file is converted once, here, on the way in. What a
file holds is told by, in this order: its own `coordinate` column, which every file written by
`Respondents.write` carries; the caller's `coordinate=`; PAPI's fields (case, sex, age, sec, min,
hour, date, month, year, i1 ...). A file that says nothing is refused, because both coordinates look
alike and a wrong guess reverses half of the items.

A row is a person; columns i1-i300 are the items of the 300-item form by number, or i1-i120 alone
those of the 120-item form in its order. Blank and 0 are missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from personalign.dataset.coordinate import opposite_key_correlation
from personalign.dataset.files import replacing
from personalign.dataset.people import Respondents, demographics_table
from personalign.errors import PeopleError
from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import to_responses

Coordinate = Literal["response", "keyed"]

PAPI_FIELDS = frozenset({"case", "sex", "age", "sec", "min", "hour", "date", "month", "year"})
"""Fields that give away PAPI's layout, and with it keyed values."""

ENDINGS = (".json", ".csv", ".parquet")

_ENOUGH_PEOPLE = 30  # below it, a correlation contradicts nothing
_CONTRADICTION = 0.1  # real people: -0.42 in responses, +0.42 where the coordinate is mistaken
_SAMPLE = 5_000  # people are plenty to see the sign of a correlation


def read_people(
    path: str | Path, *, coordinate: Literal["auto"] | Coordinate = "auto", check: bool = True
) -> Respondents:
    """Read people from a .json (list of records), .csv or .parquet file, as responses.

    Arguments:
        coordinate: what the file stores, where it does not say so itself: "response" (as ticked) or
            "keyed" (reverse-scored); "auto" goes by the file.
        check: compare what is believed about the coordinate with the answers of 30 people or more:
            within a facet, people who agree with '+' items disagree with '-' items.

    Returns Respondents whose `source` names the file and the coordinate that was read.

    Raises PeopleError if the file cannot be read, its coordinate cannot be told or contradicts the
    answers, or a value is no answer.
    """
    source = Path(path)
    if coordinate not in ("auto", "response", "keyed"):
        raise PeopleError(
            f"The coordinate {coordinate!r} is unknown; it is response (as ticked), keyed "
            "(reverse-scored) or auto (as the file says)."
        )
    table = _read_table(source)
    stored, reason = _coordinate(table, coordinate, source)
    form = _form(table, source)
    values = _values(table, len(form), source)
    responses = np.zeros((len(values), len(ipip_neo_300())), dtype=np.int8)
    responses[:, ipip_neo_300().columns(form.items)] = (
        to_responses(values, form.signs) if stored == "keyed" else values
    )
    if check and reason != "marked":
        _refuse_contradiction(responses, stored, reason, source)
    words = "keyed values, turned into responses" if stored == "keyed" else "responses"
    return Respondents(
        responses=responses,
        ids=_ids(table),
        demographics=_demographics(table),
        source=f"{source.name} ({words}; {reason})",
    )


def write_people(people: Respondents, path: str | Path) -> None:
    """Write people as responses, marked as such; see `Respondents.write`."""
    target = Path(path)
    _known_ending(target, "written")
    table = pl.DataFrame({"id": list(people.ids), "coordinate": ["response"] * len(people)})
    if people.demographics is not None:
        table = table.hstack(people.demographics)
    columns = [f"i{number}" for number in people.inventory.numbers]
    table = table.hstack(pl.DataFrame(people.responses, schema=columns, orient="row"))
    with replacing(target) as temporary:
        if target.suffix == ".parquet":
            table.write_parquet(temporary)
        elif target.suffix == ".csv":
            table.write_csv(temporary)
        else:
            rows = ",\n".join(
                json.dumps(row, ensure_ascii=False) for row in table.iter_rows(named=True)
            )
            temporary.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def _known_ending(path: Path, verb: str) -> None:
    if path.suffix not in ENDINGS:
        raise PeopleError(
            f"A file of people ending in {path.suffix or 'nothing'!r} cannot be {verb}; the "
            f"endings {', '.join(ENDINGS)} can. Rename or convert {path.name}."
        )


def _read_table(path: Path) -> pl.DataFrame:
    _known_ending(path, "read")
    if not path.is_file():
        raise PeopleError(f"There is no file of people at {path}; check the path.")
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        elif path.suffix == ".csv":
            table = pl.read_csv(path, infer_schema=False)
        else:
            rows = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise PeopleError(
                    f"{path.name} is no list of records; a json file of people is a list with one "
                    "object a person, such as PAPI's Test-set.json."
                )
            names = list(dict.fromkeys(name for row in rows for name in row))
            table = pl.DataFrame(
                [pl.Series(name, [row.get(name) for row in rows], strict=False) for name in names]
            )
    except (pl.exceptions.PolarsError, ValueError, OSError, TypeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PeopleError(
            f"{path.name} cannot be read as {path.suffix[1:]}: {first.rstrip('.')}. Check that the "
            "file is complete and has that format."
        ) from error
    if not table.height:
        raise PeopleError(f"{path.name} holds no people; it needs at least one row.")
    return table


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


def _form(table: pl.DataFrame, path: Path) -> Inventory:
    """The form whose items the columns are."""
    present = {number for number in range(1, 301) if f"i{number}" in table.columns}
    for form in (ipip_neo_300(), ipip_neo_120()):
        if present == set(range(1, len(form) + 1)):
            return form
    missing = sorted(set(range(1, 301)) - present)
    raise PeopleError(
        f"{path.name} lacks {len(missing)} of the columns i1-i300, i{missing[0]} first; it needs "
        "all of them, or i1-i120 alone for the 120-item form in its order."
    )


def _values(table: pl.DataFrame, items: int, path: Path) -> NDArray[np.int8]:
    """(people, items) int8 the values as stored, 0 where blank."""
    columns = [f"i{number}" for number in range(1, items + 1)]
    raw = table.select(columns)
    text = [name for name in columns if raw[name].dtype == pl.String]
    blank = pl.col(text).str.strip_chars()
    raw = raw.with_columns(pl.when(blank == "").then(None).otherwise(blank).name.keep())
    try:
        numbers = raw.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError:  # lists, dates and the like
        numbers = raw.select(pl.lit(None, pl.Float64).alias(name) for name in columns)
    values = numbers.fill_null(0).fill_nan(0).to_numpy()
    given = raw.select(pl.all().is_not_null()).to_numpy()
    unread = given & numbers.select(pl.all().is_null()).to_numpy()
    wrong = unread | ~np.isin(values, (0, 1, 2, 3, 4, 5))
    if wrong.any():
        row, column = (int(place[0]) for place in np.nonzero(wrong))
        raise PeopleError(
            f"In {path.name}, person {row + 1} has {raw[row, column]!r} in the column "
            f"{columns[column]}; an answer is 1-5, 0 or blank where missing. Correct it."
        )
    return values.astype(np.int8)


def _ids(table: pl.DataFrame) -> tuple[str, ...]:
    """Each person's id or PAPI case; the row's number where there is neither."""
    for name in ("id", "case"):
        if name in table.columns:
            named = table[name].cast(pl.String).to_list()
            return tuple(str(row) if one is None else one for row, one in enumerate(named, 1))
    return tuple(str(row) for row in range(1, table.height + 1))


def _demographics(table: pl.DataFrame) -> pl.DataFrame | None:
    """Sex, age and country where the file has any of them; PAPI writes 1 male, 2 female."""
    if not {"sex", "age", "country"} & set(table.columns):
        return None
    nothing = pl.Series([None] * table.height, dtype=pl.String)
    column = {
        name: table[name].cast(pl.String).str.strip_chars() if name in table.columns else nothing
        for name in ("sex", "age", "country")
    }
    sexes = {"1": "male", "2": "female", "male": "male", "female": "female"}
    years = column["age"].cast(pl.Float64, strict=False)
    return demographics_table(
        [sexes.get(value or "") for value in column["sex"]],
        [None if year is None or not 0 < year < 150 else int(year) for year in years],
        [value or None for value in column["country"]],
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
