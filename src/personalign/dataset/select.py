"""Representative people: the paper's Eq. 1, min over x in S_k of |x - mu_k|.

Item columns are standardised over the people who answered, k-means makes k clusters of the people,
and each centroid chooses the nearest person not chosen yet. Section 3 of the paper takes k = 300
for PAPI's Test-Set; all others are its Dev-Set.

    A missing answer stands at the column's mean (0 after standardising): it pulls a person neither
    way. A column in which everybody agrees is 0 for everybody.
    Centroids choose in the order of their clusters' sizes, the largest first (equal sizes: the
    lower number); of equally near people, the one further up in the file is taken.
    With two parts, every centroid chooses once for the first part, then once more for the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.kmeans import cluster
from personalign.dataset.people import Respondents
from personalign.errors import PeopleError

K = 300
"""Clusters, and so people in the Test-Set (paper, section 3)."""

Features = Literal["tuning", "all"]

_BLOCK = 16  # centroids whose distances to everybody are computed together
_SLACK = 1e-2  # squared distances in single precision are off by less; those within are redone


@dataclass(frozen=True)
class Selection:
    """Who was chosen, and by which centroid."""

    parts: tuple[NDArray[np.int64], ...]
    """One or two arrays (k,): entry c is the row of the person whom centroid c chose."""
    centroids: NDArray[np.float32]
    """(k, features) in standardised answers, in the order in which they chose."""
    cluster_of: NDArray[np.int64]
    """(people,) the centroid each person is nearest to."""
    distances: tuple[NDArray[np.float64], ...]
    """For each part (k,): from centroid c to the person it chose."""
    features: Features
    """"tuning": the items of the short form; "all": every item."""
    items: int
    """How many items that is."""
    seed: int
    """What k-means started from."""
    inertia: float
    """Sum over people of the squared distance to their centroid."""
    settled: bool
    """Whether k-means came to a standstill."""

    @property
    def k(self) -> int:
        """How many clusters, and people in each part."""
        return len(self.centroids)

    @property
    def rest(self) -> NDArray[np.int64]:
        """The rows of everybody who was not chosen, in order."""
        kept = np.ones(len(self.cluster_of), dtype=bool)
        kept[np.concatenate(self.parts)] = False
        return np.flatnonzero(kept)

    @property
    def outside(self) -> int:
        """How many of part one are nearer to another centroid than to the one that chose them."""
        return int((self.cluster_of[self.parts[0]] != np.arange(self.k)).sum())

    def as_dict(self) -> dict[str, Any]:
        """Settings and figures for a JSON file; rows are counted from 0."""
        sizes = np.bincount(self.cluster_of, minlength=self.k)
        return {
            "k": self.k,
            "features": self.features,
            "items": self.items,
            "seed": self.seed,
            "people": len(self.cluster_of),
            "inertia": round(self.inertia, 1),
            "settled": self.settled,
            "chosen_outside_their_cluster": self.outside,
            "cluster_sizes": sizes.tolist(),
            "rows": [part.tolist() for part in self.parts],
            "distances": [np.round(part, 4).tolist() for part in self.distances],
        }


def select_representatives(
    people: Respondents,
    k: int = K,
    *,
    features: Features = "tuning",
    seed: int = 0,
    parts: Literal[1, 2] = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose `k` people who stand for all, or twice `k` in two disjoint parts.

    Arguments:
        people: whom to choose from.
        k: clusters, and people in each part.
        features: cluster on the items of the short form ("tuning") or on all items of the form.
        seed: the same one chooses the same people.
        parts: 1, or 2 for a second selection beside the first.
        progress: called with (steps done, steps at most) of k-means.

    Raises PeopleError where k (twice k for two parts) is more than the people, or below 1.

    >>> from personalign.dataset.simulate import simulate
    >>> chosen = select_representatives(simulate(50, seed=1), 5)
    >>> [len(part) for part in chosen.parts], len(chosen.rest)
    ([5], 45)
    """
    _check(people, k, features, seed, parts)
    standardised = standardised_items(people, features)
    found = cluster(standardised, k, seed=seed, progress=progress)
    sizes = np.bincount(found.labels, minlength=k)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(k, dtype=np.int64)
    place[order] = np.arange(k)
    centroids = found.centroids[order]
    free = np.ones(len(people), dtype=bool)
    chosen = [_nearest_free(standardised, centroids, free) for _ in range(parts)]
    return Selection(
        parts=tuple(rows for rows, _ in chosen),
        centroids=centroids,
        cluster_of=place[found.labels],
        distances=tuple(far for _, far in chosen),
        features=features,
        items=standardised.shape[1],
        seed=seed,
        inertia=found.inertia,
        settled=found.settled,
    )


