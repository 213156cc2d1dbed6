"""The JSON has what it promises, and sentences say what the intervals say."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np

from personalign import __version__
from personalign.bench.rows import Evaluation
from personalign.bench.summary import findings, setting, to_json
from personalign.evaluation.statistics import Interval, PairedDifference


def difference(mean: float, half: float) -> PairedDifference:
    return PairedDifference(Interval(mean, mean - half, mean + half, people=9), p=0.01)


def test_the_json_says_what_was_done_and_what_came_out(evaluation: Evaluation) -> None:
    found = json.loads(json.dumps(to_json(evaluation), allow_nan=False))
    assert found["protocol"] == "honest"
    assert found["version"] == __version__
    assert (found["seed"], found["wording"], found["decision"]) == (1, "papi", "mode")
    assert found["model_fingerprint"] == evaluation.fingerprint
    assert found["people"]["count"] == 4
    missing = int((evaluation.own == 0).sum())
    assert found["held_out"] == {"items": 180, "answered": 720 - missing, "missing": missing}
    assert list(found["methods"]) == ["none", "sketch"]
    assert set(found["references"]) == {row.name for row in evaluation.references}
    for row in (*found["methods"].values(), *found["references"].values()):
        assert math.isclose(sum(row["traits"].values()), row["composite"], abs_tol=1e-4)
        assert row["ci95"][0] <= row["composite"] <= row["ci95"][1]
        assert (row["people"], row["unparsed"], row["missing"]) == (4, 0, missing)
        assert row["seconds_per_person"] >= 0
    sketch = found["methods"]["sketch"]
    assert sketch["settings"] == {"heads": 2}
    assert 0 < sketch["label_mass"] <= 1
    assert 0 < sketch["tuning_composite"] < 20
    assert sketch["peak_memory_bytes_per_person"] is None or (
        sketch["peak_memory_bytes_per_person"] >= 0
    )
    assert sketch["training"] is None
    assert set(sketch["swap"]) == {"composite", "ci95", "difference"}
    assert set(sketch["paired"]["none"]) == {"mean", "ci95", "p", "people"}
    assert found["methods"]["none"]["swap"] is None
    assert "60" not in found["references"]["facet mean"] and (
        found["references"]["ridge"]["fitted_on"] == "simulated, seed 4"
    )


def test_sentences_follow_the_intervals(evaluation: Evaluation) -> None:
    row = evaluation.row("sketch")
    assert row.swap is not None
    made_up = replace(
        row,
        paired={
            "none": difference(-0.5, 0.2),
            "constant 3": difference(-1.0, 0.3),
            "item median": difference(-0.1, 0.3),
            "trait mean": difference(-0.4, 0.1),
            "facet mean": difference(0.1, 0.2),
            "ridge": difference(0.6, 0.1),
        },
        swap=replace(row.swap, difference=difference(1.2, 0.2)),
    )
    (text,) = findings(replace(evaluation, methods=(made_up,)))
    assert "0.50 less than the plain model [0.30, 0.70]" in text
    assert "closer to the people than constant 3 and trait mean" in text
    assert "not clearly different from item median and facet mean" in text
    assert "farther off than ridge." in text
    assert "a difference of 1.20 [1.00, 1.40]: it fits its own person." in text

    impersonal = replace(made_up, swap=replace(row.swap, difference=difference(0.1, 0.2)))
    (text,) = findings(replace(evaluation, methods=(impersonal,)))
    assert "[-0.10, 0.30]: it is not shown to be personal." in text


def test_the_best_method_is_told_first(evaluation: Evaluation) -> None:
    first = min(evaluation.methods, key=lambda row: row.score.composite)
    assert findings(evaluation)[0].startswith(first.name)


def test_the_setting_names_everything_a_reader_must_know(evaluation: Evaluation) -> None:
    text = setting(evaluation)
    missing = np.count_nonzero(evaluation.own == 0)
    for part in ("4 people", "180 held-out", "other 120", evaluation.fingerprint[:12], "seed 1"):
        assert part in text
    assert f"{missing} answers missing and 0 unparsed" in text
