"""Pairs in both orders: who wins, and whether the order decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.judge import ApiJudge
from personalign.evaluation.side_by_side import compare, outcome, position_bias
from personalign.model.api import ApiModel
from tests.model import endpoint as acts
from tests.model.endpoint import Endpoint, serving

pytest.importorskip("openai")


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


def texts(items: int = 3) -> list[dict]:
    return [
        {
            "person": person,
            "item": item,
            "statement": f"Do thing {item}.",
            "target": 4,
            "method": method,
            "text": f"{method} {person} {item}",
        }
        for person in ("ann", "ben")
        for item in range(items)
        for method in ("pas", "none")
    ]


def shown(messages: list[dict[str, str]]) -> tuple[str, str]:
    """The methods of the two texts, in the order shown."""
    asked = messages[-1]["content"]
    first = asked.split("[Response A]: ")[1].split()[0]
    second = asked.split("[Response B]: ")[1].split()[0]
    return first, second


def fair(messages: list[dict[str, str]]) -> str:
    return "Reasons.\nA" if shown(messages)[0] == "pas" else "Reasons.\nB"


def judge(server: Endpoint, say: Callable[[list[dict[str, str]]], str]) -> ApiJudge:
    server.say = say
    return ApiJudge(ApiModel("parrot-small", server.url, first_wait=0.001, timeout=5.0))


def test_a_fair_judges_favourite_wins_every_pair_in_both_orders(server) -> None:
    rows = compare(judge(server, fair), texts(), "pas", "none")
    assert [(r["person"], r["item"]) for r in rows] == [
        (p, i) for p in ("ann", "ben") for i in range(3)
    ]
    assert {outcome(row) for row in rows} == {"win"}
    assert {(row["a_first"], row["b_first"], row["requests"]) for row in rows} == {("A", "B", 2)}
    turned = compare(judge(server, fair), texts(), "none", "pas")
    assert {outcome(row) for row in turned} == {"loss"}
    bias = position_bias(rows)
    assert (bias.first.mean, bias.consistent.mean, bias.pairs, bias.unjudged) == (0, 1, 6, 0)


@pytest.mark.parametrize(("always", "bias"), [("A", 1.0), ("B", -1.0)])
def test_a_judge_who_looks_at_the_order_alone_decides_nothing(server, always, bias) -> None:
    rows = compare(judge(server, lambda _: always), texts(), "pas", "none")
    assert {outcome(row) for row in rows} == {"tie"}
    found = position_bias(rows)
    assert (found.first.mean, found.consistent.mean) == (bias, 0.0)


def test_who_sees_no_difference_is_consistent_and_unbiased(server) -> None:
    rows = compare(judge(server, lambda _: "C"), texts(), "pas", "none")
    assert {outcome(row) for row in rows} == {"tie"}
    found = position_bias(rows)
    assert (found.first.mean, found.consistent.mean) == (0.0, 1.0)


def test_a_missing_choice_is_marked_and_counted(server) -> None:
    asked = judge(server, fair)
    server.script = [acts.status(403)]
    asked.model.concurrency = 1
    rows = compare(asked, texts(), "pas", "none")
    assert [outcome(row) is None for row in rows] == [True] + [False] * 5
    assert rows[0]["reason"] is not None and rows[1]["reason"] is None
    bias = position_bias(rows)
    assert (bias.pairs, bias.unjudged) == (5, 1)
    with pytest.raises(EvaluationError, match="None of the 1 pairs"):
        position_bias(rows[:1])


@pytest.mark.parametrize(
    ("a_first", "b_first", "expected"),
    [("A", "tie", "tie"), ("tie", "B", "tie"), ("tie", "tie", "tie"), ("B", "A", "loss")],
)
def test_half_a_preference_is_a_tie(a_first, b_first, expected) -> None:
    assert outcome({"a_first": a_first, "b_first": b_first}) == expected


def test_a_method_that_is_not_there_is_refused(server) -> None:
    with pytest.raises(EvaluationError, match="name two of none, pas"):
        compare(judge(server, fair), texts(), "pas", "dpo")
    with pytest.raises(EvaluationError, match="pas and pas"):
        compare(judge(server, fair), texts(), "pas", "pas")
    assert server.requests == []
