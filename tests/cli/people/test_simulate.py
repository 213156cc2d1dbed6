"""`personalign people simulate`: the same people in every kind of file, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from personalign.cli.main import app
from personalign.dataset.papi import read_people
from personalign.dataset.simulate import simulate


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("ending", ["dat", "parquet", "csv", "json"])
def test_what_is_written_is_what_was_drawn(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"people.{ending}"
    result = _run("people", "simulate", "-n", 30, "--seed", 4, "-o", path)
    assert result.exit_code == 0, result.output
    assert "30 simulated people" in " ".join(result.output.split())
    again, drawn = read_people(path), simulate(30, seed=4)
    assert np.array_equal(again.responses, drawn.responses)
    assert again.demographics is not None and drawn.demographics is not None
    assert again.demographics["age"].to_list() == drawn.demographics["age"].to_list()
    times = again.demographics["time"].cast(pl.Datetime("us"))
    assert times.to_list() == drawn.demographics["time"].to_list()


def test_a_raw_file_has_johnson_s_lines(tmp_path: Path) -> None:
    path = tmp_path / "IPIP300.dat"
    assert _run("people", "simulate", "-n", 3, "-o", path).exit_code == 0
    lines = path.read_bytes().split(b"\r\n")
    assert {len(line) for line in lines if line} == {333}


def test_what_was_made_as_json(tmp_path: Path) -> None:
    path, told = tmp_path / "people.parquet", tmp_path / "told.json"
    assert (
        _run("people", "simulate", "-n", 5, "--seed", 2, "-o", path, "--json", told).exit_code == 0
    )
    found = json.loads(told.read_text())
    assert (found["people"], found["items"], found["seed"]) == (5, 300, 2)
    assert found["bytes"] == path.stat().st_size


def test_the_format_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("people", "simulate", "-n", 3, "--format", "dat").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["simulated.dat"]
    odd = _run("people", "simulate", "-n", 3, "--format", "dat", "-o", tmp_path / "people.csv")
    assert odd.exit_code == 1 and "leave one of them out" in " ".join(odd.output.split())
    assert _run("people", "simulate", "-n", 3).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["simulated.dat"]


def test_a_kind_of_file_that_is_not_written(tmp_path: Path) -> None:
    result = _run("people", "simulate", "-n", 5, "-o", tmp_path / "people.xlsx")
    assert result.exit_code == 1
    assert ".dat, .dat.gz, .parquet, .csv, .json" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_as_many_people_as_johnson_had_in_little_memory(tmp_path: Path) -> None:
    """In a process of its own, whose peak is measured: under 1.5 GiB.

    Not by getrusage, whose maximum a process inherits from the one that started it.
    """
    import subprocess
    import sys

    path = tmp_path / "IPIP300.dat"
    program = (
        "from personalign.cli.main import app\n"
        f"app(['people', 'simulate', '-n', '307313', '-o', {str(path)!r}], standalone_mode=False)\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print('PEAK', next(line.split()[1] for line in lines if line.startswith('VmHWM')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    peak = int(result.stdout.split("PEAK")[1])  # KiB
    assert 2**16 < peak < 1.5 * 2**20
    assert path.stat().st_size in (307_313 * 335, 307_313 * 335 - 2)
