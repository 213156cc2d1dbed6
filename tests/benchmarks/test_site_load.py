"""The claim of the load benchmark, with few people: a killed server loses no confirmed answer."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from benchmarks.site_load import Figures, measure, started
from tests.web.postgres import server_programs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_killed_server_loses_no_confirmed_answer(kind: str, tmp_path: Path, model: Path) -> None:
    if kind == "postgresql" and server_programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with started(kind, tmp_path) as url:
        figures: Figures = measure(
            kind,
            tmp_path,
            url,
            people=4,
            seconds=300,
            think=0.02,
            kill=1.0,
            model=str(model),
            seed=1,
        )
    assert figures.retried > 0, "the server was killed while people were answering"
    assert figures.errors == {}
    assert figures.confirmed == 4 * 120
    assert figures.lost == 0
