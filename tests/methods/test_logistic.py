"""Many logistic regressions at once are scikit-learn's, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from personalign.methods import logistic_steps
from personalign.methods.logistic import newton, solve, whiten

compiled = pytest.mark.parametrize("compiled", [False, True], ids=["torch", "numba"])
"""Both ways to take the steps."""


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


@compiled
@pytest.mark.parametrize("scale", [0.05, 1.0, 8.0])
@pytest.mark.parametrize("width", [4, 12, 64])
def test_weights_and_intercepts_are_scikit_learns(scale: float, width: int, compiled: bool) -> None:
    features, signs = problems(scale, width)
    prepared = whiten(features, 30)
    found = solve(prepared, torch.from_numpy(signs), compiled=compiled)
    weights = prepared.weights(found.solutions)
    intercepts = found.intercepts[..., 0] - (weights * prepared.centres).sum(-1)
    for problem in range(3):
        for person in range(2):
            expected = theirs(features[problem], signs[person])
            size = np.abs(expected.coef_).max()
            assert np.allclose(weights[problem, person], expected.coef_[0], atol=1e-3 * size)
            decisions = features[problem] @ weights[problem, person] + intercepts[problem, person]
            their_decisions = expected.decision_function(features[problem].numpy().astype(float))
            far = np.abs(their_decisions).max()
            assert np.allclose(decisions, their_decisions, atol=1e-3 * far)


@compiled
def test_decisions_in_the_whitened_features_are_those_of_the_features(compiled: bool) -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    found = solve(prepared, torch.from_numpy(signs), compiled=compiled)
    weights = prepared.weights(found.solutions)
    plain = weights @ (features - prepared.centres).transpose(1, 2) + found.intercepts
    assert torch.allclose(found.decisions, plain, atol=1e-4)


@compiled
def test_people_together_are_people_alone(compiled: bool) -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    together = solve(prepared, torch.from_numpy(signs), compiled=compiled).solutions
    for person in range(2):
        only = torch.from_numpy(signs[person : person + 1])
        alone = solve(prepared, only, compiled=compiled).solutions
        assert torch.allclose(together[:, person], alone[:, 0], atol=1e-4)


@compiled
def test_turned_labels_turn_the_weights(compiled: bool) -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    found = solve(prepared, torch.from_numpy(signs), compiled=compiled)
    turned = solve(prepared, torch.from_numpy(-signs), compiled=compiled)
    assert torch.allclose(found.solutions, -turned.solutions, atol=1e-5)
    assert torch.allclose(found.intercepts, -turned.intercepts, atol=1e-5)


def test_compiled_steps_are_the_same_steps(monkeypatch) -> None:
    """After four steps, far from the solution, both stand in the same place."""
    features, signs = problems(width=32)
    prepared = whiten(features, 30)
    monkeypatch.setattr(logistic_steps, "ITERATIONS", 4)
    monkeypatch.setattr("personalign.methods.logistic._finish", lambda *_: None)
    ours, theirs = (
        solve(prepared, torch.from_numpy(signs), compiled=compiled) for compiled in (True, False)
    )
    assert torch.allclose(ours.decisions, theirs.decisions, atol=1e-5)
    monkeypatch.setattr(logistic_steps, "ITERATIONS", 8)
    later = solve(prepared, torch.from_numpy(signs), compiled=True)
    assert not torch.allclose(ours.decisions, later.decisions, atol=1e-4)


def test_newton_is_scikit_learns() -> None:
    features, signs = problems()
    found = newton(features[0, :30], torch.from_numpy(signs[0]))
    expected = theirs(features[0], signs[0])
    assert np.allclose(found[:-1], expected.coef_[0], atol=1e-5)
    assert np.isclose(found[-1], expected.intercept_[0], atol=1e-5)


@compiled
def test_what_the_descent_leaves_unfinished_is_finished_exactly(monkeypatch, compiled) -> None:
    features, signs = problems()
    prepared = whiten(features, 30)
    expected = solve(prepared, torch.from_numpy(signs), compiled=compiled)
    monkeypatch.setattr(logistic_steps, "ITERATIONS", 2)
    hurried = solve(prepared, torch.from_numpy(signs), compiled=compiled)
    assert torch.allclose(expected.solutions, hurried.solutions, atol=1e-3)
    assert torch.allclose(expected.decisions, hurried.decisions, atol=1e-3)


@compiled
def test_someone_without_labels_gets_zero_weights(compiled: bool) -> None:
    features, signs = problems()
    signs[1] = 0
    found = solve(whiten(features, 30), torch.from_numpy(signs), compiled=compiled)
    assert not found.solutions[:, 1].any() and not found.intercepts[:, 1].any()
    assert found.solutions[:, 0].any()


@compiled
@pytest.mark.parametrize("scale", [0.5, 2.0, 8.0])
def test_where_only_sides_are_wanted_they_are_those_of_the_solution(
    scale: float, compiled: bool
) -> None:
    """Stopping early changes decisions, and none of their signs."""
    shorter = 0
    for seed in range(20):
        features, signs = problems(scale, width=12, seed=seed)
        prepared = whiten(features, 30)
        judged = torch.ones(len(signs), features.shape[1], dtype=torch.bool)
        labels = torch.from_numpy(signs)
        expected = solve(prepared, labels, compiled=compiled).decisions
        found = solve(prepared, labels, judged=judged, compiled=compiled).decisions
        assert torch.equal(found > 0, expected > 0)
        shorter += not torch.equal(found, expected)
    assert shorter
