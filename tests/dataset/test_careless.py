"""Careless indices: each against a plain loop, its extremes, and missing answers."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from personalign.dataset.careless import carelessness, longest_strings
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import FACETS, to_keyed, to_responses


def _people(responses: np.ndarray) -> Respondents:
    return Respondents(responses.astype(np.int8), tuple(map(str, range(len(responses)))))


@pytest.fixture(scope="module")
def gappy() -> Respondents:
    responses = simulate(40, seed=2).responses.copy()
    responses[np.random.default_rng(0).random(responses.shape) < 0.1] = 0
    return _people(responses)


def test_strings_are_runs_of_one_answer(gappy: Respondents) -> None:
    for row, found in zip(gappy.responses, longest_strings(gappy.responses), strict=True):
        runs = [(answer, len(list(group))) for answer, group in groupby(row.tolist())]
        for answer in range(1, 6):
            assert found[answer - 1] == max([n for a, n in runs if a == answer], default=0)


def test_even_odd_is_the_stepped_up_correlation_of_half_facets(gappy: Respondents) -> None:
    found = carelessness(gappy).even_odd
    form = ipip_neo_300()
    for person in range(len(gappy)):
        halves = []
        for code in FACETS:
            values = gappy.keyed[person, form.facets == code].astype(float)
            values[values == 0] = np.nan
            halves.append([np.nanmean(values[::2]), np.nanmean(values[1::2])])
        r = np.corrcoef(np.array(halves).T)[0, 1]
        assert found[person] == pytest.approx(2 * r / (1 + r), abs=1e-4)


def test_person_total_is_the_correlation_with_the_others(gappy: Respondents) -> None:
    found = carelessness(gappy).person_total
    values = np.where(gappy.responses > 0, gappy.responses, np.nan).astype(float)
    for person in range(len(gappy)):
        means = np.nanmean(np.delete(values, person, axis=0), axis=0)
        own = values[person]
        r = np.corrcoef(own[~np.isnan(own)], means[~np.isnan(own)])[0, 1]
        assert found[person] == pytest.approx(r, abs=1e-9)


def test_who_ticks_one_option_is_flagged_and_who_answers_is_not() -> None:
    drawn = simulate(200, seed=3).responses.copy()
    drawn[0] = 3
    drawn[1] = to_responses(np.full(300, 3), ipip_neo_300().signs)
    drawn[2] = 6 - np.round(drawn.mean(axis=0))  # the opposite of what everybody says
    found = carelessness(_people(drawn))
    assert found.flags["longest_string"][0]
    assert np.isnan(found.even_odd[0])
    assert np.isnan(found.person_total[0])
    assert found.flags["person_total"][2]
    assert found.flags["any"].sum() < 20
    assert found.as_dict()["person_total"]["unknown"] == 2
    assert found.as_dict()["any"]["flagged"] == int(found.flags["any"].sum())


def test_random_answers_are_inconsistent() -> None:
    rng = np.random.default_rng(0)
    drawn = np.vstack([simulate(200, seed=3).responses, rng.integers(1, 6, (200, 300))])
    flagged = carelessness(_people(drawn)).flags["even_odd"]
    assert flagged[:200].mean() < 0.05
    assert flagged[200:].mean() > 0.6


def test_one_person_has_no_others() -> None:
    found = carelessness(_people(simulate(1, seed=0).responses))
    assert np.isnan(found.person_total).all()
    assert not found.flags["person_total"].any()


def test_the_coordinate_is_the_one_ticked(gappy: Respondents) -> None:
    keyed = to_keyed(gappy.responses, ipip_neo_300().signs)
    assert not np.array_equal(longest_strings(keyed), longest_strings(gappy.responses))
