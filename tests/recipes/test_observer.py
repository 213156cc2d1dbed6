"""The ideal observer's closed form against what it stands for."""

from __future__ import annotations

import numpy as np

from personalign.dataset.simulate import draw_factors, draw_responses, load_population
from recipes.pocket.observer import amplified, answer_weights, observe


def _person(seed: int = 0) -> np.ndarray:
    population = load_population()
    rng = np.random.default_rng(seed)
    return draw_responses(population, draw_factors(population, 1, rng), rng)[0].astype(float)


def test_the_first_answer_is_predicted_by_its_marginal() -> None:
    """With nothing known the observer gives the item's own distribution."""
    population = load_population()
    rng = np.random.default_rng(1)
    crowd = draw_responses(population, draw_factors(population, 20_000, rng), rng)
    for column in (0, 57, 250):
        expected = np.bincount(crowd[:, column], minlength=6)[1:] / 20_000
        got = observe(population, np.array([column]), np.array([3.0])).options[0]
        assert np.abs(got - expected).max() < 0.02


def test_predictions_agree_with_plain_gaussian_conditioning() -> None:
    population, person = load_population(), _person()
    columns = np.random.default_rng(2).permutation(300)[:40]
    seen = observe(population, columns, person[columns])
    loadings = population.loadings[columns]
    scores = (person[columns] - population.means[columns]) / population.sds[columns]
    rounding = 1 / 12 / population.sds[columns] ** 2
    noise = np.diag(population.uniquenesses[columns] + rounding)
    covariance = loadings @ loadings.T + noise
    assert not seen.known[0].any()
    for answers in (1, 39, 40):
        said = np.linalg.solve(covariance[:answers, :answers], scores[:answers])
        assert np.allclose(seen.known[answers], loadings[:answers].T @ said, atol=1e-8)


def test_an_answer_predicts_only_what_comes_after_it() -> None:
    population, person = load_population(), _person()
    columns = np.arange(30)
    changed = person.copy()
    changed[20] = 6 - changed[20] if changed[20] != 3 else 5
    one, other = (observe(population, columns, p[columns]) for p in (person, changed))
    assert np.array_equal(one.options[:21], other.options[:21])
    assert not np.allclose(one.options[21:], other.options[21:])


def test_the_same_question_twice_expects_the_same_answer() -> None:
    population, person = load_population(), _person()
    options = observe(population, np.array([5, 9, 5]), person[[5, 9, 5]]).options[2]
    assert options.argmax() + 1 == person[5]
    assert options.max() > 0.9


def test_more_answers_make_better_predictions() -> None:
    population = load_population()
    gain = []
    for seed in range(20):
        person = _person(seed)
        columns = np.random.default_rng(seed).permutation(300)
        options = observe(population, columns, person[columns]).options
        said = np.log(options[np.arange(300), person[columns].astype(int) - 1])
        gain.append(said[150:].mean() - said[:30].mean())
    assert np.mean(gain) > 0.05


def test_amplified_people_keep_some_noise() -> None:
    population = load_population()
    assert np.allclose(amplified(population, 1.0).loadings, population.loadings)
    assert amplified(population, 3.0).uniquenesses.min() > 0.05


def test_answer_weights_are_the_best_guess_without_a_constant() -> None:
    """Where every answer is known they are least squares through the origin, on many people."""
    population = load_population()
    rng = np.random.default_rng(3)
    factors = draw_factors(population, 20_000, rng)
    distances = draw_responses(population, factors, rng) - 3.0
    plain = np.linalg.lstsq(distances, factors, rcond=None)[0]
    guess, ours = distances @ plain, distances @ answer_weights(population, share=1.0)
    for factor in np.flatnonzero((population.loadings**2).sum(axis=0) > 2):
        assert np.corrcoef(guess[:, factor], ours[:, factor])[0, 1] > 0.98


def test_what_answers_say_adds_up_to_the_person() -> None:
    """Plain sums follow the factors, and say less of who is typical than sums of loadings do."""
    population = load_population()
    rng = np.random.default_rng(4)
    factors = draw_factors(population, 4000, rng)
    chosen = rng.permutation(300)[:120]
    distances = draw_responses(population, factors, rng)[:, chosen] - 3.0

    measured = np.flatnonzero((population.loadings**2).sum(axis=0) > 2)

    def followed(weights: np.ndarray) -> tuple[float, float]:
        sums = distances @ weights[chosen]
        along = [np.corrcoef(sums[:, f], factors[:, f])[0, 1] for f in measured]
        typical = np.linalg.norm(sums.mean(axis=0)) / np.linalg.norm(sums.std(axis=0))
        return float(np.mean(along)), float(typical)

    follows, typical = followed(answer_weights(population))
    plain_follows, plain_typical = followed(population.loadings)
    assert follows > plain_follows and follows > 0.5
    assert typical < 0.6 * plain_typical
