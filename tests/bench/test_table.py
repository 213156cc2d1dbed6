"""The table fits a terminal, is sorted, and marks what must be marked."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from personalign.bench.evaluate import Evaluation
from personalign.bench.table import best_first, notes, table


def printed(evaluation: Evaluation, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(evaluation, narrow=width < 94))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_every_number_is_there_and_nothing_is_cut(evaluation: Evaluation, width: int) -> None:
    text = printed(evaluation, width)
    assert "…" not in text
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    for row in (*evaluation.methods, *evaluation.references):
        (line,) = [line for line in text.splitlines() if line.startswith(row.name + " ")]
        assert f"{row.score.composite:.2f}" in line
        assert f"{row.score.interval.low:.2f}–{row.score.interval.high:.2f}" in line
        for value in row.score.traits.values():
            assert f"{value:.2f}" in line


def test_rows_are_sorted_methods_above_references(evaluation: Evaluation) -> None:
    lines = printed(evaluation, 120).splitlines()
    expected = [
        r.name for r in (*best_first(evaluation.methods), *best_first(evaluation.references))
    ]
    starts = [next(i for i, line in enumerate(lines) if line.startswith(n + " ")) for n in expected]
    assert starts == sorted(starts)


def test_the_papers_protocol_is_marked(evaluation: Evaluation) -> None:
    first, second = evaluation.methods
    marked = replace(evaluation, methods=(first, replace(second, protocol="paper")))
    assert "sketch (paper)" in printed(marked, 120)
    assert any("tunes on the scored items" in line for line in notes(marked))
    assert not any("tunes on the scored items" in line for line in notes(evaluation))


def test_fitted_rows_name_their_population(evaluation: Evaluation) -> None:
    assert "item median, ridge: fitted on simulated, seed 4." in notes(evaluation)
