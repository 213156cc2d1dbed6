"""Many logistic regressions at once are scikit-learn's, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from personalign.methods import logistic
from personalign.methods.logistic import newton, solve, whiten


def problems(scale: float = 1.0, width: int = 12, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Features (3, 40, width) with a common mean, and labels (2, 30) with rows left out."""
    rng = np.random.default_rng(seed)
    features = scale * (rng.normal(size=(3, 40, width)) + 2 * rng.normal(size=(3, 1, width)))
    signal = features[0, :30, 0] - features[0, :, 0].mean()
    signs = np.stack([np.sign(signal), np.where(rng.random(30) < 0.5, 1, -1)]).astype(int)
    signs[1, rng.random(30) < 0.2] = 0
    return torch.from_numpy(features).float(), signs


def theirs(features: torch.Tensor, signs: np.ndarray) -> LogisticRegression:
    kept = signs != 0
    fitted = LogisticRegression(max_iter=100_000, tol=1e-10)
    return fitted.fit(features[:30].numpy()[kept].astype(float), signs[kept])


@pytest.mark.parametrize("scale", [0.05, 1.0, 8.0])
@pytest.mark.parametrize("width", [4, 12, 64])
def test_weights_and_intercepts_are_scikit_learns(scale: float, width: int) -> None:
    features, signs = problems(scale, width)
    prepared = whiten(features, 30)
    solution, centred = solve(prepared, torch.from_numpy(signs))
    weights = prepared.weights(solution)
    intercepts = centred[..., 0] - (weights * prepared.centres).sum(-1)
    for problem in range(3):
        for person in range(2):
            expected = theirs(features[problem], signs[person])
            size = np.abs(expected.coef_).max()
            assert np.allclose(weights[problem, person], expected.coef_[0], atol=1e-3 * size)
            decisions = features[problem] @ weights[problem, person] + intercepts[problem, person]
            their_decisions = expected.decision_function(features[problem].numpy().astype(float))
            far = np.abs(their_decisions).max()
            assert np.allclose(decisions, their_decisions, atol=1e-3 * far)


def test_decisions_in_the_whitened_features_are_those_of_the_features() -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    solution, centred = solve(prepared, torch.from_numpy(signs))
    weights = prepared.weights(solution)
    rows = torch.cat([prepared.fitted, prepared.others], dim=1)
    whitened = solution @ rows.transpose(1, 2) + centred
    plain = weights @ (features - prepared.centres).transpose(1, 2) + centred
    assert torch.allclose(whitened, plain, atol=1e-4)


def test_people_together_are_people_alone() -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    together, _ = solve(prepared, torch.from_numpy(signs))
    for person in range(2):
        alone, _ = solve(prepared, torch.from_numpy(signs[person : person + 1]))
        assert torch.allclose(together[:, person], alone[:, 0], atol=1e-4)


def test_turned_labels_turn_the_weights() -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    solution, intercepts = solve(prepared, torch.from_numpy(signs))
    turned, turned_intercepts = solve(prepared, torch.from_numpy(-signs))
    assert torch.allclose(solution, -turned, atol=1e-5)
    assert torch.allclose(intercepts, -turned_intercepts, atol=1e-5)


def test_newton_is_scikit_learns() -> None:
    features, signs = problems()
    found = newton(features[0, :30], torch.from_numpy(signs[0]))
    expected = theirs(features[0], signs[0])
    assert np.allclose(found[:-1], expected.coef_[0], atol=1e-5)
    assert np.isclose(found[-1], expected.intercept_[0], atol=1e-5)


def test_what_the_descent_leaves_unfinished_is_finished_exactly(monkeypatch) -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    expected, _ = solve(prepared, torch.from_numpy(signs))
    monkeypatch.setattr(logistic, "ITERATIONS", 2)
    hurried, _ = solve(prepared, torch.from_numpy(signs))
    assert torch.allclose(expected, hurried, atol=1e-3)


def test_someone_without_labels_gets_zero_weights() -> None:
    features, signs = problems()
    signs[1] = 0
    solution, intercepts = solve(whiten(features, 30), torch.from_numpy(signs))
    assert not solution[:, 1].any() and not intercepts[:, 1].any()
    assert solution[:, 0].any()


@pytest.mark.parametrize("scale", [0.5, 2.0, 8.0])
def test_where_only_sides_are_wanted_they_are_those_of_the_solution(scale: float) -> None:
    """Stopping early changes decisions, and none of their signs."""
    shorter = 0
    for seed in range(20):
        features, signs = problems(scale, width=12, seed=seed)
        prepared = whiten(features, 30)
        rows = torch.cat([prepared.fitted, prepared.others], dim=1).transpose(1, 2)
        judged = torch.ones(len(signs), features.shape[1], dtype=torch.bool)
        exact, exact_intercepts = solve(prepared, torch.from_numpy(signs))
        early, early_intercepts = solve(prepared, torch.from_numpy(signs), judged=judged)
        expected = exact @ rows + exact_intercepts
        found = early @ rows + early_intercepts
        assert torch.equal(found > 0, expected > 0)
        shorter += not torch.equal(found, expected)
    assert shorter
