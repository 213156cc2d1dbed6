"""Lengths, and the length bias a judge has or has not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from personalign.errors import EvaluationError
from personalign.evaluation.lengths import length_bias, lengths
from personalign.evaluation.statistics import bootstrap_mean


def rows(method: str, people: int = 8, items: int = 10, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {
            "person": f"p{person}",
            "item": item,
            "method": method,
            "words": int(rng.integers(50, 500)),
            "tokens": int(rng.integers(80, 700)),
            "parts": item % 5,
        }
        for person in range(people)
        for item in range(items)
    ]


def judged(texts: list[dict], level) -> list[dict]:
    return [
        {**{k: row[k] for k in ("person", "item", "method")}, "judge": "j", "score": level(row)}
        for row in texts
    ]


def test_means_are_over_people() -> None:
    texts = rows("pas") + rows("none", seed=1)
    found = lengths(texts)
    assert [one.method for one in found] == ["pas", "none"]
    words = [np.mean([r["words"] for r in texts[:80] if r["person"] == f"p{p}"]) for p in range(8)]
    assert found[0].words == bootstrap_mean(words)
    assert found[0].with_level is None and found[0].texts == 80 and found[0].parts == 2


def test_tokens_that_were_not_counted_have_no_mean() -> None:
    texts = rows("pas")
    texts[3]["tokens"] = None
    assert lengths(texts)[0].tokens is None and lengths(texts)[0].words is not None


def test_it_is_scipys_correlation() -> None:
    texts = rows("pas")
    rng = np.random.default_rng(5)
    verdicts = judged(texts, lambda row: int(rng.integers(1, 7)))
    expected = stats.spearmanr(
        [r["words"] for r in texts], [v["score"] for v in verdicts]
    ).statistic
    found = length_bias(texts, verdicts)
    assert found is not None and found.mean == pytest.approx(expected)
    assert found.low < found.mean < found.high and found.people == 8
    assert found.low < 0 < found.high  # random levels


def test_a_judge_who_rewards_length_is_found_out() -> None:
    texts = rows("pas") + rows("none", seed=1)
    loves = judged(texts, lambda row: 1 + min(5, row["words"] // 90))
    hates = judged(texts, lambda row: 6 - min(5, row["words"] // 90))
    love, hate = length_bias(texts, loves), length_bias(texts, hates)
    assert love is not None and hate is not None
    assert love.low > 0.9 and hate.high < -0.9
    assert all(
        one.with_level is not None and one.with_level.low > 0.9 for one in lengths(texts, loves)
    )


def test_verdicts_are_matched_to_texts_not_to_places() -> None:
    texts = rows("pas")
    loves = judged(texts, lambda row: 1 + min(5, row["words"] // 90))
    assert length_bias(texts, loves[::-1]) == length_bias(texts, loves)


def test_unjudged_texts_are_left_out_and_nothing_is_no_correlation() -> None:
    texts = rows("pas")
    half = judged(texts, lambda row: None if row["item"] % 2 else 1 + row["words"] % 6)
    only = [r for r in texts if r["item"] % 2 == 0]
    assert length_bias(texts, half) == length_bias(only, [v for v in half if v["score"]])
    assert length_bias(texts, judged(texts, lambda row: 3)) is None
    assert length_bias(texts, []) is None


def test_two_verdicts_on_one_text_are_refused() -> None:
    texts = rows("pas", people=1, items=1)
    with pytest.raises(EvaluationError, match="two verdicts"):
        length_bias(texts, judged(texts, lambda row: 3) * 2)
