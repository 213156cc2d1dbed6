"""k-means, with progress and with one answer: Lloyd's steps on scikit-learn's two hard parts.

scikit-learn's `KMeans` says nothing while it runs, and with several threads it adds up centroids in
whatever order the threads come, so that 300,000 people may fall differently twice. Here its
`kmeans_plusplus` starts and its `pairwise_distances_argmin_min` assigns, both the same for any
number of threads; the means between are summed in row order. With many people, the centroids first
settle on a sample of them, which is where most steps are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE = 30_000
"""People the centroids settle on first, where there are more."""

SAMPLE_STEPS = 60
STEPS = 25
"""The most Lloyd steps, on the sample and on everybody. Steps end earlier when they settle."""

TOLERANCE = 1e-4
"""Settled: the centroids' squared moves together are below this, in standard deviations squared (as
`sklearn.cluster.KMeans` has it)."""


@dataclass(frozen=True)
class Clusters:
    """What k-means found."""

    centroids: NDArray[np.float32]
    """(k, features)."""
    labels: NDArray[np.int64]
    """(people,) the nearest centroid of each."""
    inertia: float
    """Sum of squared distances to it."""
    steps: int
    """Lloyd steps taken on all people."""
    settled: bool
    """Whether the centroids stood still, rather than being stopped."""


def cluster(
    features: NDArray[np.float32],
    k: int,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Clusters:
    """Group people into `k` clusters.

    Arguments:
        features: (people, features) float32, no NaN.
        k: how many, 1 to the number of people; not checked here.
        seed: the same one gives the same clusters.
        progress: called with (steps done, steps at most).

    A cluster that loses all its people restarts at the person furthest from their own centroid.
    """
    from sklearn.cluster import kmeans_plusplus

    people = len(features)
    rng = np.random.default_rng(seed)
    on_sample = people > max(SAMPLE, 4 * k)
    most = STEPS + (SAMPLE_STEPS if on_sample else 0) + 1
    if on_sample:
        chosen = np.sort(rng.choice(people, size=max(SAMPLE, 4 * k), replace=False))
        start = features[chosen]
    else:
        start, most = features, SAMPLE_STEPS + STEPS + 1
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, most)

    centroids, _ = kmeans_plusplus(start, k, random_state=int(rng.integers(2**31)))
    advance()
    if on_sample:
        centroids, _, _ = _settle(start, centroids, SAMPLE_STEPS, advance)
        done = SAMPLE_STEPS + 1
        limit = STEPS
    else:
        limit = SAMPLE_STEPS + STEPS
    centroids, steps, settled = _settle(features, centroids, limit, advance)
    labels, distances = _assign(features, centroids)
    if progress is not None:
        progress(most, most)
    inertia = float((distances.astype(np.float64) ** 2).sum())
    return Clusters(centroids, labels, inertia, steps, settled)


def _settle(
    features: NDArray[np.float32],
    centroids: NDArray[np.float32],
    most: int,
    advance: Callable[[], None],
) -> tuple[NDArray[np.float32], int, bool]:
    """Lloyd's steps until the centroids stand still: (centroids, steps, whether they do)."""
    for step in range(1, most + 1):
        labels, distances = _assign(features, centroids)
        moved = _means(features, labels, distances, len(centroids))
        shift = float(((moved - centroids).astype(np.float64) ** 2).sum())
        centroids = moved
        advance()
        if shift <= TOLERANCE:
            return centroids, step, True
    return centroids, most, False


def _assign(
    features: NDArray[np.float32], centroids: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(people,) nearest centroid, and the distance to it."""
    from sklearn.metrics import pairwise_distances_argmin_min

    labels, distances = pairwise_distances_argmin_min(features, centroids)
    return labels.astype(np.int64), distances


def _means(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    distances: NDArray[np.float32],
    k: int,
) -> NDArray[np.float32]:
    """(k, features) the mean of each cluster, summed in double precision and in row order."""
    from scipy.sparse import csr_matrix

    people = len(features)
    counts = np.bincount(labels, minlength=k)
    empty = np.flatnonzero(counts == 0)
    if len(empty):  # the furthest people leave their clusters and are clusters of their own
        labels = labels.copy()
        labels[np.argsort(-distances, kind="stable")[: len(empty)]] = empty
        counts = np.maximum(np.bincount(labels, minlength=k), 1)
    ones = np.ones(people, dtype=np.float64)
    members = csr_matrix((ones, labels, np.arange(people + 1)), shape=(people, k)).T.tocsr()
    sums = np.empty((k, features.shape[1]))
    for start in range(0, features.shape[1], 32):  # the product wants doubles; a few columns a time
        sums[:, start : start + 32] = members @ features[:, start : start + 32].astype(np.float64)
    return (sums / counts[:, None]).astype(np.float32)
