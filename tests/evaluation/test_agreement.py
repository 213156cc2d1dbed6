"""Two judges: kappa as scikit-learn has it, at its ends, and with an interval over people."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from personalign.errors import EvaluationError
from personalign.evaluation.agreement import judge_agreement, weighted_kappa


def verdicts(judge: str, scores: list, people: int = 10) -> list[dict]:
    return [
        {
            "person": f"p{place % people}",
            "item": place // people,
            "method": "pas",
            "judge": judge,
            "score": score,
        }
        for place, score in enumerate(scores)
    ]


@pytest.mark.parametrize("spread", [0, 1, 3])
def test_kappa_is_scikit_learns(spread: int) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(1, 7, 60)
    other = np.clip(one + rng.integers(-spread, spread + 1, 60), 1, 6)
    theirs = cohen_kappa_score(one, other, labels=range(1, 7), weights="quadratic")
    assert weighted_kappa(one, other) == pytest.approx(theirs)


def test_agreeing_judges_strangers_and_opposites() -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(1, 7, 200).tolist()
    same = judge_agreement(verdicts("x", scores), verdicts("y", scores))
    assert same.judges == ("x", "y") and same.same == 1 and same.texts == 200
    assert same.kappa is not None and same.kappa.ends == (1, 1)
    stranger = judge_agreement(
        verdicts("x", scores), verdicts("y", rng.integers(1, 7, 200).tolist())
    )
    assert stranger.kappa is not None and stranger.kappa.low < 0 < stranger.kappa.high
    opposite = judge_agreement(verdicts("x", scores), verdicts("y", [7 - s for s in scores]))
    assert opposite.kappa is not None and opposite.kappa.high < -0.8


def test_rows_are_matched_by_text_and_unjudged_ones_left_out() -> None:
    one = verdicts("x", [1, 2, 3, 4, None, 6] * 5)
    other = verdicts("y", [1, 2, 4, 4, 5, None] * 5)
    found = judge_agreement(one, other[::-1])
    assert found == judge_agreement(one, other)
    assert found.texts == 20 and found.same == pytest.approx(15 / 20)


def test_one_level_for_everything_has_no_kappa() -> None:
    found = judge_agreement(verdicts("x", [3] * 20), verdicts("y", [3] * 20))
    assert found.kappa is None and found.same == 1


def test_judges_of_different_texts_are_refused() -> None:
    one, other = verdicts("x", [1, 2]), verdicts("y", [None, None])
    with pytest.raises(EvaluationError, match="none of them both"):
        judge_agreement(one, other)
