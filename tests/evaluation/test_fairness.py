"""Scores by group: sizes that add up, gaps that are found, chance that is chance."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents, demographics_table
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation import fairness as room
from personalign.evaluation.fairness import (
    MINIMUM,
    OTHERS,
    fairness,
    groups_of,
    permutation_p,
    split_scores,
)
from personalign.evaluation.statistics import bootstrap_mean


def of(sex: list, age: list, country: list) -> Respondents:
    table = demographics_table(sex, age, country)
    responses = np.full((len(sex), 300), 3, np.int8)
    return Respondents(responses, tuple(map(str, range(len(sex)))), table)


def test_everybody_is_in_one_group_or_counted_elsewhere() -> None:
    people = simulate(200, seed=5)
    scores = np.random.default_rng(0).normal(size=200)
    scores[:7] = np.nan
    for split in fairness(scores, people):
        shown = sum(interval.people for interval in split.groups.values())
        assert shown + sum(split.left_out.values()) + split.unknown + split.unscored == 200
        assert split.unscored == 7
        assert min(interval.people for interval in split.groups.values()) >= MINIMUM
        assert sum(split.pooled.values()) <= split.groups.get(OTHERS, bootstrap_mean([0])).people


def test_groups_are_those_of_the_demographics() -> None:
    people = of(["male", None, "female"], [9, 20, None], ["USA", " ", "UK"])
    assert groups_of(people, "sex") == ["male", None, "female"]
    assert groups_of(people, "age") == ["0-9", "20-29", None]
    assert groups_of(people, "country") == ["USA", None, "UK"]
    nothing = Respondents(people.responses, people.ids)
    assert groups_of(nothing, "sex") == [None] * 3


def test_means_and_intervals_are_the_groups_own() -> None:
    people = of(["male", "female"] * 10, [25] * 20, ["USA"] * 20)
    scores = np.arange(20.0)
    split = fairness(scores, people, by=["sex"], seed=2)[0]
    assert split.groups["male"] == bootstrap_mean(scores[::2], seed=2)
    assert split.groups["female"] == bootstrap_mean(scores[1::2], seed=2)
    assert split.gap is not None
    assert (split.gap.high, split.gap.low, split.gap.difference) == ("female", "male", 1.0)
    assert split.gap.p > 0.5


def test_a_planted_gap_is_found_and_named() -> None:
    rng = np.random.default_rng(1)
    groups = ["a", "b", "c"] * 20
    scores = rng.normal(size=60) + np.array([0, 0, 1.5] * 20)
    split = split_scores(scores, groups, by="letter")
    assert split.gap is not None and split.gap.high == "c" and split.gap.p < 0.001


def test_p_is_uniform_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 data sets without a gap, groups of very different sizes: p < 0.05 about as often."""
    monkeypatch.setattr(room, "PERMUTATIONS", 199)
    codes = np.repeat([0, 1, 2], [5, 10, 25])
    rng = np.random.default_rng(7)
    found = np.array([permutation_p(rng.exponential(size=40), codes, seed=s) for s in range(300)])
    assert abs((found <= 0.05).mean() - 0.05) < 0.03
    assert abs((found <= 0.5).mean() - 0.5) < 0.08
    assert found.min() >= 1 / 200


def test_p_is_that_of_all_deals_counted_by_hand() -> None:
    values, codes = np.array([1.0, 2.0, 4.0, 9.0, 3.0]), np.array([0, 0, 1, 1, 2])

    def gap(dealt: np.ndarray) -> float:
        means = [dealt[codes == code].mean() for code in range(3)]
        return max(means) - min(means)

    every = [gap(np.array(dealt)) for dealt in permutations(values)]
    exact = np.mean(np.array(every) >= gap(values) - 1e-9)
    assert permutation_p(values, codes) == pytest.approx(exact, abs=0.015)


