"""How far answers move when personas are carried over, on answers made up and on a tiny model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from personalign.evaluation.carried import Answered, Moved, answer_as, moved
from personalign.inventory.items import ipip_neo_300
from personalign.model.answer import answer_items
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift
from tests.model.loud import loud


def test_distances_are_means_over_items() -> None:
    def answered(persona: list[float], plain: list[float]) -> Answered:
        return Answered((np.array(persona),), (np.array(plain),))

    own = answered([4.0, 2.0], [3.0, 3.0])
    old, new = answered([3.0, 2.5], [3.0, 3.5]), answered([4.0, 2.25], [3.0, 3.5])
    assert moved(own, old, new) == [
        Moved(by_persona=1.0, by_model=0.25, old_sigmas=0.75, new_sigmas=0.125)
    ]


def test_every_persona_is_asked_its_own_tuning_items_and_no_others() -> None:
    decoder = loud()
    shift = some_shift(decoder, sigma=0.1)
    wide = Persona(shift=shift, alpha=1.0, provenance={"inventory": "IPIP-NEO-300"})
    short = replace(wide, provenance={"inventory": "IPIP-Big5-50"})
    told: list[int] = []
    found = answer_as(decoder, [wide, short], progress=lambda done, _: told.append(done))
    assert [len(one) for one in found.personas] == [120, 30] == [len(one) for one in found.plain]
    assert told
    items = ipip_neo_300().tuning
    probabilities = np.exp(answer_items(decoder, [wide, PLAIN], items).log_probs)
    expected = (probabilities * np.arange(1, 6)).sum(axis=-1)
    np.testing.assert_allclose([found.personas[0], found.plain[0]], expected, rtol=1e-5)
    assert np.abs(found.personas[0] - found.plain[0]).max() > 0.01


def test_nothing_moves_what_stays_the_same() -> None:
    decoder = loud()
    persona = Persona(shift=some_shift(decoder, sigma=0.1), alpha=1.0)
    found = answer_as(decoder, [persona])
    (same,) = moved(found, found, found)
    assert (same.by_model, same.old_sigmas, same.new_sigmas) == (0, 0, 0) and same.by_persona > 0
    assert moved(*[answer_as(decoder, [])] * 3) == []


@pytest.mark.parametrize("inventory", ["unheard of"])
def test_a_questionnaire_nobody_knows_is_refused(inventory: str) -> None:
    from personalign.errors import InventoryError

    with pytest.raises(InventoryError, match="unheard of"):
        answer_as(loud(), [Persona(provenance={"inventory": inventory})])
