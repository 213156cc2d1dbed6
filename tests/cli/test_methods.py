"""`personalign methods`: every method and reference row, with a line each."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from personalign.cli.methods import methods
from personalign.methods.reference import REFERENCES, reference_methods
from personalign.methods.registry import METHODS

APP = typer.Typer()
APP.command()(methods)


def test_every_method_and_reference_row_is_listed(tmp_path: Path) -> None:
    result = CliRunner().invoke(APP, ["--json", str(tmp_path / "methods.json")])
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.replace("│", " ").split())
    for name in (*METHODS, *REFERENCES):
        assert name in said
    written = json.loads((tmp_path / "methods.json").read_text())
    assert written["methods"]["pas"] == METHODS["pas"].description
    assert set(written["references"]) == set(REFERENCES)


def test_the_reference_rows_are_the_ones_that_are_run() -> None:
    from personalign.dataset.simulate import simulate

    run = {type(method) for method in reference_methods(simulate(20, seed=0))}
    assert run == set(REFERENCES.values())
