"""The same persona asked in other ways: the scores are those of asking so, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.aligned import aligned_score
from personalign.evaluation.robustness import ASKINGS, SHARES, Asking, asked_otherwise, trade_off
from personalign.evaluation.side_effects import neutral_cost
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.parse import parse_reply
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import PAPI
from tests.model.conftest import some_shift


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder()


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(3, seed=1)


@pytest.fixture(scope="module")
def personas(decoder: Decoder) -> list[Persona]:
    return [
        PLAIN,
        Persona(shift=some_shift(decoder), alpha=2.0),
        Persona(system_prompt="You worry.", shift=some_shift(decoder, seed=1), alpha=1.0),
    ]


def test_every_way_scores_as_asking_so_does(
    decoder: Decoder, personas: list[Persona], people: Respondents
) -> None:
    items = people.inventory.held_out
    quick = [asking for asking in ASKINGS if not asking.by_text]
    found = asked_otherwise(decoder, personas, people, askings=quick)
    for asking, moved in zip(quick, found, strict=True):
        plain = answer_items(decoder, personas, items, wording=asking.wording).responses()
        assert (moved.responses == plain).all()
        assert moved.score is not None
        assert moved.score.composite == aligned_score(plain, people, items).composite
    assert found[0].difference is None
    first = found[0].score
    for moved in found[1:]:
        assert moved.difference is not None and moved.score is not None and first is not None
        assert moved.difference.mean == pytest.approx(moved.score.composite - first.composite)


def test_where_nothing_can_be_read_there_is_no_score(
    decoder: Decoder, personas: list[Persona], people: Respondents
) -> None:
    """The words of a random model mean nothing."""
    by_text = asked_otherwise(decoder, personas, people, askings=ASKINGS[:2])[1]
    assert by_text.asking == "by text"
    assert by_text.score is None and by_text.difference is None
    assert (by_text.responses == 0).all()


def test_asked_the_same_way_again_nothing_moves(
    decoder: Decoder, personas: list[Persona], people: Respondents
) -> None:
    twice = [Asking("as made", PAPI), Asking("again", PAPI)]
    again = asked_otherwise(decoder, personas, people, askings=twice)[1]
    assert again.difference is not None
    assert again.difference.mean == 0 and again.difference.interval.ends == (0, 0)


@pytest.mark.parametrize("asking", ASKINGS, ids=lambda asking: asking.name)
def test_every_reply_can_be_read_back(asking: Asking) -> None:
    for response in range(1, 6):
        assert parse_reply(asking.wording.reply_to(response), asking.wording) == response


def test_the_ways_are_different_questions(people: Respondents) -> None:
    item = people.inventory.held_out[0]
    asked = {(asking.wording.ask(item), asking.by_text) for asking in ASKINGS}
    assert len(asked) == len(ASKINGS)


def test_a_trade_off_begins_at_the_plain_model_and_passes_the_persona(
    decoder: Decoder, people: Respondents
) -> None:
    personas = [Persona(shift=some_shift(decoder, seed=s), alpha=1.0 + s) for s in range(3)]
    trade = trade_off(decoder, personas, people)
    items = people.inventory.held_out
    plain = aligned_score(answer_items(decoder, [PLAIN] * 3, items).responses(), people, items)
    own = aligned_score(answer_items(decoder, personas, items).responses(), people, items)
    at = SHARES.index(1.0)
    assert (trade.kls[0], trade.composites[0]) == (0, pytest.approx(plain.composite))
    assert trade.composites[at] == pytest.approx(own.composite)
    assert trade.kls[at] == pytest.approx(neutral_cost(decoder, personas)[0].mean())
    assert (np.diff(trade.kls) > 0).all()


def test_one_persona_a_person(decoder: Decoder, people: Respondents, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="1 personas for 3 people"):
        asked_otherwise(decoder, [PLAIN], people)
    with pytest.raises(EvaluationError, match="0 ways of asking"):
        asked_otherwise(decoder, [PLAIN] * 3, people, askings=[])
