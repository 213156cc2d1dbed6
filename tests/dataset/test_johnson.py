"""Johnson's raw files: keyed on disk, responses here; bad lines counted and named; same bytes."""

from __future__ import annotations

import gzip
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalign.dataset import johnson
from personalign.dataset.johnson import read_johnson, write_johnson
from personalign.dataset.johnson_layout import (
    CLOCK,
    read_number,
    to_clock,
    to_moments,
    write_number,
)
from personalign.dataset.people import Respondents, demographics_table
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import to_keyed


def _line(number: int, keyed: str, country: str = "USA") -> str:
    """A line put together by hand from the columns of Johnson's documentation."""
    clock = "2746111 1 0101"  # 46:27 past 11 on the first of month 0, year 101
    width = 11 if len(keyed) == 300 else 9
    return f"{number:6d}2{30 + number % 60:2d}{clock[:6]} 1 0101{country:<{width}}{keyed}"


def _lines(count: int, items: int = 300, seed: int = 0) -> list[bytes]:
    digits = np.random.default_rng(seed).integers(0, 6, (count, items))
    return [_line(row, "".join(map(str, keyed))).encode() for row, keyed in enumerate(digits, 1)]


def _save(path: Path, lines: list[bytes], end: bytes = b"\r\n", last: bytes = b"") -> Path:
    path.write_bytes(end.join(lines) + last)
    return path


def _people(count: int, seed: int = 0) -> Respondents:
    """Simulated people with missing answers, unknown fields, and times."""
    people = simulate(count, seed=seed)
    responses = people.responses.copy()
    responses[np.random.default_rng(seed).random(responses.shape) < 0.05] = 0
    moments = [None if row % 7 == 3 else datetime(2001, 1 + row % 12, 28, 23, 59, row % 60)
               for row in range(count)]  # fmt: skip
    assert people.demographics is not None
    table = people.demographics.with_columns(
        pl.Series("time", moments, dtype=pl.Datetime("us")),
        pl.Series("sex", [None if row % 5 == 4 else "female" for row in range(count)]),
    )
    return Respondents(responses, tuple(str(7 * row) for row in range(count)), table)


def test_a_line_means_what_johnson_s_documentation_says(tmp_path: Path) -> None:
    keyed = np.random.default_rng(0).integers(0, 6, 300).astype(np.int8)
    line = _line(522, "".join(map(str, keyed)), "New Zealand")
    assert len(line) == 333
    people, report = read_johnson(_save(tmp_path / "one.dat", [line.encode()]))
    form = ipip_neo_300()
    assert people.ids == ("522",)
    assert np.array_equal(people.responses[0], to_keyed(keyed, form.signs))
    assert people.demographics is not None
    assert people.demographics.to_dicts() == [
        {
            "sex": "female",
            "age": 30 + 522 % 60,
            "country": "New Zealand",
            "time": datetime(2001, 1, 1, 11, 46, 27),
        }
    ]
    assert (report.lines, report.people, dict(report.problems)) == (1, 1, {})


def test_the_short_form_s_items_land_in_their_places(tmp_path: Path) -> None:
    lines = _lines(3, items=120)
    assert {len(line) for line in lines} == {151}
    people, _ = read_johnson(_save(tmp_path / "IPIP120.dat", lines, last=b"\r\n"))
    short, full = ipip_neo_120(), ipip_neo_300()
    stored = np.array([[int(digit) for digit in line.decode()[31:]] for line in lines])
    assert np.array_equal(people.keyed[:, full.columns(short.items)], stored)
    assert not people.responses[:, full.columns(full.held_out)].any()


