"""Groups as tables, JSON and figure: the numbers of the evaluation, and who is not shown."""

from __future__ import annotations

import json

import numpy as np
import pytest

from personalign.bench.fairness import (
    fairness_figure,
    fairness_json,
    fairness_notes,
    gaps_table,
    groups_table,
)
from personalign.dataset.people import Respondents, demographics_table
from personalign.errors import EvaluationError
from personalign.evaluation.fairness import Split, fairness

PEOPLE = Respondents(
    np.full((24, 300), 3, np.int8),
    tuple(map(str, range(24))),
    demographics_table(
        ["female", "male"] * 11 + [None] * 2,
        [15] * 10 + [25] * 12 + [72] * 2,
        ["USA"] * 12 + ["UK"] * 7 + ["<Chile>"] * 3 + ["Peru"] * 2,
    ),
)


@pytest.fixture(scope="module")
def found() -> dict[str, list[Split]]:
    rng = np.random.default_rng(0)
    scores = rng.normal(3, 0.2, 24)
    scores[3] = np.nan
    return {"pas": fairness(scores, PEOPLE), "none": fairness(rng.normal(4, 0.2, 24), PEOPLE)}


def test_a_row_a_group_and_a_column_a_method(found: dict[str, list[Split]]) -> None:
    table = groups_table(found)
    assert table.columns == ("by", "group", "people", "pas", "none")
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert set(rows) == {
        ("sex", "female"),
        ("sex", "male"),
        ("age", "10-19"),
        ("age", "20-29"),
        ("country", "USA"),
        ("country", "UK"),
        ("country", "other"),
    }
    assert rows["sex", "male"][0] == "10-11"  # one man has a score of the second method alone
    assert rows["country", "other"][0] == "5"
    interval = found["pas"][0].groups["female"]
    assert rows["sex", "female"][1] == (
        f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    )


def test_a_group_that_one_method_lacks_has_an_empty_cell() -> None:
    scores = np.ones(24)
    scores[12:17] = np.nan
    found = {"few": fairness(scores, PEOPLE), "all": fairness(np.ones(24), PEOPLE)}
    rows = {(row[0], row[1]): row[2:] for row in groups_table(found).rows}
    assert rows["country", "UK"][0] == "7" and rows["country", "UK"][1] is None


def test_gaps_and_their_p(found: dict[str, list[Split]]) -> None:
    rows = {(row[0], row[1]): row[2:] for row in gaps_table(found).rows}
    for method, splits in found.items():
        for split in splits:
            gap = split.gap
            assert gap is not None
            shown = (f"{gap.difference:.2f}", gap.high, gap.low, f"{gap.p:.4f}")
            assert rows[split.by, method] == shown
    one_sex = Respondents(PEOPLE.responses[:6], PEOPLE.ids[:6])
    lonely = {"pas": fairness(np.ones(6), one_sex)}
    assert {row[2:] for row in gaps_table(lonely).rows} == {(None,) * 4}


def test_who_is_not_shown_is_told(found: dict[str, list[Split]]) -> None:
    told = "\n".join(fairness_notes(found))
    assert "By sex, unknown: 2." in told
    assert "By age, too few to be shown: 70-79 (2)." in told
    assert "By country, counted as other: <Chile> (3), Peru (2)." in told
    assert "pas: 1 person without a score." in told


def test_json_holds_every_number(found: dict[str, list[Split]]) -> None:
    read = json.loads(json.dumps(fairness_json(found), allow_nan=False))
    for method, splits in found.items():
        for split in splits:
            one = read[method][split.by]
            assert set(one["groups"]) == set(split.groups)
            for name, interval in split.groups.items():
                assert one["groups"][name]["people"] == interval.people
                assert one["groups"][name]["ci95"] == pytest.approx(interval.ends, abs=1e-6)
            assert split.gap is not None and one["gap"]["p"] == pytest.approx(split.gap.p, abs=1e-6)
            total = sum(group["people"] for group in one["groups"].values())
            left = sum(one["left_out"].values()) + one["unknown"] + one["unscored"]
            assert total + left == len(PEOPLE)


def test_the_figure_has_a_line_a_group(found: dict[str, list[Split]]) -> None:
    drawn = fairness_figure(found["pas"], "<pas>", "groups")
    for split in found["pas"]:
        assert f">by {split.by}: largest gap" in drawn
        for name, interval in split.groups.items():
            assert f">{name} ({interval.people})</text>" in drawn
    assert ">&lt;pas&gt;</text>" in drawn


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(EvaluationError, match="one method"):
        groups_table({})
    nobody = fairness(np.ones(24), Respondents(PEOPLE.responses, PEOPLE.ids))
    with pytest.raises(EvaluationError, match="No group of pas"):
        fairness_figure(nobody, "pas")
