"""benchmarks/people.py measures every reading row, and refuses a row it does not have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

READING = (
    "pandas.read_fwf",
    "read_johnson",
    "read_people",
    "gzipped",
    "bad lines",
    "write parquet",
    "read parquet",
)


def _run(repository: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    script = str(repository / "benchmarks" / "people.py")
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.slow
def test_every_reading_row_is_measured(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: the extra dev has it")
    figures = tmp_path / "figures.json"
    done = _run(repository, "--people", 200, "--rows", ",".join(READING), "--json", figures)
    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text())["rows"]
    assert tuple(rows) == READING
    assert all(one["seconds"] > 0 and one["peak_gib"] > 0 for one in rows.values())
    assert "Claimed for 307,313 people, not for so few:" in done.stdout


def test_a_row_that_is_none(repository: Path) -> None:
    done = _run(repository, "--rows", "read_fast")
    assert done.returncode == 1
    assert "There is no row 'read_fast'; rows are pandas.read_fwf" in done.stderr
