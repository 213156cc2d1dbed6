"""Mirrored people: 6 - response, missing stays missing, twice is the identity."""

from __future__ import annotations

import numpy as np

from personalign.dataset.mirror import mirrored
from personalign.dataset.people import Respondents
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.scoring import trait_means


def some_people() -> Respondents:
    responses = np.random.default_rng(0).integers(0, 6, (4, 300)).astype(np.int8)
    return Respondents(responses, tuple("abcd"))


def test_every_answer_is_mirrored_and_nothing_is_filled_in() -> None:
    people = some_people()
    turned = mirrored(people)
    expected = [[0 if r == 0 else 6 - r for r in row] for row in people.responses.tolist()]
    assert turned.responses.tolist() == expected
    assert turned.ids == people.ids and turned.source != people.source


def test_twice_is_the_identity() -> None:
    people = some_people()
    assert (mirrored(mirrored(people)).responses == people.responses).all()


def test_every_trait_is_mirrored_too() -> None:
    people, inventory = some_people(), ipip_neo_300()
    as_given = trait_means(people.responses, inventory)
    turned = trait_means(mirrored(people).responses, inventory)
    np.testing.assert_allclose(np.asarray(as_given) + np.asarray(turned), 6.0)
