"""Laws of the aligned score, and its reference figures on real people."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.aligned import aligned_score
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import TRAITS, to_keyed, to_responses

INVENTORY = ipip_neo_300()
ITEMS = INVENTORY.held_out
COLUMNS = INVENTORY.columns(ITEMS)


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(20, seed=5)


def plain_composite(predicted, own) -> float:
    """The definition, one number at a time."""
    total = 0.0
    for trait in TRAITS:
        errors = [
            abs(int(p) - int(o))
            for p, o, item in zip(predicted, own, ITEMS, strict=True)
            if item.trait == trait and p != 0 and o != 0
        ]
        total += sum(errors) / len(errors)
    return total


def test_it_is_the_definition_one_person_at_a_time(people):
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 6, (len(people), len(ITEMS)))
    holes = people.responses * (rng.random(people.responses.shape) > 0.1)
    with_holes = Respondents(holes.astype(np.int8), people.ids)
    score = aligned_score(predicted, with_holes, ITEMS)
    expected = [
        plain_composite(predicted[i], with_holes.responses[i, COLUMNS]) for i in range(len(people))
    ]
    np.testing.assert_allclose(score.per_person, expected)
    assert math.isclose(score.composite, np.mean(expected))
    assert math.isclose(sum(score.traits.values()), score.composite)
    assert score.unparsed == (predicted == 0).sum()
    assert score.missing == (with_holes.responses[:, COLUMNS] == 0).sum()
    assert score.compared == ((predicted > 0) & (with_holes.responses[:, COLUMNS] > 0)).sum()


def test_the_right_answers_score_zero_and_the_farthest_score_most(people):
    own = people.responses[:, COLUMNS]
    assert aligned_score(own, people, ITEMS).composite == 0
    assert aligned_score(own, people, ITEMS).ci95 == (0, 0)
    extreme = Respondents(np.ones((2, 300), np.int8), ("a", "b"))
    assert aligned_score(np.full((2, 180), 5), extreme, ITEMS).composite == 20


def test_the_coordinate_does_not_matter_as_long_as_both_sides_share_it(people):
    predicted = np.random.default_rng(1).integers(1, 6, (len(people), len(ITEMS)))
    signs = INVENTORY.signs[COLUMNS]
    flipped = Respondents(to_responses(people.responses, INVENTORY.signs), people.ids)
    here = aligned_score(predicted, people, ITEMS).per_person
    there = aligned_score(to_keyed(predicted, signs), flipped, ITEMS).per_person
    np.testing.assert_allclose(here, there)
    one_side = aligned_score(to_keyed(predicted, signs), people, ITEMS).per_person
    assert not np.allclose(here, one_side)


def test_an_unparsed_answer_is_left_out_never_a_zero(people):
    own = people.responses[:, COLUMNS].copy()
    own[:, ::7] = 0  # nothing else is wrong, so the score stays zero
    score = aligned_score(own, people, ITEMS)
    assert score.composite == 0 and score.unparsed > 0


def test_a_person_without_one_trait_is_left_out_of_the_composite_only(people):
    predicted = people.responses[:, COLUMNS].copy()
    predicted[0, [item.trait == "N" for item in ITEMS]] = 0
    score = aligned_score(predicted, people, ITEMS)
    assert score.people == len(people) - 1 and score.unscored == 1
    assert math.isnan(score.per_person[0]) and score.per_person_traits[0, 0] == 0


def test_the_order_of_items_and_people_does_not_matter(people):
    rng = np.random.default_rng(2)
    predicted = rng.integers(1, 6, (len(people), len(ITEMS)))
    order, who = rng.permutation(len(ITEMS)), rng.permutation(len(people))
    shuffled = [ITEMS[i] for i in order]
    here = aligned_score(predicted, people, ITEMS)
    there = aligned_score(predicted[np.ix_(who, order)], people.select(who), shuffled)
    np.testing.assert_allclose(there.per_person, here.per_person[who])


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        (np.ones((20, 179), int), "180 items, so the shape must be"),
        (np.full((20, 180), 6), "from 6 to 6"),
        (np.ones((20, 180)), "float64"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(people, predicted, words):
    with pytest.raises(EvaluationError, match=words):
        aligned_score(predicted, people, ITEMS)


def test_no_items_or_only_missing_answers_are_refused(people):
    with pytest.raises(EvaluationError, match="nothing to score"):
        aligned_score(np.zeros((20, 0), int), people, ())
    nothing = people.only(INVENTORY.tuning)
    with pytest.raises(EvaluationError, match="no mean to give"):
        aligned_score(np.ones((20, 180), int), nothing, ITEMS)


def test_known_figures_on_real_people(released: Path):
    """Constant 3 and the rounded own facet mean on the 150 people, each to two decimals."""
    from personalign.dataset.papi import read_people

    real = read_people(released / "papi" / "respondents_dev.json")
    assert len(real) == 150
    constant = aligned_score(np.full((150, 180), 3), real, ITEMS)
    assert abs(constant.composite - 3.76) <= 0.01

    tuning = INVENTORY.columns(INVENTORY.tuning)
    keyed = to_keyed(real.responses, INVENTORY.signs)
    predicted = np.zeros((150, 180), np.int8)
    for facet in set(INVENTORY.facets):
        values = keyed[:, tuning[INVENTORY.facets[tuning] == facet]].astype(float)
        mean = values.sum(axis=1) / (values > 0).sum(axis=1)
        where = INVENTORY.facets[COLUMNS] == facet
        predicted[:, where] = np.rint(mean)[:, None]
    by_facet = aligned_score(to_responses(predicted, INVENTORY.signs[COLUMNS]), real, ITEMS)
    assert abs(by_facet.composite - 2.72) <= 0.01
    assert by_facet.missing == int((real.responses[:, COLUMNS] == 0).sum()) > 0
