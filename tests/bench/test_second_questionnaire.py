"""Everything runs on a questionnaire with 50 items, no facets and no simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personalign.bench.evaluate import evaluate_methods
from personalign.bench.report import report_html
from personalign.bench.rows import Evaluation
from personalign.bench.summary import setting, to_json
from personalign.bench.table import notes
from personalign.dataset.people import Respondents
from personalign.dataset.split import split_people
from personalign.errors import EvaluationError, MethodError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import ipip_neo_120
from personalign.inventory.keys import to_responses
from personalign.methods.base import PersonaMethod
from personalign.methods.reference import Ridge, left_out, reference_methods
from personalign.methods.registry import get_method
from personalign.model.decoder import Decoder
from tests.bench.sketch import Plain, Sketch

FORM = big_five_50()


def fifty(count: int, seed: int) -> Respondents:
    """Made-up people whose keyed answers go with five traits of theirs."""
    rng = np.random.default_rng(seed)
    traits = dict(zip("OCEAN", rng.normal(3.2, 0.8, (5, count)), strict=True))
    keyed = np.stack([traits[trait] for trait in FORM.traits], axis=1)
    keyed = np.clip(np.rint(keyed + rng.normal(0, 0.7, keyed.shape)), 1, 5).astype(np.int8)
    ids = tuple(f"made{seed}-{row}" for row in range(count))
    return Respondents(to_responses(keyed, FORM.signs), ids, inventory=FORM)


@pytest.fixture(scope="module")
def found(decoder: Decoder) -> Evaluation:
    """PAS, few-shot and the plain model on four people, with no population."""
    settings = {"pas": {"heads": 2}}
    return evaluate_methods(decoder, fifty(4, 1), ["none", "few-shot", "pas"], settings=settings)


def test_methods_learn_from_thirty_items_and_are_scored_on_twenty(found: Evaluation) -> None:
    assert {item.number for item in found.items} == {item.number for item in FORM.held_out}
    for row in found.methods:
        assert row.score.items == 20
        assert row.score.people == 4
        assert row.responses.shape == (4, 20)
        assert row.records[0]["provenance"]["inventory"] == "IPIP-Big5-50"
    assert found.row("pas").records[0]["heads"]


def test_held_out_answers_change_no_persona(decoder: Decoder) -> None:
    people = fifty(2, 5)
    other = people.responses.copy()
    other[:, FORM.columns(FORM.held_out)] = 6 - other[:, FORM.columns(FORM.held_out)]
    for name in ("pas", "few-shot"):
        rows = [
            evaluate_methods(decoder, those, [name], references=False).row(name)
            for those in (people, replace(people, responses=other))
        ]
        assert np.array_equal(rows[0].responses, rows[1].responses)


def test_rows_that_need_other_people_are_left_out_and_said_so(found: Evaluation) -> None:
    assert [row.name for row in found.references] == ["constant 3", "trait mean"]
    told = " ".join(notes(found))
    assert "item median, ridge: left out" in told
    assert "facet mean: left out, because IPIP-Big5-50 has no facets" in told


def test_a_population_of_the_same_questionnaire_fits_them(decoder: Decoder) -> None:
    population = fifty(60, 2)
    evaluation = evaluate_methods(decoder, fifty(3, 3), [Plain(decoder)], population=population)
    names = [row.name for row in evaluation.references]
    assert names == ["constant 3", "item median", "trait mean", "ridge"]
    assert evaluation.row("ridge").score.composite < evaluation.row("constant 3").score.composite
    assert "left out, because they need" not in " ".join(notes(evaluation))


def test_the_report_speaks_of_this_questionnaire(found: Evaluation) -> None:
    text = " ".join(report_html(found).split())
    assert "answered a 50-item personality questionnaire" in text
    assert "saw 30 of those answers" in text
    assert "300-item" not in text and "the 120" not in text
    assert to_json(found)["people"]["inventory"] == "IPIP-Big5-50"


def test_another_questionnaire_s_population_is_refused(
    decoder: Decoder, population: Respondents
) -> None:
    with pytest.raises(EvaluationError, match=r"answered IPIP-NEO-300 .* IPIP-Big5-50"):
        evaluate_methods(decoder, fifty(2, 1), [Plain(decoder)], population=population)
    with pytest.raises(MethodError, match="same questionnaire"):
        Ridge(population).predict(fifty(2, 1), FORM.held_out)


def test_a_form_with_nothing_held_out_is_no_score(decoder: Decoder) -> None:
    short = Respondents(np.full((2, 120), 3), ("a", "b"), inventory=ipip_neo_120())
    with pytest.raises(EvaluationError, match="120 items to learn from and 0 held out"):
        evaluate_methods(decoder, short, [Plain(decoder)])


def test_all_rows_there_means_nothing_to_say(population: Respondents) -> None:
    rows = [method.name for method in reference_methods(population)]
    assert left_out(rows, population.inventory) == []


def test_people_of_the_tuning_part_need_a_word(decoder: Decoder) -> None:
    parts = split_people(fifty(6, 4))
    with pytest.raises(EvaluationError, match="the tuning part of a split"):
        evaluate_methods(decoder, parts["tuning"], [Sketch(decoder)])
    told = evaluate_methods(
        decoder, parts["tuning"], [Sketch(decoder)], on_tuning_people=True, seed=1
    )
    assert to_json(told)["people"]["tuning_people"] is True
    assert to_json(told)["people"]["split"] == "tuning"
    assert "the split's tuning part" in setting(told)
    assert "people of the tuning part" in notes(told)[0]
    assert "people of the tuning part" in " ".join(report_html(told).split())
    reported = evaluate_methods(decoder, parts["reported"], [Sketch(decoder)], seed=1)
    assert to_json(reported)["people"]["tuning_people"] is False
    assert not any("tuning part" in line for line in notes(reported))


@pytest.mark.slow
def test_the_pocket_model_on_real_people(released: Path) -> None:
    """Three real people: the personas are pushed, and the answers differ from the plain model's."""
    from personalign.dataset.big_five_50 import read_big_five_50

    decoder = Decoder.load("pocket")
    people = read_big_five_50(released / "respondents" / "ipip_big5_50.csv").select([0, 1, 2])
    seen = people.only(FORM.tuning)
    pas, plain = (get_method(name, decoder=decoder) for name in ("pas", "none"))
    assert isinstance(pas, PersonaMethod)
    personas = pas.personas(seen)
    assert all(persona.shift is not None for persona in personas)
    assert any(persona.alpha > 0 for persona in personas)
    answers = pas.predict(seen, FORM.held_out)
    assert answers.shape == (3, 20) and answers.min() >= 1 and answers.max() <= 5
    assert not np.array_equal(answers, plain.predict(seen, FORM.held_out))
