"""Personas of a trait: the paper's by alpha, ours by answers, through any method."""

from __future__ import annotations

import pytest

from personalign.dataset.poles import people_at_poles
from personalign.errors import EvaluationError, PeopleError
from personalign.evaluation.reasoning import trait_personas
from personalign.inventory.items import ipip_neo_300
from personalign.methods.base import PersonaMethod
from personalign.methods.registry import get_persona_method
from personalign.model.fake import fake_decoder


def method(name: str) -> PersonaMethod:
    return get_persona_method(name, decoder=fake_decoder())


@pytest.mark.parametrize("name", ["pas", "iti", "caa"])
def test_by_alpha_one_persona_is_pushed_both_ways(name: str) -> None:
    maker = method(name)
    found = trait_personas(maker, ["C", "N"], alphas=[1, -1, 0.5])
    assert list(found) == ["C+1", "C-1", "C+0.5", "N+1", "N-1", "N+0.5"]
    people = people_at_poles("C", ["high"])
    (own,) = maker.personas(people.only(people.inventory.tuning))
    assert found["C+1"] == own.with_alpha(1.0) and found["C-1"] == own.with_alpha(-1.0)
    assert found["C+1"].steers and found["C+1"].key != found["N+1"].key


def test_by_answers_both_ends_are_made() -> None:
    found = trait_personas(method("few-shot"), ["C"], way="answers")
    assert list(found) == ["C high", "C low"]
    high, low = (str(persona.system_prompt) for persona in found.values())
    items = [item for item in ipip_neo_300().tuning if item.trait == "C"]
    others = [item for item in ipip_neo_300().tuning if item.trait == "N"]
    for text in (high, low):
        assert all(item.statement.rstrip(".").lower() in text.lower() for item in items)
        assert not any(item.statement.rstrip(".").lower() in text.lower() for item in others)
    assert high != low
    pushed = trait_personas(method("pas"), ["C"], way="answers")
    assert pushed["C high"].shift is not None and pushed["C low"].shift is not None


def test_what_pushes_nothing_has_no_alpha() -> None:
    with pytest.raises(EvaluationError, match="few-shot makes a persona of C high that pushes"):
        trait_personas(method("few-shot"), ["C"])
    with pytest.raises(PeopleError, match="nobody called Q high"):
        trait_personas(method("pas"), ["Q"])