def standardised_items(people: Respondents, features: Features = "tuning") -> NDArray[np.float32]:
    """(people, items) answers with mean 0 and standard deviation 1 a column; 0 where missing.

    Responses and keyed values give the same distances, so it does not matter which is meant.
    """
    form = people.inventory
    columns = form.columns(form.tuning) if features == "tuning" else np.arange(len(form))
    if not len(columns):
        raise PeopleError(
            f"{form.name} has no tuning items to choose people by; choose by all its items."
        )
    standardised = np.empty((len(people), len(columns)), dtype=np.float32)
    for place, column in enumerate(columns):
        answers = people.responses[:, column]
        counts = np.bincount(answers, minlength=6)[1:].astype(np.float64)
        given = max(counts.sum(), 1)
        mean = float(counts @ np.arange(1, 6)) / given
        spread = float(np.sqrt(counts @ (np.arange(1, 6) - mean) ** 2 / given))
        values = np.zeros(6, dtype=np.float32)  # what each answer becomes; a missing one 0
        if spread > 1e-9:
            values[1:] = (np.arange(1, 6) - mean) / spread
        standardised[:, place] = values[answers]
    return standardised


def _nearest_free(
    features: NDArray[np.float32], centroids: NDArray[np.float32], free: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each centroid in order the nearest free row, which is then no longer free; distances."""
    rows = np.empty(len(centroids), dtype=np.int64)
    far = np.empty(len(centroids))
    lengths = np.einsum("pf,pf->p", features, features)
    for start in range(0, len(centroids), _BLOCK):
        block = centroids[start : start + _BLOCK]
        # |x - c|^2 less |c|^2, which is the same for everybody
        rough = lengths[:, None] - 2 * (features @ block.T)
        for place, centroid in enumerate(block):
            own = np.where(free, rough[:, place], np.inf)
            near = np.flatnonzero(own <= own.min() + _SLACK)
            exact = ((features[near].astype(np.float64) - centroid) ** 2).sum(axis=1)
            best = int(np.argmin(exact))  # the first of equals: the lowest row
            rows[start + place] = near[best]
            far[start + place] = np.sqrt(exact[best])
            free[near[best]] = False
    return rows, far


def _check(people: Respondents, k: int, features: str, seed: int, parts: int) -> None:
    if features not in ("tuning", "all"):
        raise PeopleError(
            f"The features {features!r} are unknown; they are tuning (the short form's items) or "
            "all (every item)."
        )
    if parts not in (1, 2):
        raise PeopleError(f"There cannot be {parts} parts; ask for 1, or 2 disjoint ones.")
    if seed < 0:
        raise PeopleError(f"The seed {seed} is negative; give 0 or a positive whole number.")
    if k < 1:
        raise PeopleError(f"Cannot choose {k} people; ask for at least 1.")
    if k * parts > len(people):
        wanted = f"{k}" if parts == 1 else f"{parts} x {k} = {parts * k}"
        raise PeopleError(
            f"Cannot choose {wanted} of {len(people)} people; k is at most "
            f"{len(people) // parts} here. Lower k, or bring more people."
        )
