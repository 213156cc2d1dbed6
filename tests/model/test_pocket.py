"""The embedded model does what it is there for: it can be asked, told who it is, and steered."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.evaluation.aligned import aligned_score
from personalign.evaluation.statistics import paired_difference
from personalign.evaluation.swap import swap_control
from personalign.inventory.items import ipip_neo_300
from personalign.methods.facet_prompt import FacetPrompt
from personalign.methods.few_shot import FewShot
from personalign.methods.none import NoPersona
from personalign.methods.pas import Pas
from personalign.model.answer import answer_items, answer_items_by_text
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.loading import POCKET_FOLDER
from personalign.model.persona import PLAIN
from personalign.model.prompts import PAPI, REWORDED, SHUFFLED
from recipes.pocket.voice import voice


@pytest.fixture(scope="module")
def pocket() -> Decoder:
    return Decoder.load("pocket")


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(12, seed=2024)


def _answers(method, people: Respondents, items) -> np.ndarray:
    return method.predict(people.only(people.inventory.tuning), items)


def _composite(method, people: Respondents) -> float:
    items = people.inventory.held_out
    return aligned_score(_answers(method, people, items), people, items).composite


def test_the_weights_are_small_and_come_with_a_card() -> None:
    assert (POCKET_FOLDER / "model.safetensors").stat().st_size <= 16e6
    assert "simulated" in (POCKET_FOLDER / "README.md").read_text()


def test_it_means_one_of_the_five_options(pocket) -> None:
    items = ipip_neo_300().items[:40]
    for wording in (PAPI, REWORDED, SHUFFLED):
        assert answer_items(pocket, [PLAIN], items, wording=wording).mass.mean() > 0.95
    by_text = answer_items_by_text(pocket, [PLAIN], items)
    assert not by_text.unparsed.any()
    assert np.array_equal(by_text.responses(), answer_items(pocket, [PLAIN], items).responses())


@pytest.mark.slow
def test_who_it_is_told_to_be_shows_in_its_answers(pocket, people) -> None:
    none, told = NoPersona(pocket), FewShot(pocket)
    items = people.inventory.held_out
    answers = _answers(told, people, items)
    assert _composite(told, people) < 0.92 * _composite(none, people)
    assert swap_control(answers, people, items).difference.interval.low > 0


@pytest.mark.slow
@pytest.mark.parametrize("wording", [REWORDED, SHUFFLED], ids=lambda wording: wording.name)
def test_it_still_knows_who_it_is_in_another_wording(pocket, people, wording) -> None:
    none, told = NoPersona(pocket, wording=wording), FewShot(pocket, wording=wording)
    assert _composite(told, people) < 0.95 * _composite(none, people)
    assert _composite(none, people) < 1.15 * _composite(NoPersona(pocket), people)


@pytest.mark.slow
def test_pas_moves_it_towards_the_person(pocket, people, tmp_path) -> None:
    items = people.inventory.held_out
    pushed = _answers(Pas(pocket, cache=tmp_path), people, items)
    plain = _answers(NoPersona(pocket), people, items)
    scores = [aligned_score(answers, people, items).per_person for answers in (pushed, plain)]
    assert paired_difference(*scores).interval.high < 0
    assert swap_control(pushed, people, items).difference.interval.low > 0


@pytest.mark.slow
def test_released_people_score_about_as_the_card_says(pocket, released, tmp_path) -> None:
    """On the first 50 of the 150 people of the card: it tells of 2.91, 2.00 and 2.10 for all."""
    people = read_people(released / "papi" / "respondents_dev.json").select(slice(0, 50))
    assert _composite(NoPersona(pocket), people) <= 3.05
    assert _composite(FewShot(pocket), people) <= 2.1
    assert _composite(Pas(pocket, cache=tmp_path), people) <= 2.25


@pytest.mark.slow
@pytest.mark.parametrize("wording", [REWORDED, SHUFFLED], ids=lambda wording: wording.name)
def test_released_people_in_another_wording(pocket, released, wording) -> None:
    people = read_people(released / "papi" / "respondents_dev.json").select(slice(0, 30))
    assert _composite(NoPersona(pocket, wording=wording), people) <= 3.3
    assert _composite(FewShot(pocket, wording=wording), people) <= 2.4


@pytest.mark.slow
def test_who_it_is_described_as_shows_in_its_answers(pocket, people) -> None:
    items = people.inventory.held_out
    answers = _answers(FacetPrompt(pocket), people, items)
    assert _composite(FacetPrompt(pocket), people) < 0.97 * _composite(NoPersona(pocket), people)
    assert swap_control(answers, people, items).difference.interval.low > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", [FewShot, Pas])
def test_who_speaks_shows_in_what_it_says(pocket, people, method) -> None:
    """Read off the grammar's phrases; with somebody else's scores nothing is left."""
    people = people.select(slice(0, 6))
    told = method(pocket).personas(people.only(people.inventory.tuning))
    heard = voice(pocket, told, people)
    assert heard.own > 0.25
    assert heard.other < heard.own / 2


def test_it_writes_text_and_ends_its_turn(pocket) -> None:
    question = [{"role": "user", "content": "What would you do with a free Saturday?"}]
    (reply,) = generate(pocket, PLAIN, [question], max_new_tokens=120)
    assert 3 <= len(reply.split()) < 100
    assert "<|" not in reply
