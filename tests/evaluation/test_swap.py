"""Laws of the swap control."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.aligned import aligned_score
from personalign.evaluation.swap import derangement, swap_control
from personalign.inventory.items import ipip_neo_300

ITEMS = ipip_neo_300().held_out


@pytest.mark.parametrize("people", [2, 3, 12, 151])
def test_everybody_gets_somebody_elses_persona_once(people):
    for seed in range(20):
        donors = derangement(people, seed=seed)
        assert sorted(donors) == list(range(people))
        assert (donors != np.arange(people)).all()
    assert (derangement(people, seed=4) == derangement(people, seed=4)).all()


def test_one_person_has_nobody_to_swap_with():
    with pytest.raises(EvaluationError, match="at least 2 people"):
        derangement(1)


def test_perfect_personas_swap_badly_and_equal_ones_do_not():
    people = simulate(30, seed=0)
    own = people.responses[:, ipip_neo_300().columns(ITEMS)]
    perfect = swap_control(own, people, ITEMS)
    assert perfect.difference.clear and perfect.difference.mean > 2
    assert perfect.difference.mean == pytest.approx(perfect.swapped.composite)

    everybody_alike = swap_control(np.full(own.shape, 3), people, ITEMS)
    assert everybody_alike.difference.mean == 0 and not everybody_alike.difference.clear


def test_a_swapped_score_is_the_donors_answers_against_ones_own():
    people = simulate(5, seed=1)
    predicted = np.random.default_rng(0).integers(1, 6, (5, len(ITEMS)))
    control = swap_control(predicted, people, ITEMS, seed=9)
    one = 3
    alone = aligned_score(predicted[control.donors[[one]]], people.select([one]), ITEMS)
    assert control.swapped.per_person[one] == pytest.approx(alone.composite)
