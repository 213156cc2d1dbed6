"""few-shot: how many answers are listed, and in which order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.few_shot import FewShot, by_facet
from personalign.model.fake import fake_decoder
from personalign.model.prompts import FEW_SHOT_OPENING, few_shot_prompt


@pytest.fixture(scope="module")
def decoder():
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def people() -> Respondents:
    people = simulate(2, seed=5)
    responses = people.responses.copy()
    responses[0, people.inventory.columns(people.inventory.tuning[:2])] = 0
    return Respondents(responses, people.ids).only(people.inventory.tuning)


def listed(method: FewShot, people: Respondents, person: int = 0) -> list[str]:
    prompt = method.personas(people)[person].system_prompt
    assert prompt is not None
    return prompt.removeprefix(FEW_SHOT_OPENING).split(";")


def test_all_answers_in_the_forms_order_unless_said_otherwise(decoder, people) -> None:
    items = people.inventory.tuning
    answers = people.responses[:, people.inventory.columns(items)].tolist()
    prompts = [few_shot_prompt(items, row) for row in answers]
    assert [persona.system_prompt for persona in FewShot(decoder).personas(people)] == prompts


def test_the_first_thirty_of_the_form_are_one_of_each_facet(decoder, people) -> None:
    assert len({item.facet for item in people.inventory.tuning[:30]}) == 30
    whole = listed(FewShot(decoder), people)
    assert listed(FewShot(decoder, answers=30), people) == whole[:30]  # two were not answered
    assert len(listed(FewShot(decoder, answers=500), people)) == 118


def test_a_random_order_holds_the_same_answers_and_follows_its_seed(decoder, people) -> None:
    whole = listed(FewShot(decoder), people)
    drawn = [listed(FewShot(decoder, order="random", seed=seed), people) for seed in (1, 1, 2)]
    assert sorted(drawn[0]) == sorted(whole) and drawn[0] != whole
    assert drawn[0] == drawn[1] != drawn[2]
    some = listed(FewShot(decoder, order="random", seed=1, answers=40), people)
    assert some == drawn[0][:40]


def test_by_facet_puts_the_answers_of_a_facet_together(decoder, people) -> None:
    ordered = by_facet(people.inventory.tuning)
    facets = [item.facet for item in ordered]
    assert sum(a != b for a, b in pairwise(facets)) == 29
    assert facets[0] == "O1" and {item.number for item in ordered} == {
        item.number for item in people.inventory.tuning
    }
    few = listed(FewShot(decoder, order="facet", answers=30), people, person=1)
    asked = [item.statement for item in by_facet(people.inventory.tuning[:30])]
    assert [line.rsplit(":", 1)[0] for line in few] == asked


def test_settings_tell_runs_apart_and_nothing_that_does_nothing(decoder) -> None:
    assert FewShot(decoder, seed=1).settings == FewShot(decoder, seed=2).settings
    one, two = (FewShot(decoder, order="random", seed=seed).settings for seed in (1, 2))
    assert one != two


@pytest.mark.parametrize("wrong", [{"answers": 0}, {"order": "alphabetical"}])
def test_settings_that_cannot_be(decoder, wrong) -> None:
    with pytest.raises(MethodError, match="few-shot"):
        FewShot(decoder, **wrong)


def test_held_out_answers_are_never_listed(decoder) -> None:
    people = simulate(1, seed=5)  # all 300 answers visible
    for settings in ({}, {"order": "random"}, {"order": "facet"}):
        lines = listed(FewShot(decoder, **settings), people)  # type: ignore[arg-type]
        tuning = {item.statement for item in people.inventory.tuning}
        assert {line.rsplit(":", 1)[0] for line in lines} <= tuning
    assert np.all(people.responses > 0)
