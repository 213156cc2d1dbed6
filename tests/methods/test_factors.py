"""What answers have in common is found again, and a person is placed by what they answered only."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.errors import MethodError
from personalign.methods.factors import Factors

ITEMS, DIALS = 24, 3


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, np.ndarray]:
    """(people, items) answers made of three factors, and the factors."""
    random = np.random.default_rng(0)
    loadings = random.normal(size=(ITEMS, DIALS)) * 0.5
    stand = random.normal(size=(3000, DIALS))
    felt = 3.2 + stand @ loadings.T + 0.6 * random.normal(size=(3000, ITEMS))
    return np.clip(np.round(felt), 1, 5).astype(np.int8), stand


@pytest.fixture(scope="module")
def known(population) -> Factors:
    return Factors.fit(population[0], DIALS)


def by_gauss(known: Factors, answers: np.ndarray) -> np.ndarray:
    """E[f | answers] by conditioning a joint normal distribution, without any shortcut."""
    there = answers > 0
    loadings = known.loadings[there].astype(float)
    of_answers = loadings @ loadings.T + np.diag(known.noise[there].astype(float))
    standard = ((answers - known.means) / known.scales)[there]
    return loadings.T @ np.linalg.solve(of_answers, standard)


def test_scores_are_the_conditional_mean_whatever_is_missing(population, known) -> None:
    answers = population[0][:6].copy()
    answers[1, ::2] = 0
    answers[2, 5:] = 0
    answers[3] = 0
    expected = np.array([by_gauss(known, row) for row in answers])
    assert np.allclose(known.scores(answers), expected, atol=1e-4)
    assert (known.scores(answers)[3] == 0).all()


def test_where_people_stand_is_found_again(population, known) -> None:
    answers, stand = population
    found = known.scores(answers)
    told = np.linalg.lstsq(found, stand, rcond=None)[0]
    for dial in range(DIALS):
        assert np.corrcoef(found @ told[:, dial], stand[:, dial])[0, 1] > 0.9


def test_who_answered_less_is_nearer_the_middle(population, known) -> None:
    answers = population[0][:400]
    fewer = answers.copy()
    fewer[:, ::3] = 0
    assert np.linalg.norm(known.scores(fewer)) < np.linalg.norm(known.scores(answers))


def test_an_answer_that_is_missing_in_the_population_is_no_answer(population) -> None:
    answers = population[0].copy()
    answers[np.random.default_rng(1).random(answers.shape) < 0.02] = 0
    found = Factors.fit(answers, DIALS)
    assert np.allclose(found.means, population[0].mean(axis=0), atol=0.05)
    assert found.means.min() > 1.5


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda answers: answers[:ITEMS], "24 people are too few .* give at least 25"),
        (lambda answers: np.where(np.arange(ITEMS) == 4, 3, answers), "item 5 of 24 are all the s"),
        (lambda answers: np.where(np.arange(ITEMS) == 0, 0, answers), "item 1 of 24 are all the s"),
    ],
)
def test_a_population_that_tells_nothing_is_refused(population, spoil, reason) -> None:
    with pytest.raises(MethodError, match=reason):
        Factors.fit(spoil(population[0]).astype(np.int8), DIALS)
