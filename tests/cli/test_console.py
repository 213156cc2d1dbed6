"""JSON files are whole or absent; progress takes (done, total)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from personalign.cli.console import progress, write_json


def test_write_json_makes_folders_and_reads_back(tmp_path: Path) -> None:
    data = {"methods": {"pas": {"composite": 2.3, "ci95": [2.2, 2.4]}}, "name": "Zoë"}
    path = write_json(tmp_path / "new" / "scores.json", data)
    assert json.loads(path.read_text(encoding="utf-8")) == data


@pytest.mark.parametrize("data", [{"a": object()}, {"a": math.nan}])
def test_what_json_cannot_hold_leaves_the_old_file(tmp_path: Path, data: object) -> None:
    path = write_json(tmp_path / "scores.json", {"kept": True})
    with pytest.raises((TypeError, ValueError)):
        write_json(path, data)
    assert json.loads(path.read_text(encoding="utf-8")) == {"kept": True}
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "scores.json").mkdir()
    with pytest.raises(OSError):
        write_json(tmp_path / "scores.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]


def test_progress_counts() -> None:
    with progress("Asking 2 people") as advance:
        advance(1, 2)
        advance(2, 2)
