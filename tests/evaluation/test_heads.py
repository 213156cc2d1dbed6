"""K, alpha and agreement: what is counted is what the methods push and the probes say."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.aligned import aligned_score
from personalign.evaluation.heads import by_heads, head_agreement
from personalign.methods.pas import Pas
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama", layers=3)


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(4, seed=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_scores_are_those_of_the_method_with_so_many_heads(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    two = people.select(slice(0, 2))
    found = by_heads(lambda k: Pas(decoder, heads=k, cache=cache), two, [1, 5], [0.0, 2.0])
    items = two.inventory.held_out
    known = two.only(two.inventory.tuning)
    for one in found:
        personas = Pas(decoder, heads=one.heads, cache=cache).personas(known)
        assert one.own_alpha == np.mean([persona.alpha for persona in personas])
        own = answer_items(decoder, personas, items).responses()
        assert one.own.composite == aligned_score(own, two, items).composite
        pushed = answer_items(decoder, [p.with_alpha(2.0) for p in personas], items).responses()
        assert one.composites[1] == aligned_score(pushed, two, items).composite
    assert found[0].composites[0] == found[1].composites[0]  # alpha 0 is the plain model
    assert found[0].composites[1] != found[1].composites[1]


def test_shared_heads_are_counted_pair_by_pair(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    method = Pas(decoder, heads=3, cache=cache)
    known = people.only(people.inventory.tuning)
    agreement = head_agreement(method.finder, known)
    sets = [set(persona.shift.pairs) for persona in method.personas(known)]
    common = [len(a & b) / 3 for a, b in combinations(sets, 2)]
    assert agreement.shared == pytest.approx(np.mean(common))
    assert agreement.by_chance == pytest.approx(3 / 12)
    assert agreement.chosen.sum() == 3 * 4 and agreement.chosen.max() <= 4
    for layer, head in np.ndindex(agreement.chosen.shape):
        assert agreement.chosen[layer, head] == sum((layer, head) in one for one in sets)
    assert np.allclose(agreement.traits, agreement.traits.T, equal_nan=True)
    assert np.nanmax(np.abs(agreement.traits)) <= 1


def test_a_person_twice_shares_all_heads_with_themselves(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    method = Pas(decoder, heads=3, cache=cache)
    known = people.only(people.inventory.tuning).select([0, 0])
    assert head_agreement(method.finder, known).shared == 1.0
    alone = head_agreement(method.finder, known.select([0]))
    assert np.isnan(alone.shared)


def test_nobody_with_heads_and_nothing_to_try(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    method = Pas(decoder, heads=3, cache=cache)
    neutral = Respondents(np.full((2, 300), 3, np.int8), ("a", "b"))
    with pytest.raises(EvaluationError, match="neutral on everything"):
        head_agreement(method.finder, neutral)
    with pytest.raises(EvaluationError, match="0 numbers of heads"):
        by_heads(lambda k: Pas(decoder, heads=k), people, [], [1.0])
