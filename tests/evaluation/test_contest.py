"""Wins, ties and losses from verdicts: hand-computed shares and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.contest import contest, contests, mean_levels, shares_of
from personalign.evaluation.statistics import bootstrap_mean, paired_difference


def verdicts(levels: dict[str, dict[str, list[int | None]]]) -> list[dict]:
    """levels[method][person] -> a level an item."""
    return [
        {
            "person": person,
            "item": item,
            "method": method,
            "judge": "j",
            "score": score,
            "reason": None if score is not None else f"reason {item % 2}",
        }
        for method, people in levels.items()
        for person, scores in people.items()
        for item, score in enumerate(scores)
    ]


GIVEN = verdicts(
    {
        "pas": {"a": [6, 3, 2, 5], "b": [4, None, 4, 1]},
        "none": {"a": [5, 3, 3, 1], "b": [4, 2, 1, None]},
    }
)


def test_shares_are_means_over_a_persons_statements_then_over_people() -> None:
    found = contest(GIVEN, "pas", "none")
    assert found is not None
    # a: win, tie, loss, win; b: tie, (left out), win, (left out)
    assert found.shares.win.mean == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert found.shares.tie.mean == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert found.shares.loss.mean == pytest.approx((1 / 4 + 0) / 2)
    assert (found.statements, found.left_out) == (6, 2)
    assert found.difference.mean == pytest.approx(((16 - 12) / 4 + (8 - 5) / 2) / 2)


def test_intervals_are_those_over_people() -> None:
    rng = np.random.default_rng(0)
    people = {f"p{i}": rng.integers(1, 7, 8).tolist() for i in range(12)}
    others = {f"p{i}": rng.integers(1, 7, 8).tolist() for i in range(12)}
    found = contest(verdicts({"x": people, "y": others}), "x", "y", seed=3)
    assert found is not None
    wins = [np.mean(np.array(people[p]) > np.array(others[p])) for p in people]
    assert found.shares.win == bootstrap_mean(wins, seed=3)
    levels = [np.mean(people[p]) for p in people], [np.mean(others[p]) for p in people]
    assert found.difference == paired_difference(*levels, seed=3)


def test_turning_the_contest_round_turns_wins_into_losses() -> None:
    one, other = contest(GIVEN, "pas", "none"), contest(GIVEN, "none", "pas")
    assert one is not None and other is not None
    assert one.shares.win == other.shares.loss and one.shares.tie == other.shares.tie
    assert one.difference.mean == -other.difference.mean


def test_the_order_of_the_rows_of_one_person_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    mixed = [
        row
        for person in "ab"
        for row in rng.permutation([r for r in GIVEN if r["person"] == person])
    ]
    assert contest(mixed, "pas", "none") == contest(GIVEN, "pas", "none")


def test_shares_add_up_to_one() -> None:
    shares = shares_of([[1, 0, -1], [1, 1], [0]])
    assert shares.win.mean + shares.tie.mean + shares.loss.mean == pytest.approx(1)


def test_mean_levels_count_what_is_missing_and_why() -> None:
    pas, none = mean_levels(GIVEN)
    assert (pas.method, pas.judged, pas.unjudged, pas.reasons) == ("pas", 7, 1, (("reason 1", 1),))
    assert pas.level is not None and pas.level.mean == pytest.approx((16 / 4 + 9 / 3) / 2)
    assert (none.judged, none.unjudged) == (7, 1)
    (nothing,) = mean_levels(verdicts({"x": {"a": [None, None]}}))
    assert (nothing.level, nothing.unjudged) == (None, 2)


def test_where_no_statement_has_both_there_is_no_contest() -> None:
    rows = verdicts({"x": {"a": [None, 3]}, "y": {"a": [3, None]}})
    assert contest(rows, "x", "y") is None and contests(rows, "x") == []


def test_the_focus_meets_every_other_once_in_their_order() -> None:
    rows = verdicts({m: {"a": [1], "b": [2]} for m in ("x", "y", "z")})
    assert [(one.focus, one.other) for one in contests(rows, "y")] == [("y", "x"), ("y", "z")]


def test_two_judges_are_not_mixed_and_an_unknown_method_is_named() -> None:
    other = [{**row, "judge": "k"} for row in GIVEN]
    with pytest.raises(EvaluationError, match=r"by 2 judges \(j, k\)"):
        mean_levels(GIVEN + other)
    with pytest.raises(EvaluationError, match="No text of dpo was judged; the methods are pas"):
        contest(GIVEN, "pas", "dpo")
