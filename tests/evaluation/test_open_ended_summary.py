"""The whole task in one: texts by fake decoders, two judges, everything from raw rows as JSON."""

from __future__ import annotations

import json

import pytest

from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.agreement import judge_agreement
from personalign.evaluation.contest import contests, mean_levels
from personalign.evaluation.lengths import length_bias, lengths
from personalign.evaluation.likelihood import LikelihoodJudge
from personalign.evaluation.open_ended import write_open_ended
from personalign.evaluation.open_ended_summary import summarise_open_ended
from personalign.evaluation.side_by_side import position_bias
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift
from tests.model.loud import loud, make_loud


def rows() -> tuple[list, list, list]:
    """Texts of two methods for three people, and two judges' verdicts, through JSON."""
    decoder, people = loud(), simulate(3, seed=5)
    groups = {"pas": [Persona(shift=some_shift(decoder, seed=s), alpha=2.0) for s in range(3)]}
    groups["none"] = [PLAIN] * 3
    texts = [
        row
        for method, personas in groups.items()
        for row in write_open_ended(
            decoder, personas, people, people.inventory.held_out[:4], method=method,
            max_new_tokens=12,
        )
    ]  # fmt: skip
    one = LikelihoodJudge(decoder).score(texts)
    other = [{**v, "judge": "other"} for v in LikelihoodJudge(make_loud("gpt2")).score(texts)]
    return tuple(json.loads(json.dumps(part)) for part in (texts, one, other))  # type: ignore[return-value]


def test_it_is_what_its_parts_say() -> None:
    texts, one, other = rows()
    compared = [
        {"person": p, "item": 1, "a": "pas", "b": "none", "judge": "x", "a_first": a, "b_first": b}
        for p, a, b in (("p", "A", "B"), ("q", "A", "A"), ("q", None, "A"))
    ]
    found = summarise_open_ended(texts, one, second=other, compared=compared, seed=2)
    assert (found.focus, found.people) == ("pas", 3)
    assert found.judge == "likelihood of the answer under fake llama"
    assert list(found.levels) == mean_levels(one, seed=2)
    assert list(found.contests) == contests(one, "pas", seed=2) and len(found.contests) == 1
    assert list(found.lengths) == lengths(texts, one, seed=2)
    assert found.length_bias == length_bias(texts, one, seed=2)
    assert found.position_bias == position_bias(compared, seed=2)
    assert found.agreement == judge_agreement(one, other, seed=2)


def test_what_was_not_done_is_not_there_and_the_focus_can_be_another() -> None:
    texts, one, _ = rows()
    found = summarise_open_ended(texts, one, focus="none")
    assert found.position_bias is None and found.agreement is None
    assert [contest.other for contest in found.contests] == ["pas"]


def test_no_verdicts_or_no_texts_of_the_focus_are_refused() -> None:
    texts, one, _ = rows()
    with pytest.raises(EvaluationError, match="There are 0 verdicts"):
        summarise_open_ended(texts, [])
    with pytest.raises(EvaluationError, match="comparing dpo with others"):
        summarise_open_ended(texts, one, focus="dpo")
    with pytest.raises(EvaluationError, match="no method"):
        summarise_open_ended([], one)
