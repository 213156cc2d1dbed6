"""The reference rows: what predictors that ask no model score."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.evaluation.aligned import aligned_score
from personalign.methods.reference import (
    Constant,
    FacetMean,
    ItemMedian,
    Ridge,
    TraitMean,
    reference_methods,
)


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(40, seed=11)


@pytest.fixture(scope="module")
def population() -> Respondents:
    return simulate(400, seed=12)


def _score(method, people: Respondents) -> float:
    items = people.inventory.held_out
    seen = people.only(people.inventory.tuning)
    return aligned_score(method.predict(seen, items), people, items).composite


def test_constant_and_facet_mean_on_released_people(released) -> None:
    """The two figures every table can be checked against: 3.76 and 2.72."""
    people = read_people(released / "papi" / "respondents_dev.json")
    assert _score(Constant(3), people) == pytest.approx(3.76, abs=0.01)
    assert _score(FacetMean(), people) == pytest.approx(2.72, abs=0.01)


def test_knowing_more_predicts_better(people, population) -> None:
    scores = [
        _score(method, people)
        for method in (Constant(3), ItemMedian(population), Ridge(population))
    ]
    assert scores == sorted(scores, reverse=True)
    assert _score(FacetMean(), people) < scores[0]


@pytest.mark.parametrize("method", [TraitMean(), FacetMean()])
def test_a_mirrored_person_gets_mirrored_predictions(method, people) -> None:
    seen = people.only(people.inventory.tuning)
    mirrored = Respondents(
        responses=np.where(seen.responses == 0, 0, 6 - seen.responses).astype(np.int8),
        ids=seen.ids,
    )
    items = people.inventory.held_out
    assert np.array_equal(method.predict(mirrored, items), 6 - method.predict(seen, items))


def test_someone_who_agrees_with_everything_keyed_high_is_predicted_so(people) -> None:
    inventory = people.inventory
    responses = np.where(inventory.signs > 0, 5, 1).astype(np.int8)[None]
    extreme = Respondents(responses=responses, ids=("extreme",)).only(inventory.tuning)
    predicted = FacetMean().predict(extreme, inventory.held_out)[0]
    signs = inventory.signs[inventory.columns(inventory.held_out)]
    assert np.array_equal(predicted, np.where(signs > 0, 5, 1))


def test_an_unanswered_facet_is_predicted_by_the_middle(people) -> None:
    nothing = Respondents(responses=np.zeros((1, 300), dtype=np.int8), ids=("silent",))
    assert (FacetMean().predict(nothing, people.inventory.held_out) == 3).all()


def test_predictions_are_responses(people, population) -> None:
    for method in reference_methods(population):
        predicted = method.predict(people.only(people.inventory.tuning), people.inventory.held_out)
        assert predicted.shape == (40, 180) and predicted.dtype == np.int8
        assert predicted.min() >= 1 and predicted.max() <= 5


def test_missing_answers_change_ridge_little_and_never_break_it(people, population) -> None:
    seen = people.only(people.inventory.tuning)
    holes = seen.responses.copy()
    holes[:, ::7] = 0
    ridge, items = Ridge(population), people.inventory.held_out
    full = ridge.predict(seen, items)
    holed = ridge.predict(Respondents(responses=holes, ids=seen.ids), items)
    assert np.abs(full - holed).mean() < 0.4


def test_each_population_row_says_what_it_was_fitted_on(population) -> None:
    named = {
        m.name: m.population for m in reference_methods(population) if hasattr(m, "population")
    }
    assert named == {"item median": population.source, "ridge": population.source}


def test_what_cannot_be_is_refused(population) -> None:
    with pytest.raises(MethodError, match="constant 7"):
        Constant(7)
    with pytest.raises(MethodError, match="at least 10"):
        Ridge(population.select(slice(0, 3)))
