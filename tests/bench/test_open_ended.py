"""The open-ended task shown: what the tables, JSON, figure and examples say is what was found."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from personalign.bench.open_ended import (
    examples,
    levels_table,
    notes,
    open_ended_json,
    wins_svg,
    wins_table,
)
from personalign.bench.outcomes import share_text
from personalign.evaluation.contest import contest
from personalign.evaluation.open_ended_summary import OpenEnded, summarise_open_ended
from personalign.evaluation.statistics import Interval

METHODS = ("pas", "none", "few-shot [x]")


def raw(people: int = 5, items: int = 12) -> tuple[list[dict], list[dict], list[dict], list[dict]]:
    """Texts, two judges' verdicts and compared pairs; one text in ten is unjudged."""
    rng = np.random.default_rng(0)
    texts, one, other = [], [], []
    for number, method in enumerate(METHODS):
        for person in range(people):
            for item in range(items):
                place = {"person": f"p{person}", "item": item, "method": method}
                words = int(rng.integers(100, 300))
                texts.append(
                    {
                        **place,
                        "statement": f"Do thing {item}.",
                        "target": 1 + item % 5,
                        "text": f"{method} wrote <b>this</b>",
                        "words": words,
                        "tokens": 2 * words,
                        "parts": 4 - 2 * number,
                    }
                )
                score = (
                    None if rng.random() < 0.1 else int(rng.integers(2 - number // 2, 7 - number))
                )
                why = None if score else "unreadable after 3 tries"
                one.append({**place, "judge": "api:x", "score": score, "reason": why})
                other.append({**place, "judge": "api:y", "score": score or 3, "reason": None})
    compared = [
        {"person": row["person"], "a_first": "A", "b_first": rng.choice(["A", "B", "tie"])}
        | {"judge": "api:x", "a": "pas", "b": "none", "item": row["item"]}
        for row in texts[: people * items]
    ]
    return texts, one, other, compared


@pytest.fixture(scope="module")
def found() -> OpenEnded:
    texts, one, other, compared = raw()
    return summarise_open_ended(texts, one, second=other, compared=compared)


def shown(table: Table) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


def test_the_table_of_wins_has_every_other_method_and_its_shares(found: OpenEnded) -> None:
    text = shown(wins_table(found))
    rows = [line for line in text.splitlines() if re.match(r"(none|few-shot)", line)]
    assert (
        len(rows) == 2
        and "few-shot [x]" in rows[1]
        and "5 people" in text
        and "judge: api:x" in text
    )
    for line, one in zip(rows, found.contests, strict=True):
        assert share_text(one.shares.win) in line and share_text(one.shares.loss) in line
        assert f"{one.difference.mean:+.2f} (" in line and f" {one.left_out}" in line


def test_the_table_of_levels_has_every_method_with_its_lengths(found: OpenEnded) -> None:
    text = shown(levels_table(found))
    for level, length in zip(found.levels, found.lengths, strict=True):
        (line,) = [line for line in text.splitlines() if line.startswith(level.method)]
        assert level.level is not None and length.tokens is not None
        assert f" {level.level.mean:.2f} " in line and f" {length.tokens.mean:.1f} " in line
        assert f"{level.unjudged} of 60" in line


def test_nothing_judged_and_nothing_counted_are_dashes() -> None:
    texts, one, *_ = raw(people=1, items=2)
    for row in texts:
        row["tokens"] = None
    for row in one:
        row["score"], row["reason"] = (3, None) if row["method"] == "pas" else (None, "not asked")
    found = summarise_open_ended(texts, one)
    (line,) = [line for line in shown(levels_table(found)).splitlines() if line.startswith("none")]
    assert line.count("–") == 4 and "2 of 2" in line
    assert found.contests == ()
    assert any("none, 2 unjudged: not asked" in line for line in notes(found))


def test_the_notes_say_how_far_to_trust_the_judge(found: OpenEnded) -> None:
    text = " ".join(notes(found))
    assert "60 pairs" in text and "api:y on the same" in text and "quadratic kappa" in text
    assert "Texts of few-shot [x] have 0.0 of the four parts" in text
    assert "Texts of none" not in text
    assert "unreadable after 3 tries" in text and "six equal steps" not in text


def test_a_judge_that_is_no_reader_is_called_what_it_is() -> None:
    texts, one, *_ = raw()
    name = "likelihood of the answer under pocket"
    found = summarise_open_ended(texts, [{**row, "judge": name} for row in one])
    assert name in notes(found)[0] and "six equal steps" in notes(found)[0]
    assert f"judge: {name}" in shown(wins_table(found)) and name in shown(levels_table(found))


def test_the_json_holds_every_number_and_no_nan(found: OpenEnded) -> None:
    data = json.loads(json.dumps(open_ended_json(found), allow_nan=False))
    assert set(data["levels"]) == set(data["lengths"]) == set(METHODS)
    won = contest(raw()[1], "pas", "none")
    assert won is not None
    assert data["against"]["none"]["win"]["mean"] == pytest.approx(won.shares.win.mean, abs=1e-6)
    assert data["against"]["none"]["left_out"] == won.left_out
    assert found.position_bias is not None and found.agreement is not None
    assert data["position_bias"]["pairs"] == 60 and data["agreement"]["texts"] == sum(
        level.judged for level in found.levels
    )
    alone = summarise_open_ended(*raw(people=1, items=3)[:2])
    json.dumps(open_ended_json(alone), allow_nan=False)


def test_the_figure_shows_every_contest_in_words_too(found: OpenEnded) -> None:
    drawn = wins_svg(found)
    assert drawn.startswith("<svg ") and drawn.count("<svg") == 1
    for one in found.contests:
        assert f"against {one.other}: won {one.shares.win.mean:.0%}" in drawn
        assert f">against {one.other}<" in drawn
    assert ">won<" in drawn and ">lost<" in drawn


def test_shares_never_leave_0_and_1_and_one_person_has_no_interval() -> None:
    assert share_text(Interval(0.98, 0.9, 1.04, 3)) == "98% (90–100%)"
    assert share_text(Interval(0.5, float("nan"), float("nan"), 1)) == "50%"


def test_examples_show_all_methods_on_the_same_statements_evenly() -> None:
    texts, one, *_ = raw()
    chosen = examples(texts, one, number=3)
    assert [[e.method for e in group] for group in chosen] == [list(METHODS)] * 3
    assert [(group[0].person, group[0].statement) for group in chosen] == [
        ("p0", "Do thing 0."),
        ("p1", "Do thing 9."),
        ("p3", "Do thing 6."),
    ]
    assert chosen[0][0].target == "Very Inaccurate"
    scores = {(v["person"], v["item"], v["method"]): v["score"] for v in one}
    for group in chosen:
        for example in group:
            item = int(example.statement.split()[-1][:-1])
            score = scores[example.person, item, example.method]
            assert example.verdict.startswith("not judged: " if score is None else f"{score}, ")
    assert examples(texts, [], number=1)[0][0].verdict == "not judged"
    assert examples([], []) == []
