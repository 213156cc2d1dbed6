"""The way from a finished questionnaire to the first reply is one that the site lets people go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")


@pytest.mark.slow
def test_somebody_gets_from_the_questionnaire_to_an_aligned_word(
    repository: Path, tmp_path: Path
) -> None:
    """In a process of its own: the server it starts ends with it."""
    told = tmp_path / "figures.json"
    script = repository / "benchmarks" / "site_first_reply.py"
    command = [sys.executable, str(script), "--people", "1", "--read", "0", "--json", str(told)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository)
    assert done.returncode in (0, 1), done.stderr  # 1: not as quick as it should be
    (parts,) = json.loads(told.read_text())
    assert parts["first"] == pytest.approx(parts["begin"] + parts["making"] + parts["word"])
    assert all(seconds > 0 for seconds in parts.values())
