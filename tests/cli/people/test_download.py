"""`personalign people download`: fetched once, written in the kind of file that was asked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner, Result

from personalign.cli.main import app
from personalign.dataset.johnson import write_johnson
from personalign.dataset.papi import read_people
from personalign.dataset.simulate import simulate
from tests.dataset.serving import serving


def _download(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["people", "download", *map(str, arguments)])


def test_an_address_as_it_is_and_as_another_kind(tmp_path: Path) -> None:
    people = simulate(30, seed=5)
    write_johnson(people, tmp_path / "people.dat")
    body = (tmp_path / "people.dat").read_bytes()
    with serving(files={"/people.dat": body}) as site:
        for name in ("copy.dat", "people.parquet"):
            result = _download(
                f"{site.url}/people.dat", "-o", tmp_path / name, "--json", tmp_path / "got.json"
            )
            assert result.exit_code == 0, result.output
        assert len(site.asked) == 1
    assert (tmp_path / "copy.dat").read_bytes() == body
    assert np.array_equal(read_people(tmp_path / "people.parquet").responses, people.responses)
    (file,) = json.loads((tmp_path / "got.json").read_text())["files"]
    assert file["bytes"] == len(body)
    assert file["sha256"] == hashlib.sha256(body).hexdigest()
    assert file["path"] in result.output


def test_refusals_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    with serving(files={"/a.dat": b"1" * 500}) as site:
        for arguments, words in (
            ((f"{site.url}/none.dat",), "answered 404"),
            ((f"{site.url}/a.dat", "--sha256", "0" * 64), "is not the file that is known"),
            (("johnson",), "There is no data set 'johnson'"),
        ):
            result = _download(*arguments, "-o", tmp_path / "out.parquet")
            assert result.exit_code == 1
            assert words in result.stderr
            assert result.stderr.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.dat").write_text("mine")
    assert "is there already" in _download("johnson-300", "-o", tmp_path / "mine.dat").stderr
    assert (tmp_path / "mine.dat").read_text() == "mine"
