"""The chosen beside all: nothing differs from itself, what differs is named, chance is said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from personalign.dataset.compare import compare
from personalign.dataset.describe import describe
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_120


def test_nothing_differs_from_itself() -> None:
    people = describe(simulate(300, seed=1))
    found = compare(people, people)
    assert all(one.standardised == 0 for one in found.differences)
    assert all(one.sd_ratio in (None, 1) for one in found.differences)
    assert set(found.correlation_differences.values()) == {0}
    names = [one.name for one in found.differences]
    assert names[:7] == ["Openness", "Conscientiousness", "Extraversion", "Agreeableness",
                         "Neuroticism", "age", "sex: female"]  # fmt: skip


def test_the_largest_difference_is_named() -> None:
    people = simulate(400, seed=2)
    ages = people.demographics["age"].to_numpy()  # type: ignore[index]
    old = people.select(np.argsort(ages)[-50:])
    found = compare(describe(people), describe(old))
    assert found.largest is not None
    assert found.largest.name == "age"
    mean, sd = ages.mean(), ages.std(ddof=1)
    expected = (np.sort(ages)[-50:].mean() - mean) / sd
    assert found.largest.standardised == pytest.approx(expected, abs=0.01)
    assert "age" in found.sentence
    assert found.as_dict()["largest"] == "age"


def test_shares_are_in_their_own_deviations() -> None:
    people = simulate(400, seed=2)
    sexes = np.array(people.demographics["sex"].to_list())  # type: ignore[index]
    women = people.select(sexes == "female")
    (one,) = [
        one
        for one in compare(describe(people), describe(women)).differences
        if one.name == "sex: female"
    ]
    share = (sexes == "female").mean()
    assert (one.all, one.chosen) == (pytest.approx(share), 1)
    assert one.standardised == pytest.approx((1 - share) / np.sqrt(share * (1 - share)))


def test_random_samples_stay_within_what_chance_allows() -> None:
    people = simulate(2000, seed=3)
    whole = describe(people)
    rng = np.random.default_rng(0)
    beyond = [
        abs(one.standardised) > found.by_chance
        for found in (
            compare(whole, describe(people.select(rng.choice(2000, 50, replace=False))))
            for _ in range(20)
        )
        for one in found.differences[:5]
    ]
    assert np.mean(beyond) < 0.15


def test_unknown_figures_are_left_out_and_json_is_plain() -> None:
    people = simulate(30, seed=0)
    bare = Respondents(people.responses, people.ids)
    found = compare(describe(people), describe(bare.select([0])))
    assert len(found.differences) == 5
    assert found.correlation_sentence is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_two_forms_are_not_compared() -> None:
    people = describe(simulate(5, seed=0))
    with pytest.raises(PeopleError, match="IPIP-NEO-120"):
        compare(people, replace(people, inventory=ipip_neo_120().name))
