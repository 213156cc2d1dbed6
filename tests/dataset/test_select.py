"""Choosing people: the nearest unused to each centroid, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.select import select_representatives, standardised_items
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.keys import to_keyed


@pytest.fixture(scope="module")
def people() -> Respondents:
    drawn = simulate(120, seed=4)
    responses = drawn.responses.copy()
    responses[5, :40] = 0
    responses[50:60] = responses[40:50]  # equally near people
    return Respondents(responses, drawn.ids, drawn.demographics)


def _by_hand(features: np.ndarray, centroids: np.ndarray, parts: int) -> list[list[int]]:
    """Eq. 1 with loops: each centroid in turn looks at every person not chosen yet."""
    used: set[int] = set()
    chosen = []
    for _ in range(parts):
        rows = []
        for centroid in centroids:
            free = [row for row in range(len(features)) if row not in used]
            best = min(free, key=lambda r: (((features[r].astype(float) - centroid) ** 2).sum(), r))
            used.add(best)
            rows.append(best)
        chosen.append(rows)
    return chosen


@pytest.mark.parametrize("features", ["tuning", "all"])
@pytest.mark.parametrize(("k", "parts"), [(1, 1), (20, 1), (20, 2), (60, 2), (120, 1)])
def test_every_chosen_person_is_the_nearest_unused(
    people: Respondents, features: str, k: int, parts: int
) -> None:
    found = select_representatives(people, k, features=features, parts=parts)  # type: ignore[arg-type]
    standardised = standardised_items(people, features)  # type: ignore[arg-type]
    assert [part.tolist() for part in found.parts] == _by_hand(standardised, found.centroids, parts)
    for part, far in zip(found.parts, found.distances, strict=True):
        exact = np.linalg.norm(standardised[part].astype(float) - found.centroids, axis=1)
        assert far == pytest.approx(exact)


def test_the_parts_share_nobody_and_the_rest_is_everybody_else(people: Respondents) -> None:
    found = select_representatives(people, 30, parts=2)
    everybody = np.concatenate([*found.parts, found.rest])
    assert sorted(everybody.tolist()) == list(range(len(people)))


def test_the_largest_cluster_chooses_first(people: Respondents) -> None:
    found = select_representatives(people, 10)
    sizes = np.bincount(found.cluster_of, minlength=10)
    assert (np.diff(sizes) <= 0).all()
    nearest = ((standardised_items(people)[:, None] - found.centroids) ** 2).sum(2).argmin(1)
    assert (found.cluster_of == nearest).all()


def test_one_seed_chooses_the_same_people(people: Respondents) -> None:
    first, second, other = (select_representatives(people, 20, seed=seed) for seed in (7, 7, 8))
    assert first.as_dict() == second.as_dict()
    assert set(first.parts[0]) != set(other.parts[0])


def test_standardising_leaves_missing_answers_and_constant_items_at_zero() -> None:
    responses = np.random.default_rng(0).integers(1, 6, (50, 300)).astype(np.int8)
    responses[3, 7] = 0
    responses[:, 9] = 4
    people = Respondents(responses, tuple(map(str, range(50))))
    values = standardised_items(people, "all")
    assert values[3, 7] == 0
    assert (values[:, 9] == 0).all()
    given = np.delete(values[:, 7], 3).astype(float)
    assert given.mean() == pytest.approx(0, abs=1e-6)
    assert given.std() == pytest.approx(1, abs=1e-6)


def test_keyed_values_would_choose_the_same_people(people: Respondents) -> None:
    keyed = Respondents(to_keyed(people.responses, people.inventory.signs), people.ids)
    ours, theirs = standardised_items(people, "all"), standardised_items(keyed, "all")
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-5)


def test_columns_are_those_of_the_short_form(people: Respondents) -> None:
    assert standardised_items(people).shape == (120, 120)
    assert standardised_items(people, "all").shape == (120, 300)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 121}, "Cannot choose 121 of 120 people; k is at most 120"),
        ({"k": 61, "parts": 2}, "2 x 61 = 122 of 120 people; k is at most 60"),
        ({"k": 0}, "Cannot choose 0 people"),
        ({"k": 3, "parts": 3}, "3 parts"),
        ({"k": 3, "seed": -1}, "-1 is negative"),
        ({"k": 3, "features": "some"}, "'some' are unknown"),
    ],
)
def test_what_cannot_be_chosen(people: Respondents, settings: dict, words: str) -> None:
    with pytest.raises(PeopleError, match=words):
        select_representatives(people, **settings)
