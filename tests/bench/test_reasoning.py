"""Tables, JSON and figures of reasoning say what the scores say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from personalign.bench.reasoning import (
    accuracy_table,
    notes,
    people_table,
    reasoning_figure,
    reasoning_inline,
    reasoning_json,
    replies_table,
)
from personalign.dataset.plots.style import figure_svg
from personalign.evaluation.reasoning import Reasoning, summarise_people, summarise_reasoning

MARKS = {
    "base": {"gsm8k": "++++-----?", "coin": "++--------"},
    "C+1": {"gsm8k": "+++++++---", "coin": "++--------"},
    "C-1": {"gsm8k": "+---------", "coin": "??????????"},
}


def summary(**fields: Any) -> Reasoning:
    return summarise_reasoning(
        {
            "persona": persona,
            "task": task,
            "prompting": "zero-shot",
            "id": str(place),
            "prompt": str(place),
            "answer": None if mark == "?" else "1",
            "right": mark == "+",
            "original_right": mark == "+",
            "seconds": 1.25,
            **fields,
        }
        for persona, tasks in MARKS.items()
        for task, marks in tasks.items()
        for place, mark in enumerate(marks)
    )


def text(table: Table) -> str:
    console = Console(width=160, record=True)
    console.print(table)
    return console.export_text()


def test_the_table_has_every_score_and_its_test() -> None:
    shown = text(accuracy_table(summary()))
    lines = {line.split("  ")[0].strip(): line for line in shown.splitlines()}
    assert "40.0 ±16.3" in lines["GSM8K"]
    # three gained, none lost; then none gained, three lost
    assert "70.0 ±15.3  +30.0 (p 0.25)" in lines["GSM8K"]
    assert "10.0 ±10.0  -30.0 (p 0.25)" in lines["GSM8K"]
    assert "20.0 ±13.3  +0.0 (p 1)" in lines["Coin flip"]
    assert "all questions" in lines and "45.0 ±11.4" in lines["all questions"]


def test_unreadable_replies_and_seconds_stand_beside_the_plain_models() -> None:
    shown = text(replies_table(summary()))
    assert re.search(r"Coin flip +0.0% +1.2 +0.0% +1.2 +100.0% +1.2", shown)
    unmeasured = summary(seconds=None)
    assert "–" in text(replies_table(unmeasured))
    assert any("not measured" in line for line in notes(unmeasured))
    assert not any("not measured" in line for line in notes(summary()))
    few = summary(prompting="few-shot")
    assert any("left out" in line for line in notes(few))


def test_json_is_whole() -> None:
    found = summary()
    people = summarise_people(found, {"pas": ["C+1", "C-1"]})
    told = json.loads(json.dumps(reasoning_json(found, people), allow_nan=False))
    assert set(told["tasks"]) == {"gsm8k", "coin", "all"}
    other = told["tasks"]["gsm8k"]["C+1"]
    assert other["accuracy"] == 0.7 and other["mcnemar"] == {"gained": 3, "lost": 0, "p": 0.25}
    assert other["seconds_per_sample"] == other["base_seconds_per_sample"] == 1.25
    assert told["tasks"]["coin"]["C-1"]["unreadable"] == 10
    assert told["tasks"]["coin"]["base"]["mcnemar"] is None
    assert told["people"]["pas"]["gsm8k"]["accuracy"]["mean"] == pytest.approx(0.4)
    shown = text(people_table(people))
    assert "mean over 2" in shown and "40.0 (" in shown and "+0.0 (" in shown


def test_the_figure_has_a_panel_a_task_and_a_dashed_line() -> None:
    found = summary()
    figure = reasoning_figure(found, model="fake")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["GSM8K (40.0)", "Coin flip (20.0)"]
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [set(line.get_ydata()) for line in dashed] == [{40.0}]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["C+1", "C-1"]
    numbers = {one.get_text() for one in figure.axes[0].texts}
    assert numbers == {"70.0", "10.0"}
    assert figure_svg(figure) == figure_svg(reasoning_figure(found, model="fake"))


def test_the_inline_figure_follows_the_page() -> None:
    drawn = reasoning_inline(summary())
    assert drawn.startswith("<svg") and "var(--accent)" in drawn and "#0404" not in drawn
    assert "GSM8K base 40.0%, C+1 70.0%, C-1 10.0%" in drawn
