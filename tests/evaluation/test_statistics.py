"""Laws of the intervals and paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalign.errors import EvaluationError
from personalign.evaluation.statistics import (
    bootstrap_mean,
    paired_difference,
    sign_flip_p,
)

VALUES = st.lists(st.floats(-20, 20), min_size=2, max_size=30)


def test_interval_covers_the_mean_as_often_as_it_says():
    """95% of intervals hold the true mean, for few people and many, normal and skewed data."""
    rng = np.random.default_rng(0)
    for people, samples, draw in (
        (8, 400, rng.normal(size=(400, 8))),
        (60, 400, rng.normal(size=(400, 60))),
        (60, 400, rng.exponential(size=(400, 60)) - 1),
    ):
        intervals = [bootstrap_mean(row, seed=i, resamples=1000) for i, row in enumerate(draw)]
        covered = np.mean([i.low <= 0 <= i.high for i in intervals])
        # Three standard errors of a proportion of 0.95 over 400 samples, and skew's own share.
        assert 0.91 <= covered <= 0.985, (people, samples, covered)


def test_few_people_get_a_wider_interval_than_the_plain_percentile():
    values = np.random.default_rng(1).normal(size=6)
    resampled = np.random.default_rng(0).choice(values, (10_000, 6)).mean(axis=1)
    plain = np.diff(np.quantile(resampled, [0.025, 0.975]))[0]
    interval = bootstrap_mean(values)
    assert interval.high - interval.low > 1.15 * plain


@settings(max_examples=30, deadline=None)
@given(VALUES, st.floats(-50, 50))
def test_shifting_everybody_shifts_the_interval(values, shift):
    before = bootstrap_mean(values, resamples=500)
    after = bootstrap_mean(np.array(values) + shift, resamples=500)
    for name in ("mean", "low", "high"):
        assert math.isclose(getattr(after, name), getattr(before, name) + shift, abs_tol=1e-9)


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_same_seed_same_numbers_and_the_mean_lies_inside(values):
    interval = bootstrap_mean(values, seed=3, resamples=500)
    assert interval == bootstrap_mean(values, seed=3, resamples=500)
    assert interval.low <= interval.mean + 1e-9 and interval.high >= interval.mean - 1e-9


def test_another_seed_resamples_other_people():
    values = np.random.default_rng(0).normal(size=20)
    assert bootstrap_mean(values, seed=0) != bootstrap_mean(values, seed=1)


def test_people_without_a_value_are_left_out():
    values = [1.0, 2.0, 4.0]
    with_gap = bootstrap_mean([1.0, float("nan"), 2.0, 4.0])
    assert with_gap.people == 3
    assert with_gap == bootstrap_mean(values)


def test_one_person_has_a_mean_and_no_interval():
    interval = bootstrap_mean([2.5])
    assert interval.mean == 2.5 and math.isnan(interval.low) and math.isnan(interval.high)


def test_values_that_do_not_vary_have_an_interval_of_no_width():
    interval = bootstrap_mean([2.0] * 10)
    assert interval.ends == (2.0, 2.0)


@pytest.mark.parametrize("values", [[], [float("nan")] * 3])
def test_nobody_to_average_is_an_error(values):
    with pytest.raises(EvaluationError, match="no mean to give"):
        bootstrap_mean(values)


def test_a_table_instead_of_one_value_per_person_is_an_error():
    with pytest.raises(EvaluationError, match=r"shape \(2, 2\)"):
        bootstrap_mean(np.zeros((2, 2)))
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        bootstrap_mean([1.0, 2.0], level=95)


def test_a_paired_difference_is_antisymmetric_and_sees_through_people():
    """People differ far more than the methods do: only pairing shows the difference."""
    rng = np.random.default_rng(0)
    person = rng.normal(scale=5, size=40)
    a, b = person + rng.normal(scale=0.1, size=40), person + 0.3 + rng.normal(scale=0.1, size=40)
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert forth.clear and forth.interval.high < 0
    assert math.isclose(forth.mean, -back.mean)
    assert forth.p == back.p < 0.001
    assert bootstrap_mean(a).low < bootstrap_mean(b).mean < bootstrap_mean(a).high


def test_no_difference_is_not_clear():
    same = paired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert same.mean == 0 and not same.clear and same.p == 1.0


def test_pairs_need_the_same_people():
    with pytest.raises(EvaluationError, match="same people"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])


def test_a_person_missing_on_either_side_is_left_out_of_both():
    nan = float("nan")
    pair = paired_difference([1.0, nan, 3.0, 4.0], [2.0, 2.0, nan, 3.0])
    assert pair.interval.people == 2 and pair.mean == 0.0


def test_sampled_flips_agree_with_all_of_them():
    differences = np.random.default_rng(2).normal(0.4, 1, 12)
    exact = sign_flip_p(differences)  # 4,096 patterns, all of them
    sampled = sign_flip_p(differences, flips=4_000)
    assert abs(exact - sampled) < 0.03
    assert sign_flip_p(differences, flips=4_000, seed=1) != sampled


def test_p_is_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(4)
    p = [sign_flip_p(row) for row in rng.normal(size=(300, 9))]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
