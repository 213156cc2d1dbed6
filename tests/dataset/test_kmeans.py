"""k-means: scikit-learn's fixed points, every person at the nearest centroid, no empty cluster."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from personalign.dataset import kmeans
from personalign.dataset.kmeans import _means, cluster


def _clouds(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 6, (4, 5))
    return (centres[rng.integers(0, 4, 400)] + rng.normal(0, 1, (400, 5))).astype(np.float32)


def test_everybody_is_at_the_nearest_centroid_and_centroids_are_means() -> None:
    features = _clouds()
    found = cluster(features, 4, seed=1)
    distances = ((features[:, None].astype(float) - found.centroids[None]) ** 2).sum(axis=2)
    assert (found.labels == distances.argmin(axis=1)).all()
    assert found.inertia == pytest.approx(distances.min(axis=1).sum(), rel=1e-4)
    assert found.settled
    for c in range(4):
        assert found.centroids[c] == pytest.approx(features[found.labels == c].mean(0), abs=0.01)


def test_scikit_learn_would_not_move_on() -> None:
    features = _clouds(1)
    found = cluster(features, 4, seed=0)
    theirs = KMeans(4, init=found.centroids, n_init=1, random_state=0).fit(features)
    assert (theirs.labels_ == found.labels).all()
    assert theirs.inertia_ == pytest.approx(found.inertia, rel=1e-4)


def test_one_seed_one_answer() -> None:
    features = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    first, second, other = (cluster(features, 9, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.centroids, second.centroids)
    assert np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.centroids, other.centroids)


def test_with_many_people_it_starts_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "SAMPLE", 100)
    features = _clouds(2)
    steps: list[tuple[int, int]] = []
    found = cluster(features, 4, seed=0, progress=lambda done, most: steps.append((done, most)))
    whole = KMeans(4, init=found.centroids, n_init=1, random_state=0).fit(features)
    assert whole.inertia_ == pytest.approx(found.inertia, rel=1e-4)
    done = [step for step, _ in steps]
    assert done == sorted(done)
    assert len({most for _, most in steps}) == 1
    assert steps[-1][0] == steps[-1][1]


def test_a_cluster_without_people_restarts_at_the_furthest() -> None:
    features = np.array([[0.0], [1.0], [9.0]], dtype=np.float32)
    labels, distances = np.array([0, 0, 0]), np.array([0.0, 1.0, 9.0], dtype=np.float32)
    assert _means(features, labels, distances, 2).tolist() == [[0.5], [9.0]]


def test_as_many_clusters_as_people() -> None:
    features = np.arange(6, dtype=np.float32)[:, None]
    found = cluster(features, 6)
    assert sorted(found.labels.tolist()) == list(range(6))
    assert found.inertia == 0