@pytest.mark.parametrize("items", [120, 300])
def test_written_read_and_written_again_is_the_same_bytes(items: int, tmp_path: Path) -> None:
    people = _people(200)
    if items == 120:
        people = people.only(people.inventory.tuning)
    write_johnson(people, tmp_path / "once.dat")
    again, report = read_johnson(tmp_path / "once.dat", strict=True)
    assert np.array_equal(again.responses, people.responses)
    assert again.ids == people.ids
    assert again.demographics is not None and people.demographics is not None
    assert again.demographics.equals(people.demographics.select(again.demographics.columns))
    write_johnson(again, tmp_path / "twice.dat")
    assert (tmp_path / "twice.dat").read_bytes() == (tmp_path / "once.dat").read_bytes()
    size = (tmp_path / "once.dat").stat().st_size
    # 102,949,853 = 307,313 x 335 - 2 and 94,729,950 = 619,150 x 153: the released files' sizes.
    assert size == (200 * 335 - 2 if items == 300 else 200 * 153)
    assert report.people == 200


def test_the_released_people_through_the_raw_layout(released: Path, tmp_path: Path) -> None:
    from personalign.dataset.papi import read_people

    people = read_people(released / "papi" / "respondents_dev.json")
    write_johnson(people, tmp_path / "dev.dat")
    again = read_people(tmp_path / "dev.dat", strict=True)
    assert np.array_equal(again.responses, people.responses)
    assert again.ids == people.ids
    assert again.demographics is not None and people.demographics is not None
    assert again.demographics.equals(people.demographics)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n"])
def test_line_ends_do_not_matter(end: bytes, last: bytes, tmp_path: Path) -> None:
    lines = _lines(30)
    wanted = read_johnson(_save(tmp_path / "plain.dat", lines))[0]
    people, report = read_johnson(_save(tmp_path / "other.dat", lines, end, last))
    assert np.array_equal(people.responses, wanted.responses)
    assert (people.ids, report.lines) == (wanted.ids, 30)


def test_gzip_zip_and_a_byte_order_mark(tmp_path: Path) -> None:
    plain = _save(tmp_path / "people.dat", _lines(30), last=b"\r\n")
    wanted = read_johnson(plain)[0].responses
    (tmp_path / "people.dat.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with zipfile.ZipFile(tmp_path / "people.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, "data/IPIP300.dat")
        archive.writestr("readme.txt", "two files")
    (tmp_path / "marked.dat").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    for name in ("people.dat.gz", "people.zip", "marked.dat"):
        assert np.array_equal(read_johnson(tmp_path / name)[0].responses, wanted)


def test_bad_lines_are_left_out_counted_and_named(tmp_path: Path) -> None:
    lines = _lines(40)
    wanted = read_johnson(_save(tmp_path / "good.dat", lines))[0]
    bad = dict(enumerate(lines))
    bad[3] = lines[3][:100]
    bad[8] = b""
    bad[9] = b""
    bad[20] = lines[20] + b"55"
    bad[30] = lines[30][:50] + b"x" + lines[30][51:]
    bad[31] = lines[31][:50] + b"6" + lines[31][51:]
    path = _save(tmp_path / "bad.dat", list(bad.values()))
    people, report = read_johnson(path)
    kept = [row for row in range(40) if row not in (3, 8, 9, 20, 30, 31)]
    assert np.array_equal(people.responses, wanted.responses[kept])
    assert people.ids == tuple(wanted.ids[row] for row in kept)
    assert report.problems == {"blank": 2, "short": 1, "long": 1, "answers": 2}
    assert report.examples == {"blank": (9, 10), "short": (4,), "long": (21,), "answers": (31, 32)}
    assert (report.lines, report.people, report.left_out) == (40, 34, 6)
    assert "1 line is shorter than a record: left out (line 4)." in report.sentences()
    with pytest.raises(PeopleError, match=r"Line 4 of bad\.dat is shorter than a record"):
        read_johnson(path, strict=True)


