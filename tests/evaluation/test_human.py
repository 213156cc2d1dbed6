"""Votes on blind pairs: counted by hand, refused by line, agreement by the books."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from personalign.errors import EvaluationError, MissingPackageError
from personalign.evaluation.blind import Key, KeyEntry
from personalign.evaluation.human import (
    Vote,
    count_votes,
    krippendorff_alpha,
    read_votes,
    sign_test,
)
from personalign.evaluation.statistics import bootstrap_mean

pytest.importorskip("krippendorff")

KEY = Key(
    contrasts=(("aligned", "misaligned"), ("aligned", "original")),
    seed=0,
    entries=(
        KeyEntry("p1", "aligned", "misaligned", "ann", "1", False),
        KeyEntry("p2", "misaligned", "aligned", "ann", "2", False),
        KeyEntry("p3", "misaligned", "aligned", "ann", "3", True),
        KeyEntry("p4", "aligned", "misaligned", "ann", "4", False),
        KeyEntry("p5", "original", "aligned", "ann", "5", False),
    ),
    about={},
)


def votes(*given: tuple[str, str, str]) -> list[Vote]:
    return [Vote(*one) for one in given]  # type: ignore[arg-type]


SOME = votes(
    ("r1", "p1", "A"),  # win
    ("r1", "p2", "A"),  # loss: A is misaligned
    ("r1", "p3", "neither"),
    ("r2", "p1", "A"),  # win
    ("r2", "p2", "B"),  # win
    ("r2", "p5", "A"),  # loss against the original
)


def test_votes_become_wins_by_the_key() -> None:
    first, second = count_votes(SOME, KEY)
    assert (first.condition, first.other) == ("aligned", "misaligned")
    assert (first.wins, first.ties, first.losses) == (3, 1, 1)
    assert (first.raters, first.pairs, first.without_votes, first.same) == (2, 3, 1, 1)
    assert (second.condition, second.other, second.losses, second.pairs) == (
        "aligned",
        "original",
        1,
        1,
    )


def test_shares_are_means_over_raters_and_over_pairs_with_their_intervals() -> None:
    first = count_votes(SOME, KEY, seed=4)[0]
    assert first.over_raters.win == bootstrap_mean([1 / 3, 1.0], seed=4)
    assert first.over_pairs.win == bootstrap_mean([1.0, 0.5, 0.0], seed=4)
    assert first.over_raters.loss == bootstrap_mean([1 / 3, 0.0], seed=4)
    assert first.over_pairs.tie == bootstrap_mean([0.0, 0.0, 1.0], seed=4)


def test_one_rater_has_no_interval_over_raters_but_one_over_pairs() -> None:
    first = count_votes([vote for vote in SOME if vote.rater == "r1"], KEY)[0]
    assert math.isnan(first.over_raters.win.low) and first.over_pairs.win.low < 1
    assert first.alpha is None


def test_the_sides_do_not_matter() -> None:
    """Turning every pair round in the key and in the votes changes nothing."""
    turned = Key(
        KEY.contrasts,
        0,
        tuple(KeyEntry(e.pair, e.B, e.A, e.person, e.prompt, e.same) for e in KEY.entries),
        {},
    )
    other = {"A": "B", "B": "A", "neither": "neither"}
    mirrored = votes(*((v.rater, v.pair, other[v.vote]) for v in SOME))
    assert repr(count_votes(mirrored, turned)) == repr(count_votes(SOME, KEY))  # NaN is not NaN


def test_who_always_votes_a_prefers_nobody_on_average() -> None:
    rng = np.random.default_rng(0)
    entries = tuple(
        KeyEntry(f"p{i}", *(("x", "y") if rng.random() < 0.5 else ("y", "x")), "ann", str(i), False)
        for i in range(400)
    )
    key = Key((("x", "y"),), 0, entries, {})
    (found,) = count_votes(votes(*(("r", e.pair, "A") for e in entries)), key)
    assert found.over_pairs.win.low < 0.5 < found.over_pairs.win.high and found.p > 0.01


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 2**5), (8, 2, 2 * (1 + 10 + 45) / 2**10), (3, 3, 1.0)],
)
def test_the_sign_test_is_exact(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p)
    assert sign_test(losses, wins) == pytest.approx(p)


def test_the_sign_test_takes_pairs_by_their_majority() -> None:
    given = [(f"r{i}", "p1", "A") for i in range(3)] + [("r0", "p4", "A"), ("r1", "p4", "B")]
    (found,) = count_votes(votes(*given), KEY)
    assert found.p == sign_test(1, 0)  # p4 is a tie


def test_alpha_at_its_ends_and_by_hand() -> None:
    same = [1, 0, -1, 1, -1, 0]
    assert krippendorff_alpha([same, same, same]) == pytest.approx(1)
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(rng.integers(-1, 2, (2, 2000))) or 1) < 0.1
    assert (krippendorff_alpha([same, [-s for s in same]]) or 0) < 0
    # Two values only: ordinal is nominal. Hand-worked: of 6 pairs of votes 1 differs.
    one, other = [1, 1, 1, -1, -1, -1], [1, 1, 1, -1, -1, 1]
    disagreement = 1 / 6
    expected = 2 * (7 / 12) * (5 / 11)
    assert krippendorff_alpha([one, other]) == pytest.approx(1 - disagreement / expected)


def test_votes_nobody_shares_do_not_move_alpha() -> None:
    nan = float("nan")
    assert krippendorff_alpha([[1, -1, 0, 1, 1], [1, -1, 1, nan, nan]]) == pytest.approx(
        krippendorff_alpha([[1, -1, 0], [1, -1, 1]])
    )
    assert krippendorff_alpha([[1, nan], [nan, 1]]) is None
    assert krippendorff_alpha([[1, 1], [1, 1]]) is None


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "krippendorff", None)
    with pytest.raises(MissingPackageError, match=r"personalign\[eval\]"):
        count_votes(SOME, KEY)


def test_an_unknown_pair_and_a_second_vote_are_refused() -> None:
    with pytest.raises(EvaluationError, match="r1 voted on 'p9', which is not in the key of 5"):
        count_votes(votes(("r1", "p9", "A")), KEY)
    with pytest.raises(EvaluationError, match="r1 voted twice on p1"):
        count_votes(votes(("r1", "p1", "A"), ("r1", "p1", "B")), KEY)


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    table, lines = tmp_path / "votes.csv", tmp_path / "votes.jsonl"
    table.write_text("rater,pair,vote\n" + "".join(f"{v.rater},{v.pair},{v.vote}\n" for v in SOME))
    lines.write_text(
        "".join(f'{{"pair": "{v.pair}", "vote": "{v.vote}", "rater": "{v.rater}"}}\n' for v in SOME)
    )
    assert read_votes(table) == read_votes(lines) == SOME


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("v.csv", "rater,pair,vote\nr,p1,A\nr,p2,a\n", "Line 3 of v.csv has the vote 'a'"),
        ("v.csv", "rater,pair,vote\nr,p1,\n", "Line 2 of v.csv has the vote ''"),
        ("v.csv", "rater,pair\nr,p1\n", "Line 2 of v.csv has the vote ''"),
        ("v.csv", "pair,vote\np1,A\n", "Line 2 of v.csv names no rater"),
        ("v.csv", "rater,pair,vote\nr,,A\n", "Line 2 of v.csv names no pair"),
        (
            "v.csv",
            "rater,pair,vote\nr,p,A\nr,p,A\n",
            "Line 3 of v.csv is the second vote of r on p",
        ),
        (
            "v.jsonl",
            '{"rater": "r", "pair": "p", "vote": "C"}',
            "Line 1 of v.jsonl has the vote 'C'",
        ),
        ("v.jsonl", '{"rater": "r"', "Line 1 of v.jsonl is no JSON"),
        ("v.jsonl", '["r", "p", "A"]', "Line 1 of v.jsonl is no object"),
        ("v.csv", "rater,pair,vote\n", "There are no votes"),
        ("v.txt", "", "ends in .jsonl or .csv"),
    ],
)
def test_what_is_no_vote_is_refused_by_its_line(tmp_path: Path, name, text, said) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(EvaluationError, match=said):
        read_votes(tmp_path / name)


def test_a_second_vote_in_another_file_is_seen_and_a_missing_file_named(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("rater,pair,vote\nr,p1,A\n")
    with pytest.raises(EvaluationError, match=r"Line 2 of b\.csv is the second vote of r on p1"):
        read_votes(tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(EvaluationError, match="There is no file of votes at"):
        read_votes(tmp_path / "c.csv")


def test_another_coding_than_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_bytes("rater,pair,vote\nJürgen,1-001,A\n".encode("latin-1"))
    with pytest.raises(EvaluationError, match=r"votes\.csv is no UTF-8 text"):
        read_votes(path)
    path.write_text("\ufeffrater,pair,vote\nJürgen,1-001,A\n", "utf-8")
    assert read_votes(path)[0].rater == "Jürgen"
