"""Fitting the graded response model: known parameters come back, and girth finds the same."""

from __future__ import annotations

import numpy as np
import pytest
from girth import grm_mml

from personalign.dataset.people import Respondents
from personalign.dataset.responses_fit import fit_items, fit_responses_model
from personalign.dataset.responses_model import load_responses_model, option_probabilities
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.forms import get_inventory
from personalign.inventory.keys import to_responses
from recipes.population.responses_model import PEOPLE, SEED


def _draw(slopes, intercepts, theta, rng) -> np.ndarray:
    """(people, items) keyed answers 1-5."""
    chances = option_probabilities(slopes, intercepts, theta).cumsum(axis=-1)
    return 1 + (rng.random((*chances.shape[:2], 1)) > chances[..., :4]).sum(axis=-1)


def _parameters(items: int, rng) -> tuple[np.ndarray, np.ndarray]:
    slopes = rng.uniform(0.8, 2.2, items)
    gaps = rng.uniform(0.6, 1.6, (items, 3))
    top = rng.uniform(1.0, 3.0, (items, 1))
    return slopes, np.hstack([top, top - gaps.cumsum(axis=1)])


def test_girth_finds_the_same_on_a_small_scale() -> None:
    rng = np.random.default_rng(3)
    slopes, intercepts = _parameters(6, rng)
    keyed = _draw(slopes, intercepts, rng.standard_normal((800, 1)), rng)
    ours = fit_items(keyed, np.zeros(6, dtype=int))
    theirs = grm_mml(keyed.T)
    assert ours[0] == pytest.approx(theirs["Discrimination"], abs=0.06)
    theirs_cut = -theirs["Difficulty"] * theirs["Discrimination"][:, None]
    assert ours[1] == pytest.approx(theirs_cut, abs=0.08)
    assert np.corrcoef(ours[2][:, 0], theirs["Ability"])[0, 1] > 0.999


def test_known_parameters_come_back() -> None:
    rng = np.random.default_rng(4)
    slopes, intercepts = _parameters(10, rng)
    scales = np.repeat([0, 1], 5)
    theta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 6000)
    keyed = _draw(slopes, intercepts, theta[:, scales], rng)
    found, cut, _ = fit_items(keyed, scales)
    assert np.abs(found - slopes).mean() < 0.06
    assert np.abs(cut - intercepts).mean() < 0.06


def test_the_scales_correlations_come_back() -> None:
    """The whole 120-item model, with people drawn from the very model that is fitted."""
    true = load_responses_model()
    rng = np.random.default_rng(5)
    theta = rng.multivariate_normal(np.zeros(30), true.correlations, 3000)
    keyed = _draw(true.slopes, true.intercepts, theta[:, true.scale_of], rng)
    responses = to_responses(keyed, true.inventory.signs).astype(np.int8)
    people = Respondents(responses, tuple(map(str, range(3000))))
    found = fit_responses_model(people)
    below = np.tril_indices(30, -1)
    difference = found.correlations[below] - true.correlations[below]
    assert np.abs(difference).mean() < 0.03
    assert np.abs(found.slopes - true.slopes).mean() < 0.08


def test_missing_answers_are_left_out() -> None:
    rng = np.random.default_rng(6)
    slopes, intercepts = _parameters(8, rng)
    keyed = _draw(slopes, intercepts, rng.standard_normal((4000, 1)), rng)
    holed = np.where(rng.random(keyed.shape) < 0.3, 0, keyed)
    whole, holes = (fit_items(answers, np.zeros(8, dtype=int)) for answers in (keyed, holed))
    assert np.abs(whole[0] - holes[0]).mean() < 0.06
    nobody = np.vstack([keyed, np.zeros((500, 8), dtype=int)])
    assert fit_items(nobody, np.zeros(8, dtype=int))[0] == pytest.approx(whole[0], abs=0.01)


def test_an_option_nobody_took_is_finite() -> None:
    rng = np.random.default_rng(7)
    slopes, intercepts = _parameters(6, rng)
    keyed = _draw(slopes, intercepts, rng.standard_normal((300, 1)), rng)
    keyed[keyed[:, 0] == 1, 0] = 2
    _, cut, _ = fit_items(keyed, np.zeros(6, dtype=int))
    assert np.isfinite(cut).all() and (np.diff(cut, axis=1) < 0).all()


def test_a_questionnaire_without_facets_is_fitted_on_its_traits() -> None:
    rng = np.random.default_rng(8)
    form = get_inventory("IPIP-Big5-50")
    responses = rng.integers(1, 6, (200, len(form))).astype(np.int8)
    model = fit_responses_model(Respondents(responses, tuple("x" * 200), inventory=form))
    assert model.scales == ("O", "C", "E", "A", "N")


def test_what_cannot_be_fitted_is_refused() -> None:
    people = simulate(120, seed=9)
    with pytest.raises(PeopleError, match="99 people are too few"):
        fit_responses_model(people.select(slice(0, 99)))
    with pytest.raises(PeopleError, match="Item 3 was answered by 0"):
        fit_responses_model(people.only([n for n in range(1, 301) if n != 3]))


@pytest.mark.slow
def test_the_shipped_model_is_what_the_recipe_makes() -> None:
    shipped = load_responses_model()
    again = fit_responses_model(simulate(PEOPLE, seed=SEED))
    assert again.source == shipped.source
    assert again.slopes == pytest.approx(shipped.slopes, abs=2e-3)
    assert again.intercepts == pytest.approx(shipped.intercepts, abs=2e-2)
    assert again.correlations == pytest.approx(shipped.correlations, abs=2e-3)