def test_fields_that_cannot_be_read_cost_the_field_only(tmp_path: Path) -> None:
    lines = _lines(10)
    lines[1] = b"   x 2" + lines[1][6:]
    lines[2] = lines[2][:6] + b"7" + lines[2][7:]
    lines[3] = lines[3][:7] + b"??" + lines[3][9:]
    lines[4] = lines[4][:15] + b"31 1" + lines[4][19:]  # the 31st of February
    lines[5] = lines[5][:6] + b" " * 27 + lines[5][33:]  # nothing known is no problem
    people, report = read_johnson(_save(tmp_path / "fields.dat", lines))
    assert report.problems == {"case": 1, "sex": 1, "age": 1, "time": 1}
    assert report.examples == {"case": (2,), "sex": (3,), "age": (4,), "time": (5,)}
    assert people.ids[1] == "2"
    table = people.demographics
    assert table is not None
    assert (
        table["sex"].to_list() == ["female"] * 2 + [None] + ["female"] * 2 + [None] + ["female"] * 4
    )
    assert table["age"][3] is None and table["time"][4] is None
    assert table[5].row(0) == (None, None, None, None)
    with pytest.raises(PeopleError, match=r"Line 2 of fields\.dat has no case number"):
        read_johnson(tmp_path / "fields.dat", strict=True)


def test_countries_in_utf_8_and_latin_1_in_one_file(tmp_path: Path) -> None:
    """A UTF-8 country of 11 letters makes a line of more than 333 bytes, and of 333 letters."""
    lines = _lines(6)
    names = ["Åland", "Åland", "Côte d'Ivoi", "România", "中国", "USA"]
    codes = ["utf-8", "latin-1", "utf-8", "latin-1", "utf-8", "ascii"]
    mixed = [
        line[:22] + f"{name:<11}".encode(code) + line[33:]
        for line, name, code in zip(lines, names, codes, strict=True)
    ]
    people, report = read_johnson(_save(tmp_path / "mixed.dat", mixed))
    assert people.demographics is not None
    assert people.demographics["country"].to_list() == names
    assert people.ids == ("1", "2", "3", "4", "5", "6")
    assert report.problems == {"latin-1": 2}
    assert report.examples == {"latin-1": (2, 4)}
    read_johnson(tmp_path / "mixed.dat", strict=True)  # nothing was lost
    write_johnson(people, tmp_path / "ours.dat")
    again, clean = read_johnson(tmp_path / "ours.dat", strict=True)
    assert again.demographics is not None
    assert again.demographics["country"].to_list() == [*names[:2], "Côte d'Ivo", *names[3:]]
    assert not clean.problems


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("good short long blank junk".split()), min_size=3, max_size=40))
def test_any_mixture_of_lines_adds_up(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str]
) -> None:
    lines = _lines(len(kinds))
    make = {
        "good": lambda line: line,
        "short": lambda line: line[:-1],
        "long": lambda line: line + b" ",
        "blank": lambda line: b"",
        "junk": lambda line: b"~" * 333,
    }
    mixed = [make[kind](line) for kind, line in zip(kinds, lines, strict=True)]
    good = [str(row) for row, kind in enumerate(kinds, 1) if kind == "good"]
    path = _save(tmp_path_factory.mktemp("mixture") / "any.dat", mixed, b"\n", b"\n")
    bad = len(kinds) - len(good) - kinds.count("blank")
    if not good or bad > len(good):
        with pytest.raises(PeopleError):
            read_johnson(path)
        return
    people, report = read_johnson(path)
    assert people.ids == tuple(good)
    assert report.left_out == len(kinds) - len(good)
    assert sum(report.problems.values()) == report.left_out
    one_by_one = np.array([[int(c) for c in lines[int(name) - 1].decode()[33:]] for name in good])
    assert np.array_equal(people.keyed, one_by_one)


def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _lines(50)
    lines[7] = lines[7][:22] + f"{'Åland':<11}".encode() + lines[7][33:]
    lines[30] = lines[30][:30]
    path = _save(tmp_path / "people.dat", lines)
    people, report = read_johnson(path)
    monkeypatch.setattr(johnson, "_CHUNK", 3)
    again, other = read_johnson(path)
    assert np.array_equal(again.responses, people.responses)
    assert (again.ids, other) == (people.ids, report)


