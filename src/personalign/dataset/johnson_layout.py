"""The layout of Johnson's raw files: which byte of a line is what, and fields as numbers.

    CASE 0-6  SEX 6  AGE 7-9  SEC 9-11  MIN 11-13  HOUR 13-15  DATE 15-17  MONTH 17-19  YEAR 19-22
    COUNTRY from 22  items to the end of the line, one digit each, keyed, 0 where missing

Ends are exclusive, the first byte is 0. Sex is 1 male, 2 female. The clock is Perl's localtime:
months count from 0, years from 1900. Numbers stand to the right of their field, blanks before them.

Source: Johnson's data repository (osf.io/tbmh5), files IPIP300.dat (307,313 lines of 333) and
IPIP120.dat (619,150 lines of 151). Lines end with CR LF. The last line of IPIP300.dat does not
(102,949,853 bytes are 307,313 x 335 - 2), that of IPIP120.dat does (94,729,950 = 619,150 x 153).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300

CASE, SEX, AGE = slice(0, 6), slice(6, 7), slice(7, 9)
CLOCK = {
    "sec": slice(9, 11),
    "min": slice(11, 13),
    "hour": slice(13, 15),
    "date": slice(15, 17),
    "month": slice(17, 19),
    "year": slice(19, 22),
}
"""The moment the form was filled in, field by field."""

COUNTRY = 22
"""Where the country begins; the items begin where it ends."""

SEXES = {1: "male", 2: "female"}

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """One of the two files' layouts."""

    name: str
    """Johnson's name of the file."""
    form: Inventory
    """Whose items the last columns are, in its order."""
    country: int
    """Width of the country, in bytes."""
    closed: bool
    """Whether the last line ends like the others."""

    @property
    def length(self) -> int:
        """Characters of a line, its end not counted."""
        return COUNTRY + self.country + len(self.form)


def layouts() -> dict[int, Layout]:
    """Number of items -> layout."""
    return {
        300: Layout("IPIP300.dat", ipip_neo_300(), country=11, closed=False),
        120: Layout("IPIP120.dat", ipip_neo_120(), country=9, closed=True),
    }


def read_number(digits: Bytes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(rows,) numbers out of (rows, width) characters, and which rows hold one or are blank.

    A number is one run of digits with blanks around it. Blank rows are -1 and in order; rows that
    hold anything else are -1 and not.

    >>> values, fine = read_number(np.frombuffer(b" 7  1x12", np.uint8).reshape(4, 2))
    >>> values.tolist(), fine.tolist()
    ([7, -1, -1, 12], [True, True, False, True])
    """
    figure = digits - np.uint8(48)  # below "0" it wraps around to more than 9
    is_digit = figure <= 9
    fine = (is_digit | (digits == 32)).all(axis=1)
    runs = is_digit[:, 0] + (is_digit[:, 1:] & ~is_digit[:, :-1]).sum(axis=1)
    fine &= runs <= 1
    values = np.zeros(len(digits), dtype=np.int64)
    for column in range(digits.shape[1]):
        values = np.where(is_digit[:, column], 10 * values + figure[:, column], values)
    return np.where(fine & (runs == 1), values, -1), fine


def write_number(values: NDArray[np.int64], width: int) -> Bytes:
    """(rows, width) characters: the numbers to the right, blanks before; -1 is all blanks.

    >>> write_number(np.array([7, -1, 120]), 3).tobytes()
    b'  7   120'
    """
    powers = 10 ** np.arange(width - 1, -1, -1)
    shown = (values[:, None] >= powers) | (powers == 1)
    shown &= values[:, None] >= 0
    return np.where(shown, values[:, None] // powers % 10 + 48, 32).astype(np.uint8)


def to_moments(
    clock: dict[str, NDArray[np.int64]],
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """(rows,) moments out of Johnson's fields, and which rows name one or are blank throughout.

    Rows without a moment are NaT.

    >>> fields = dict(sec=27, min=46, hour=11, date=1, month=1, year=101)
    >>> to_moments({name: np.array([value]) for name, value in fields.items()})[0]
    array(['2001-02-01T11:46:27'], dtype='datetime64[s]')
    """
    blank = np.all([part == -1 for part in clock.values()], axis=0)
    month_fits = (clock["month"] >= 0) & (clock["month"] <= 11) & (clock["year"] >= 0)
    years = np.where(month_fits, clock["year"] - 70, 0).astype("datetime64[Y]")
    first = years.astype("datetime64[M]") + np.where(month_fits, clock["month"], 0)
    length = (first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")
    fits = month_fits & (clock["date"] >= 1) & (clock["date"] <= length.astype(np.int64))
    for name, end in (("hour", 24), ("min", 60), ("sec", 60)):
        fits &= (clock[name] >= 0) & (clock[name] < end)
    seconds = (clock["date"] - 1) * 86_400
    seconds = seconds + clock["hour"] * 3_600 + clock["min"] * 60 + clock["sec"]
    moments = first.astype("datetime64[s]") + seconds.astype("timedelta64[s]")
    return np.where(fits, moments, np.datetime64("NaT")), fits | blank


def to_clock(moments: NDArray[np.datetime64]) -> dict[str, NDArray[np.int64]]:
    """Johnson's six fields of these moments: the inverse of `to_moments`; NaT is -1 throughout."""
    known = ~np.isnat(moments)
    seconds = np.where(known, moments, np.datetime64(0, "s")).astype("datetime64[s]")
    days, months = seconds.astype("datetime64[D]"), seconds.astype("datetime64[M]")
    within = (seconds - days).astype(np.int64)
    fields = {
        "sec": within % 60,
        "min": within // 60 % 60,
        "hour": within // 3600,
        "date": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "month": months.astype(np.int64) % 12,
        "year": months.astype(np.int64) // 12 + 70,
    }
    return {name: np.where(known, value, -1) for name, value in fields.items()}
