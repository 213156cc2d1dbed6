"""none, few-shot and the registry."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.few_shot import FewShot
from personalign.methods.none import NoPersona
from personalign.methods.registry import METHODS, get_method
from personalign.model.answer import answer_items
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN


@pytest.fixture(scope="module")
def decoder():
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def people() -> Respondents:
    people = simulate(2, seed=5)
    return people.only(people.inventory.tuning)


def test_none_answers_as_the_plain_model(decoder, people) -> None:
    items = people.inventory.held_out[:6]
    predicted = NoPersona(decoder).predict(people, items)
    plain = answer_items(decoder, [PLAIN], items).responses()
    assert np.array_equal(predicted, np.repeat(plain, 2, axis=0))


def test_few_shot_lists_every_given_answer_and_no_other(decoder, people) -> None:
    responses = people.responses.copy()
    first = people.inventory.tuning[0]
    responses[0, first.number - 1] = 0
    personas = FewShot(decoder).personas(Respondents(responses=responses, ids=people.ids))
    prompts = [persona.system_prompt for persona in personas]
    assert [prompt.count(":") for prompt in prompts] == [119, 120]
    assert first.statement not in prompts[0] and first.statement in prompts[1]
    held_out = [item.statement for item in people.inventory.held_out]
    assert not any(f";{statement}:" in prompts[1] for statement in held_out)


def test_personas_say_where_they_come_from(decoder, people) -> None:
    for method in (NoPersona(decoder), FewShot(decoder)):
        provenance = method.personas(people)[0].provenance
        assert provenance["method"] == method.name
        assert provenance["fingerprint"] == decoder.fingerprint


def test_the_registry_makes_every_method_and_names_them_when_asked_for_another(decoder) -> None:
    for name in METHODS:
        assert get_method(name, decoder=decoder).name == name
    with pytest.raises(
        MethodError, match=r"no method 'magic'; the methods are none, few-shot, .*pas"
    ):
        get_method("magic", decoder=decoder)
    with pytest.raises(MethodError, match="cannot take"):
        get_method("none", decoder=decoder, strength=3)
