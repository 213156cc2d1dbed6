"""Reading, choosing and describing people at full size: python benchmarks/people.py

A file of simulated people in the layout of Johnson's IPIP300.dat (307,313 unless --people says
otherwise) is written, then each row below runs in a process of its own on the same file:

    pandas.read_fwf    the same columns with pandas, the usual way to read such a file
    read_johnson       ours: to responses, ids, sex, age, country and time
    read_people        the same and the check of the coordinate
    gzipped            the same of the gzipped file
    bad lines          the same with one line in ten cut short
    write parquet      Respondents.write
    read parquet       read_people on that
    select             300 representatives on the 120 items
    describe           the description of everybody
    describe and draw  the same, and the page with every figure

Seconds are of the work alone: the interpreter's start and imports are left out, and so is reading
the people in the last three and in `write parquet`. Peak memory is the process's largest resident
set, everything counted. --rows NAME,NAME measures some of them; --json FILE keeps the figures.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

PEOPLE = 307_313
SLOWEST = "pandas.read_fwf"
WIDTHS = [6, 1, 2, 2, 2, 2, 2, 2, 3, 11] + [1] * 300
NAMES = "case sex age sec min hour date month year country".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=PEOPLE, help=f"default: {PEOPLE:,}")
    parser.add_argument("--rows", help="names of rows, separated by commas; default: all")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--measure", nargs=2, metavar=("ROW", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure[0], Path(options.measure[1]))))
        return
    wanted = options.rows.split(",") if options.rows else list(ROWS)
    unknown = sorted(set(wanted) - set(ROWS))
    if unknown:
        raise SystemExit(f"There is no row {unknown[0]!r}; rows are {', '.join(ROWS)}.")
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        size = prepare(Path(folder), options.people)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        print(f"{options.people:,} simulated people, {size:,} bytes, {cores} cores\n")
        print(f"{'':20}{'seconds':>9}{'peak GiB':>10}   times faster than {SLOWEST}")
        for row in wanted:
            command = [sys.executable, __file__, "--measure", row, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"{row:20}   failed, with exit code {done.returncode}")
                continue
            figures[row] = one = json.loads(done.stdout.splitlines()[-1])
            print(f"{row:20}{one['seconds']:9.2f}{one['peak_gib']:10.2f}", end="")
            slow = figures.get(SLOWEST)
            print(f"{slow['seconds'] / one['seconds']:10.1f}" if slow else "", flush=True)
    claims(figures, options.people)
    if options.json:
        record = {"people": options.people, "rows": figures}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def prepare(folder: Path, people: int) -> int:
    """Write the files that the rows read; returns the bytes of the raw one."""
    from personalign.dataset.johnson import write_johnson
    from personalign.dataset.simulate import simulate

    everybody = simulate(people, seed=0)
    write_johnson(everybody, folder / "people.dat", form=300)
    everybody.write(folder / "people.parquet")
    data = (folder / "people.dat").read_bytes()
    (folder / "people.dat.gz").write_bytes(gzip.compress(data, 6))
    lines = data.split(b"\r\n")
    lines[::10] = [line[:200] for line in lines[::10]]
    (folder / "bad.dat").write_bytes(b"\r\n".join(lines))
    return len(data)


def measured(row: str, folder: Path) -> dict[str, float]:
    """Seconds of one row's work and the peak of this process, which does nothing else."""
    work = ROWS[row](folder)
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_gib": peak_bytes() / 2**30}


def peak_bytes() -> int:
    """The most memory this process has held.

    On Linux from its own status: the maximum getrusage tells is inherited from the process that
    started this one, which has written all the people.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)  # bytes there, kilobytes elsewhere


def with_pandas(folder: Path) -> Callable[[], object]:
    import pandas

    names = [*NAMES, *(f"i{number}" for number in range(1, 301))]
    return lambda: pandas.read_fwf(
        folder / "people.dat", widths=WIDTHS, names=names, header=None, encoding="utf-8"
    )


def raw(name: str) -> Callable[[Path], Callable[[], object]]:
    def work(folder: Path) -> Callable[[], object]:
        from personalign.dataset.johnson import read_johnson

        return lambda: read_johnson(folder / name)

    return work


def any_kind(name: str) -> Callable[[Path], Callable[[], object]]:
    def work(folder: Path) -> Callable[[], object]:
        from personalign.dataset.papi import read_people

        return lambda: read_people(folder / name)

    return work


def parquet(folder: Path) -> Callable[[], object]:
    people = everybody(folder)
    return lambda: people.write(folder / "again.parquet")


def selecting(folder: Path) -> Callable[[], object]:
    from personalign.dataset.select import select_representatives

    people = everybody(folder)
    return lambda: select_representatives(people, k=min(300, len(people)))


def describing(folder: Path) -> Callable[[], object]:
    from personalign.dataset.describe import describe

    people = everybody(folder)
    return lambda: describe(people)


def drawing(folder: Path) -> Callable[[], object]:
    from personalign.bench.people_report import write_people_report
    from personalign.dataset.describe import describe

    people = everybody(folder)
    page = folder / "people.html"
    return lambda: write_people_report(page, people, described=describe(people))


def everybody(folder: Path):
    from personalign.dataset.papi import read_people

    return read_people(folder / "people.parquet")


ROWS: dict[str, Callable[[Path], Callable[[], object]]] = {
    SLOWEST: with_pandas,
    "read_johnson": raw("people.dat"),
    "read_people": any_kind("people.dat"),
    "gzipped": any_kind("people.dat.gz"),
    "bad lines": raw("bad.dat"),
    "write parquet": parquet,
    "read parquet": any_kind("people.parquet"),
    "select": selecting,
    "describe": describing,
    "describe and draw": drawing,
}
"""Name -> what imports and prepares in a folder, and gives the work to be timed."""


def claims(figures: dict[str, dict[str, float]], people: int) -> None:
    """What is claimed of the full size on two cores, beside what was just seen."""
    print(f"\nClaimed for {PEOPLE:,} people" + (":" if people == PEOPLE else ", not for so few:"))
    seconds = {row: one["seconds"] for row, one in figures.items()}
    limits = {"read_johnson": 8.0, "select": 180.0, "describe and draw": 60.0}
    for row, limit in limits.items():
        if row in seconds:
            print(f"  {row} under {limit:.0f} s: {verdict(seconds[row] < limit)}")
    if "read_johnson" in figures:
        peak = figures["read_johnson"]["peak_gib"]
        print(f"  read_johnson within 1.5 GiB: {verdict(peak <= 1.5)}")
    if {"read_johnson", SLOWEST} <= set(seconds):
        faster = seconds[SLOWEST] / seconds["read_johnson"]
        print(f"  at least 10 times faster than {SLOWEST}: {verdict(faster >= 10)}")


def verdict(holds: bool) -> str:
    return "yes" if holds else "NO"


if __name__ == "__main__":
    main()