def test_other_names_and_shifted_scores_change_nothing() -> None:
    scores = np.random.default_rng(3).normal(size=40)
    groups = ["a", "b", "c", "d"] * 10
    renamed = {"a": "z", "b": "y", "c": "x", "d": "w"}
    one = split_scores(scores, groups, by="letter", seed=5)
    other = split_scores(scores + 10, [renamed[g] for g in groups], by="letter", seed=5)
    assert one.gap is not None and other.gap is not None
    assert other.gap.p == one.gap.p
    assert (other.gap.high, other.gap.low) == (renamed[one.gap.high], renamed[one.gap.low])
    for name, interval in one.groups.items():
        assert other.groups[renamed[name]].mean == pytest.approx(interval.mean + 10)
        assert other.groups[renamed[name]].low == pytest.approx(interval.low + 10)


def test_a_constant_score_has_no_gap() -> None:
    split = split_scores(np.full(20, 2.5), ["a", "b"] * 10, by="letter")
    assert split.gap is not None and split.gap.difference == 0 and split.gap.p == 1


def test_small_groups_are_left_out_or_pooled_and_listed() -> None:
    groups = ["big"] * 8 + ["mid"] * 5 + ["x"] * 3 + ["y"] * 2 + [None] * 2
    scores = np.arange(20.0)
    apart = split_scores(scores, groups, by="country")
    assert list(apart.groups) == ["big", "mid"]
    assert apart.left_out == {"x": 3, "y": 2} and not apart.pooled and apart.unknown == 2
    together = split_scores(scores, groups, by="country", pool=True)
    assert list(together.groups) == ["big", "mid", OTHERS]
    assert together.pooled == {"x": 3, "y": 2} and not together.left_out
    assert together.groups[OTHERS].mean == np.arange(13.0, 18).mean()
    few = split_scores(scores[:16], groups[:16], by="country", pool=True)
    assert few.left_out == {"x": 3} and not few.pooled


def test_a_group_that_is_called_other_takes_the_small_ones_in() -> None:
    groups = ["big"] * 6 + [OTHERS] * 5 + ["x"] * 2
    split = split_scores(np.arange(13.0), groups, by="country", pool=True)
    assert split.pooled == {"x": 2} and split.groups[OTHERS].people == 7
    small = split_scores(np.arange(11.0), ["big"] * 6 + [OTHERS] * 3 + ["x"] * 2, by="c", pool=True)
    assert small.pooled == {OTHERS: 3, "x": 2} and small.groups[OTHERS].people == 5
    few = split_scores(np.arange(10.0), ["big"] * 6 + [OTHERS] * 3 + ["x"], by="c", pool=True)
    assert few.left_out == {OTHERS: 3, "x": 1} and list(few.groups) == ["big"]


def test_one_group_has_no_gap_and_age_bands_are_in_order() -> None:
    people = of(["male"] * 20, [35] * 10 + [12] * 5 + [105] * 5, ["USA"] * 20)
    sex, age, _ = fairness(np.arange(20.0), people)
    assert sex.gap is None
    assert list(age.groups) == ["10-19", "30-39", "100-109"]


def test_what_cannot_be_split_is_refused() -> None:
    people = simulate(3)
    with pytest.raises(EvaluationError, match="'shoe size'; choose sex, age, country"):
        fairness(np.ones(3), people, by=["shoe size"])
    with pytest.raises(EvaluationError, match=r"shape \(2,\) and there are 3 people"):
        fairness(np.ones(2), people)
    with pytest.raises(EvaluationError, match="give 2 or more"):
        fairness(np.ones(3), people, minimum=1)


def test_the_released_people_have_their_groups(released: Path) -> None:
    people = read_people(released / "papi" / "respondents_dev.json", coordinate="keyed")
    sex, _, country = fairness(np.arange(float(len(people))), people)
    assert {name: interval.people for name, interval in sex.groups.items()} == {
        "female": 103,
        "male": 47,
    }
    assert country.groups["USA"].people == 117 and country.pooled
