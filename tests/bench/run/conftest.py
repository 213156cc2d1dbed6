"""A small run on a tiny random model, and what compares two folders of rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TOML = """
title = "A small run"
block = 2
seeds = [0, 1]

[model]
name = "{model}"

[people]
simulated = 3
seed = 3

[methods]
names = ["none", "few-shot"]
settings.few-shot.answers = 10
settings.few-shot.order = "random"

[evaluations.aligned]
"""


@pytest.fixture
def toml(model: Path, tmp_path: Path) -> Path:
    """Two methods, two seeds, three people in blocks of two: eight blocks."""
    path = tmp_path / "small.toml"
    path.write_text(TOML.format(model=model))
    return path


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Path], dict[str, bytes]]:
    """The bytes of every file of rows in a run's folder, by its name."""

    def read(folder: Path) -> dict[str, bytes]:
        found = {
            str(path.relative_to(folder)): path.read_bytes()
            for pattern in ("*/*.npz", "*/key.json", "*/finished.json")
            for path in sorted(folder.glob(pattern))
        }
        assert found
        return found

    return read
