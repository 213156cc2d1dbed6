"""The claim of the cost benchmark, on made-up costs."""

from __future__ import annotations

import pytest

from benchmarks.cost import SHARE, claimed, fresh
from personalign.evaluation.cost import MethodCost, PersonCost
from personalign.evaluation.meter import NOTHING, Spent
from personalign.model.fake import fake_decoder


def cost(name: str, *seconds: float) -> MethodCost:
    answering = Spent(100.0, 0, 0, None)  # the claim is about making
    people = tuple(PersonCost(Spent(s, 0, 0, None), answering, 1) for s in seconds)
    return MethodCost(name, {}, NOTHING, people)


def test_the_share_is_of_the_mean_of_making() -> None:
    shares = claimed([cost("pas", 1.0, 3.0), cost("dpo", 90.0, 110.0), cost("ppo", 99.0, 99.0)])
    assert shares == {"dpo": pytest.approx(0.02), "ppo": pytest.approx(2 / 99)}
    assert shares["dpo"] <= SHARE < shares["ppo"]


def test_nothing_kept_before_is_used(tmp_path) -> None:
    method = fresh("pas", fake_decoder(), tmp_path)
    assert tmp_path in method.finder.cache.parents
    assert fresh("none", fake_decoder(), tmp_path).settings == {}