def test_ten_per_cent_garbage_is_survived(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = _lines(1000)
    junk = rng.choice(1000, 100, replace=False)
    for row in junk:
        lines[row] = rng.integers(32, 256, int(rng.integers(1, 600)), dtype=np.uint8).tobytes()
        lines[row] = lines[row].replace(b"\n", b"?")
    people, report = read_johnson(_save(tmp_path / "garbage.dat", lines))
    assert report.lines == 1000
    assert set(people.ids) == {str(row + 1) for row in range(1000)} - {str(r + 1) for r in junk}
    assert sum(report.problems.values()) >= 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\r\n\r\n", "is empty"),
        (b"case,sex,age\n1,2,3\n", "No line of people.dat has 333 characters"),
        (b"\n".join([b"~" * 333] * 4), "4 of the 4 lines of people.dat cannot be read"),
        (b"\x1f\x8b\x08\x00broken", "cannot be unpacked"),
        (b"PK\x03\x04broken", "cannot be unpacked"),
        ("\n".join(["1" * 333] * 3).encode("utf-16"), "No line of people.dat has 333"),
    ],
)
def test_files_that_are_not_johnson_s(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "people.dat").write_bytes(content)
    with pytest.raises(PeopleError, match=message):
        read_johnson(tmp_path / "people.dat")


def test_a_cut_gzip_and_a_zip_of_two(tmp_path: Path) -> None:
    plain = _save(tmp_path / "people.dat", _lines(30))
    (tmp_path / "cut.dat.gz").write_bytes(gzip.compress(plain.read_bytes())[:2000])
    with pytest.raises(PeopleError, match=r"cut\.dat\.gz cannot be unpacked"):
        read_johnson(tmp_path / "cut.dat.gz")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(plain, "IPIP300.dat")
        archive.write(plain, "IPIP120.dat")
    with pytest.raises(PeopleError, match=r"two\.zip holds 2 files ending in \.dat"):
        read_johnson(tmp_path / "two.zip")
    with pytest.raises(PeopleError, match="There is no file of people"):
        read_johnson(tmp_path / "none.dat")


def test_one_form_read_as_the_other(tmp_path: Path) -> None:
    long, short = _save(tmp_path / "a.dat", _lines(5)), _save(tmp_path / "b.dat", _lines(5, 120))
    with pytest.raises(PeopleError, match="its lines have 333 characters: it is of the 300-item"):
        read_johnson(long, form=120)
    with pytest.raises(PeopleError, match="its lines have 151 characters: it is of the 120-item"):
        read_johnson(short, form=300)
    assert len(read_johnson(long, form=300)[0]) == 5


def test_what_has_no_place_in_the_layout(tmp_path: Path) -> None:
    people = simulate(3, seed=1)  # ids are no numbers
    table = demographics_table([None] * 3, [104, 0, 9], [None] * 3)
    write_johnson(Respondents(people.responses, people.ids, table), tmp_path / "people.dat")
    again, report = read_johnson(tmp_path / "people.dat", strict=True)
    assert again.ids == ("1", "2", "3")
    assert again.demographics is not None
    assert again.demographics["age"].to_list() == [None, None, 9]
    assert not report.problems
    with pytest.raises(PeopleError, match=r"cannot be written to people\.txt"):
        write_johnson(people, tmp_path / "people.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["people.dat"]


@given(st.lists(st.integers(-1, 999), min_size=1))
def test_numbers_there_and_back(numbers: list[int]) -> None:
    values = np.array(numbers)
    read, fine = read_number(write_number(values, 3))
    assert fine.all()
    assert np.array_equal(read, values)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2399, 12, 31)))
def test_moments_there_and_back(moment: datetime) -> None:
    values = np.array([moment, "NaT"], dtype="datetime64[s]")
    clock = to_clock(values)
    again, fine = to_moments(clock)
    assert fine.all()
    assert np.array_equal(again, values, equal_nan=True)
    assert set(clock) == set(CLOCK)
    assert [int(clock[name][0]) for name in ("sec", "month", "year")] == [
        moment.second,
        moment.month - 1,
        moment.year - 1900,
    ]
