"""The simulator draws the people its figures describe, the same ones for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.people import DEMOGRAPHICS
from personalign.dataset.simulate import load_population, simulate
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_300


@pytest.fixture(scope="module")
def crowd():
    return simulate(6000, seed=1)


def test_same_seed_same_people() -> None:
    assert np.array_equal(simulate(50, seed=3).responses, simulate(50, seed=3).responses)
    assert not np.array_equal(simulate(50, seed=3).responses, simulate(50, seed=4).responses)


def test_everyone_answers_everything_in_range(crowd) -> None:
    assert crowd.responses.shape == (6000, 300)
    assert crowd.responses.dtype == np.int8
    assert crowd.responses.min() == 1 and crowd.responses.max() == 5


def test_items_keep_their_difficulties(crowd) -> None:
    """Means follow the population's latent means up to what keeping answers in 1-5 moves."""
    means = crowd.responses.mean(axis=0)
    assert np.corrcoef(means, load_population().means)[0, 1] > 0.99


def test_items_of_a_facet_agree_in_the_keyed_direction(crowd) -> None:
    """Within a facet keyed answers correlate, and same-key pairs a little more: acquiescence."""
    correlation = np.corrcoef(crowd.keyed.T)
    inventory = ipip_neo_300()
    same_facet = inventory.facets[:, None] == inventory.facets[None, :]
    same_key = inventory.signs[:, None] == inventory.signs[None, :]
    off = ~np.eye(300, dtype=bool)
    alike, opposed = (correlation[same_facet & off & key].mean() for key in (same_key, ~same_key))
    strangers = np.abs(correlation[~same_facet]).mean()
    assert alike > opposed > 2 * strangers


def test_facets_of_a_trait_correlate_more_than_facets_of_different_traits(crowd) -> None:
    inventory = ipip_neo_300()
    facets = sorted(set(inventory.facets.tolist()))
    scores = np.stack([crowd.keyed[:, inventory.facets == f].mean(axis=1) for f in facets])
    correlation = np.abs(np.corrcoef(scores))
    same = np.array([[a[0] == b[0] for b in facets] for a in facets])
    off = ~np.eye(30, dtype=bool)
    assert correlation[same & off].mean() > 1.3 * correlation[~same].mean()


def test_demographics_follow_the_published_shares(crowd) -> None:
    people = crowd.demographics
    figures = load_population().demographics
    female = (people["sex"] == "female").mean()
    assert female == pytest.approx(figures["female"] / figures["total"], abs=0.02)
    assert people["age"].mean() == pytest.approx(figures["mean_age"], abs=0.8)


def test_everyone_has_a_time_and_it_is_the_seed_s() -> None:
    first, again = simulate(300, seed=2).demographics, simulate(300, seed=2).demographics
    assert first is not None and again is not None
    assert first.columns == [*DEMOGRAPHICS, "time"]
    assert first["time"].equals(again["time"])
    assert first["time"].dt.year().is_between(2001, 2011).all()
    assert first["time"].n_unique() > 290


def test_progress_counts_people() -> None:
    told: list[tuple[int, int]] = []
    simulate(7, progress=lambda done, total: told.append((done, total)))
    assert told == [(7, 7)]


def test_uniquenesses_leave_every_item_noise() -> None:
    uniquenesses = load_population().uniquenesses
    assert uniquenesses.min() > 0 and uniquenesses.max() < 1


def test_nobody_cannot_be_simulated() -> None:
    with pytest.raises(PeopleError, match="Cannot simulate 0 people"):
        simulate(0)


@pytest.mark.slow
def test_as_many_people_as_johnson_had() -> None:
    everyone = simulate(307_313, seed=0)
    assert len(everyone) == 307_313
    assert np.array_equal(everyone.responses[:100], simulate(307_313, seed=0).responses[:100])
