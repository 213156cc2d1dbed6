"""Describing people: counts add up, scores are the scales', the paper's means are explained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from personalign.dataset import describe as description
from personalign.dataset.describe import describe
from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents, demographics_table
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_120
from personalign.inventory.scoring import reliability, trait_means


def test_scores_are_those_of_the_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    people = simulate(130, seed=1)
    monkeypatch.setattr(description, "_CHUNK", 50)
    found = describe(people)
    means = trait_means(people.responses)
    assert np.array_equal(found.scores, means)
    alphas = reliability(people.responses)
    for place, scale in enumerate(found.traits):
        assert scale.mean == pytest.approx(means[:, place].mean())
        assert scale.sd == pytest.approx(means[:, place].std(ddof=1))
        assert scale.alpha == alphas.traits[scale.code]
    assert {s.code: s.alpha for s in found.facets} == alphas.facets
    assert found.correlations == pytest.approx(np.corrcoef(means.T))


def test_everybody_is_counted_once() -> None:
    people = simulate(500, seed=2)
    found = describe(people)
    for counts in (found.age_bands, found.sexes, found.countries):
        assert sum(counts.values()) == 500
    ages = people.demographics["age"].to_numpy()  # type: ignore[index]
    assert found.age_bands["20-29"] == ((ages >= 20) & (ages < 30)).sum()


def test_what_is_unknown_is_said_to_be() -> None:
    table = demographics_table(["male", None, None], [9, 30, None], [None, "Norway", "Norway"])
    people = Respondents(simulate(3, seed=0).responses, ("a", "b", "c"), table)
    found = describe(people)
    assert found.sexes == {"male": 1, "unknown": 2}
    assert found.age_bands == {"0-9": 1, "10-19": 0, "20-29": 0, "30-39": 1, "unknown": 1}
    assert found.countries == {"Norway": 2, "unknown": 1}
    nothing = describe(Respondents(people.responses, people.ids))
    assert nothing.ages is None
    assert nothing.sexes == {"unknown": 3}


def test_missing_answers_are_counted_and_never_scored() -> None:
    responses = simulate(20, seed=5).responses.copy()
    responses[3, 10:15] = 0
    responses[4, 10] = 0
    found = describe(Respondents(responses, tuple("abcdefghijklmnopqrst")))
    assert found.missing == {
        "answers": 6, "share": 6 / 6000, "people": 2, "most": 5, "item": 11, "item_missing": 2,
    }  # fmt: skip
    responses[0] = 0
    empty = describe(Respondents(responses, tuple("abcdefghijklmnopqrst")))
    assert np.isnan(empty.scores[0]).all()
    assert empty.traits[0].people == 19


def test_the_short_form_and_one_person() -> None:
    form = ipip_neo_120()
    responses = np.random.default_rng(0).integers(1, 6, (1, 120)).astype(np.int8)
    found = describe(Respondents(responses, ("a",), inventory=form))
    assert (found.items, len(found.facets)) == (120, 30)
    assert np.isnan(found.traits[0].alpha)
    json.dumps(found.as_dict(), allow_nan=False)


def test_json_holds_no_one_persons_scores() -> None:
    stored = json.dumps(describe(simulate(60, seed=1)).as_dict(), allow_nan=False)
    assert "sim1-" not in stored


def test_nobody_cannot_be_described() -> None:
    with pytest.raises(PeopleError, match="no people"):
        describe(simulate(2, seed=0).select([]))


def test_reversing_twice_is_explained_for_papi_files_alone(released: Path) -> None:
    people = read_people(released / "papi" / "respondents_dev.json")
    twice = describe(people).double_reversed
    assert twice is not None
    # The paper's means of its 300, of whom these are half.
    paper = {"A": 2.95, "C": 3.14, "E": 3.19, "N": 3.04, "O": 3.11}
    assert {code: round(mean, 2) for code, mean in twice.items()} == pytest.approx(paper, abs=0.015)
    right = {scale.code: scale.mean for scale in describe(people).traits}
    assert right["O"] == pytest.approx(3.64, abs=0.01)
    assert describe(simulate(5, seed=0)).double_reversed is None


def test_further_demographics_are_no_hindrance() -> None:
    people = simulate(4, seed=0)
    table = people.demographics.with_columns(pl.lit("x").alias("note"))  # type: ignore[union-attr]
    assert describe(Respondents(people.responses, people.ids, table)).people == 4
