"""The table fits a terminal, is sorted, and marks what must be marked."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from personalign.bench.rows import Evaluation, Row
from personalign.bench.table import FULL, best_first, notes, tables, training_table
from personalign.evaluation.statistics import paired_difference


def printed(evaluation: Evaluation, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    for table in tables(evaluation, width=width):
        console.print(table)
    return console.export_text()


def with_pas(evaluation: Evaluation) -> Evaluation:
    """The same, with the sketch called pas, so that the others are compared with it."""
    plain, sketch = evaluation.methods
    gap = paired_difference(plain.score.per_person, sketch.score.per_person)
    return replace(
        evaluation,
        methods=(replace(plain, paired={"pas": gap}), replace(sketch, name="pas", paired={})),
    )


def trained(row: Row, losses: list[float]) -> Row:
    """The row as if an adapter had been trained for each person."""
    curve = [{"step": 10 * step, "loss": loss} for step, loss in enumerate(losses, start=1)]
    records: tuple[dict[str, Any], ...] = tuple(
        {**record, "provenance": {**record["provenance"], "training": curve}}
        for record in row.records
    )
    return replace(row, records=records)


@pytest.mark.parametrize("width", [80, 120, 160])
def test_every_number_is_there_and_nothing_is_cut(evaluation: Evaluation, width: int) -> None:
    text = printed(evaluation, width)
    assert "…" not in text
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    for row in (*evaluation.methods, *evaluation.references):
        lines = [line for line in text.splitlines() if line.startswith(row.name + " ")]
        assert len(lines) == (1 if width >= FULL else 2)
        line = " ".join(lines)
        assert f"{row.score.composite:.2f}" in line
        assert f"{row.score.interval.low:.2f}–{row.score.interval.high:.2f}" in line
        for value in row.score.traits.values():
            assert f"{value:.2f}" in line


def test_rows_are_sorted_methods_above_references(evaluation: Evaluation) -> None:
    lines = printed(evaluation, 160).splitlines()
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


def test_the_pocket_models_rows_say_what_they_do_not_show(evaluation: Evaluation) -> None:
    pocket, other = (replace(evaluation, model=name) for name in ("pocket", "my-model"))
    assert any("to be pushed as pas pushes" in line for line in notes(pocket))
    assert not any("to be pushed as pas pushes" in line for line in notes(other))


def test_fitted_rows_name_their_population(evaluation: Evaluation) -> None:
    assert "item median, ridge: fitted on simulated, seed 4." in notes(evaluation)


@pytest.mark.parametrize("width", [80, 160])
def test_the_others_are_compared_with_pas(evaluation: Evaluation, width: int) -> None:
    assert "minus" not in printed(evaluation, width)
    compared = with_pas(evaluation)
    text = printed(compared, width)
    gap = compared.row("none").paired["pas"].interval
    assert "minus" in text and "…" not in text
    assert f"{gap.mean:+.2f}" in text and f"{gap.low:+.2f} {gap.high:+.2f}" in text
    assert any(line.startswith("minus pas:") for line in notes(compared))
    assert not any(line.startswith("minus pas:") for line in notes(evaluation))


def test_own_items_and_memory_are_shown(evaluation: Evaluation) -> None:
    text = printed(evaluation, 160)
    for row in evaluation.methods:
        (line,) = [line for line in text.splitlines() if line.startswith(row.name + " ")]
        assert row.tuning is not None and f" {row.tuning.composite:.2f} " in line
    assert "MiB" in text and "own" in text


def test_training_is_told_where_there_was_some(evaluation: Evaluation) -> None:
    assert training_table(evaluation) is None
    plain, sketch = evaluation.methods
    both = replace(evaluation, methods=(plain, trained(sketch, [0.9, 0.7, 0.25])))
    table = training_table(both)
    assert table is not None
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table)
    (line,) = [x for x in console.export_text().splitlines() if x.startswith("sketch ")]
    assert "loss" in line and "0.9" in line and "0.25" in line and "4 of 4" in line
    assert plain.tuning is not None and f"{plain.tuning.composite:.2f}" in line
