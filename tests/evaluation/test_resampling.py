"""Intervals of figures over rows: people are drawn whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from personalign.evaluation.resampling import bootstrap_people, spearman
from personalign.evaluation.statistics import bootstrap_mean


def test_of_a_mean_it_is_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=20)
    mine = bootstrap_people(
        [str(i) for i in range(20)], lambda rows: values[rows].mean(), draws=8000
    )
    theirs = bootstrap_mean(values)
    assert mine.mean == pytest.approx(theirs.mean)
    np.testing.assert_allclose(mine.ends, theirs.ends, atol=0.03)


def test_a_person_is_drawn_with_every_row() -> None:
    people = ["a", "b", "a", "c", "a"]

    def whole(rows: np.ndarray) -> float:
        drawn = [people[row] for row in rows]
        assert drawn.count("a") % 3 == 0
        return float(len(drawn))

    assert bootstrap_people(people, whole, draws=50).people == 3


def test_repeating_everybodys_rows_makes_nobody_surer() -> None:
    values = np.random.default_rng(1).normal(size=12)
    once = bootstrap_people([str(i) for i in range(12)], lambda rows: values[rows].mean())
    many = np.repeat(values, 50)
    often = bootstrap_people([str(i // 50) for i in range(600)], lambda rows: many[rows].mean())
    np.testing.assert_allclose(once.ends, often.ends)


def test_the_same_seed_gives_the_same_interval_and_another_a_slightly_different_one() -> None:
    values = np.random.default_rng(2).normal(size=9)
    people = [str(i) for i in range(9)]
    one, again, other = (
        bootstrap_people(people, lambda rows: values[rows].mean(), seed=s) for s in (0, 0, 1)
    )
    assert one == again and one.ends != other.ends


def test_one_person_or_no_figure_has_no_interval() -> None:
    alone = bootstrap_people(["a", "a"], lambda rows: 3.0)
    assert alone.mean == 3 and math.isnan(alone.low)
    nothing = bootstrap_people(["a", "b"], lambda rows: float("nan"))
    assert math.isnan(nothing.mean) and math.isnan(nothing.low)


def test_rank_correlation_is_scipys_with_ties_too() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 5, 50).astype(float), rng.normal(size=50)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert math.isnan(spearman(a, np.ones(50)))
