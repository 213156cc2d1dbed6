"""Scales against sums done by hand, with and without missing answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.papi import read_people
from personalign.errors import InventoryError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.scoring import (
    cronbach_alpha,
    facet_means,
    facet_sums,
    reliability,
    trait_means,
    trait_sums,
)

FULL = ipip_neo_300()
N1 = list(FACETS).index("N1")


def _agreeing_with_facet(facet: str) -> np.ndarray:
    """A sheet of 3s, with the trait-like end ticked on every item of one facet."""
    responses = np.full(300, 3, dtype=np.int8)
    for item in FULL:
        if item.facet == facet:
            responses[item.number - 1] = 5 if item.sign > 0 else 1
    return responses


@pytest.mark.parametrize("facet", FACETS)
def test_the_high_end_of_one_facet_moves_that_facet_alone(facet: str) -> None:
    responses = _agreeing_with_facet(facet)
    expected = [5.0 if code == facet else 3.0 for code in FACETS]
    assert facet_means(responses).tolist() == expected
    traits = [3 + 2 / 6 if trait == facet[0] else 3.0 for trait in TRAITS]
    assert trait_means(responses) == pytest.approx(traits)


def test_missing_answers_are_left_out() -> None:
    responses = np.zeros(300, dtype=np.int8)
    anxious, calm = FULL.columns([1]), FULL.columns([151])  # N1, + and -
    responses[anxious] = 4
    responses[calm] = 5
    assert facet_means(responses)[N1] == (4 + 1) / 2
    assert np.isnan(facet_means(responses)).sum() == 29
    assert np.isnan(facet_means(responses, minimum=3)).all()
    assert np.isnan(trait_means(responses)).sum() == 4


def test_sums_are_prorated() -> None:
    responses = _agreeing_with_facet("N1")
    assert facet_sums(responses)[N1] == 50
    responses[FULL.columns([1, 31, 61, 91, 121])] = 0
    assert facet_sums(responses)[N1] == 50
    responses[FULL.columns([151])] = 0
    assert np.isnan(facet_sums(responses)[N1])
    assert np.isnan(trait_sums(responses)[list(TRAITS).index("N")])
    short = ipip_neo_120()
    assert facet_sums(np.full(120, 3), short).tolist() == [12.0] * 30
    assert trait_sums(np.full((2, 120), 3), short).tolist() == [[72.0] * 5] * 2


def test_people_are_scored_one_by_one() -> None:
    responses = np.random.default_rng(0).integers(0, 6, (7, 300)).astype(np.int8)
    together = facet_means(responses)
    assert together.shape == (7, 30)
    for row, person in zip(together, responses, strict=True):
        np.testing.assert_array_equal(row, facet_means(person))


def test_another_number_of_columns_is_refused() -> None:
    with pytest.raises(InventoryError, match="IPIP-NEO-300 has 300 items"):
        facet_means(np.full((2, 120), 3))


def test_alpha_against_the_closed_form() -> None:
    """k items of variance v and covariance c have alpha k c / (v + (k - 1) c)."""
    x = np.array([1.0, 2, 3, 4, 5])
    noise = np.array([1.0, -1, 0, -1, 1])  # orthogonal to x and to a constant
    values = np.stack([x + noise / 2, x - noise / 2], axis=1)
    v, c = 2.5 + 0.25, 2.5 - 0.25
    assert cronbach_alpha(values) == pytest.approx(2 * c / (v + c))


def test_alpha_leaves_incomplete_people_out() -> None:
    complete = np.array([[1, 2, 2], [4, 5, 3], [2, 2, 1], [5, 4, 4]])
    with_gaps = np.concatenate([complete, [[5, 0, 1], [0, 0, 0]]])
    assert cronbach_alpha(with_gaps) == cronbach_alpha(complete)


@pytest.mark.parametrize("values", [[[1], [2]], [[1, 2]], [[3, 3], [3, 3]], np.zeros((4, 2))])
def test_alpha_of_nothing_is_nan(values: list[list[int]]) -> None:
    assert np.isnan(cronbach_alpha(values))


def test_real_scales_hang_together(released: Path) -> None:
    people = read_people(released / "papi" / "respondents_dev.json")
    result = reliability(people.responses)
    assert result.people == 150
    assert list(result.facets) == list(FACETS)
    assert list(result.traits) == list(TRAITS)
    assert min(result.facets.values()) > 0.75
    assert min(result.traits.values()) > 0.9


def test_mistaking_the_coordinate_shows_in_alpha(released: Path) -> None:
    people = read_people(released / "papi" / "respondents_dev.json")
    assert np.mean(list(reliability(people.keyed).facets.values())) < 0.4


def test_trait_means_of_real_people(released: Path) -> None:
    """The 150 are half of the Test-Set, of O 3.62 C 3.47 E 3.33 A 3.43 N 2.89, keyed."""
    people = read_people(released / "papi" / "respondents_dev.json")
    means = trait_means(people.responses).mean(axis=0)
    assert means == pytest.approx([3.62, 3.47, 3.33, 3.43, 2.89], abs=0.07)
