"""The claim of adaptive testing, on simulated people and a predictor that asks no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.adaptive import Point, compare, draw, known_by, orders
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.methods.reference import Ridge


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(600, seed=2024)


@pytest.fixture(scope="module")
def asked(people) -> dict[str, np.ndarray]:
    return orders(people, seed=1, count=30)


def test_everybody_is_known_by_that_many_answers_of_the_120(people, asked) -> None:
    held_out = people.inventory.columns(people.inventory.held_out)
    for order in asked.values():
        known = known_by(people, order, 20).responses
        assert ((known > 0).sum(axis=1) == 20).all()
        assert not known[:, held_out].any()
        assert np.array_equal(known[known > 0], people.responses[known > 0])


def test_at_30_answers_adaptive_order_beats_random_order(people, asked) -> None:
    ridge = Ridge(simulate(3000, seed=1_000_003))
    (point,) = compare(ridge, people, asked, counts=[30])
    assert point.difference < 0
    assert point.interval[1] < 0, f"the interval {point.interval} does not leave zero out"


def test_the_figure_is_drawn_both_ways(tmp_path: Path) -> None:
    points = [
        Point(name, n, 5, 2.0, (1.9, 2.1), 2.2, (2.1, 2.3), -0.2, (-0.3, -0.1))
        for name in ("ridge", "pas")
        for n in (10, 30)
    ]
    draw(points, tmp_path / "figure.png")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["figure.png", "figure.svg"]
    assert "<svg" in (tmp_path / "figure.svg").read_text()
