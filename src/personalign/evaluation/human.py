"""Votes of human raters on blind pairs: wins, ties, losses, and whether raters agree.

A vote is {rater, pair, vote}, the vote A, B or neither, as JSON lines or CSV. The key (`blind.py`)
turns it into a win, a tie or a loss of a contrast's first condition.

Two intervals stand beside every share. Over raters: each rater's share is one value, so it says
what other raters would find; it needs several. Over pairs: each pair's share among its raters is
one value, so it says what these raters would find on other prompts. The p value is the exact sign
test over pairs: of the pairs that more raters decided one way than the other, as many either way
under "no difference".
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats

from personalign.errors import EvaluationError, MissingPackageError
from personalign.evaluation.blind import Key
from personalign.evaluation.contest import Shares, shares_of
from personalign.evaluation.text_files import read_text

VOTES = ("A", "B", "neither")
"""What a vote may be."""


@dataclass(frozen=True)
class Vote:
    """One rater on one pair."""

    rater: str
    """Who."""
    pair: str
    """The pair's id."""
    vote: Literal["A", "B", "neither"]
    """Which answer is better."""


@dataclass(frozen=True)
class Preference:
    """One contrast: how often its first condition was preferred."""

    condition: str
    """The condition that wins or loses."""
    other: str
    """What it is compared with."""
    wins: int
    """Votes for it."""
    ties: int
    """Votes for neither."""
    losses: int
    """Votes for the other."""
    over_raters: Shares
    """Mean of the raters' shares, intervals over raters."""
    over_pairs: Shares
    """Mean of the pairs' shares, intervals over pairs."""
    p: float
    """Exact two-sided sign test over pairs; 1 where every pair is a tie."""
    alpha: float | None
    """Krippendorff's alpha of the raters, losses, ties and wins as ordered; None where no two
    raters share a pair, or all votes are the same."""
    raters: int
    """Raters who voted."""
    pairs: int
    """Pairs with a vote."""
    without_votes: int
    """Pairs nobody voted on."""
    same: int
    """Pairs with a vote whose two answers are the same text."""


def read_votes(*paths: str | Path) -> list[Vote]:
    """All votes of .jsonl and .csv files, in order.

    Raises EvaluationError, naming file and line, for a vote that is not A, B or neither, a field
    that is missing, a rater's second vote on a pair, another ending, or no votes at all.
    """
    votes: dict[tuple[str, str], Vote] = {}
    for path in map(Path, paths):
        for line, record in _records(path):
            where = f"Line {line} of {path.name}"
            fields = {name: str(record.get(name) or "").strip() for name in ("rater", "pair")}
            for name, value in fields.items():
                if not value:
                    raise EvaluationError(f"{where} names no {name}; a vote has rater, pair, vote.")
            given = str(record.get("vote") or "").strip()
            if given not in VOTES:
                raise EvaluationError(
                    f"{where} has the vote {given!r}; a vote is A, B or neither. Correct it, or "
                    "leave the line out where there was no vote."
                )
            vote = Vote(fields["rater"], fields["pair"], given)  # type: ignore[arg-type]
            if (vote.rater, vote.pair) in votes:
                raise EvaluationError(
                    f"{where} is the second vote of {vote.rater} on {vote.pair}; a rater votes "
                    "once on a pair. Keep one of the two."
                )
            votes[vote.rater, vote.pair] = vote
    if not votes:
        raise EvaluationError("There are no votes in these files; give at least one.")
    return list(votes.values())


def count_votes(votes: Sequence[Vote], key: Key, *, seed: int = 0) -> list[Preference]:
    """Every contrast's preference, where anybody voted on it, in the key's order.

    seed: of the bootstrap.
    Raises EvaluationError for a pair the key does not know, or a rater's second vote on a pair;
    MissingPackageError where several raters share pairs and krippendorff is not installed.
    """
    behind = {entry.pair: entry for entry in key.entries}
    table: dict[
        tuple[str, str], dict[str, dict[str, int]]
    ] = {}  # contrast -> pair -> rater -> sign
    for vote in votes:
        if vote.pair not in behind:
            raise EvaluationError(
                f"{vote.rater} voted on {vote.pair!r}, which is not in the key of "
                f"{len(behind)} pairs; give the key that was written with the pack."
            )
        entry = behind[vote.pair]
        contrast = (entry.A, entry.B) if (entry.A, entry.B) in key.contrasts else (entry.B, entry.A)
        sign = {"neither": 0, "A": 1, "B": -1}[vote.vote] * (1 if contrast[0] == entry.A else -1)
        own = table.setdefault(contrast, {}).setdefault(vote.pair, {})
        if vote.rater in own:
            raise EvaluationError(
                f"{vote.rater} voted twice on {vote.pair}; a rater votes once on a pair."
            )
        own[vote.rater] = sign
    sizes = {
        contrast: sum({entry.A, entry.B} == set(contrast) for entry in key.entries)
        for contrast in key.contrasts
    }
    same = {entry.pair for entry in key.entries if entry.same}
    return [
        _preference(contrast, table[contrast], sizes[contrast], same, seed)
        for contrast in key.contrasts
        if contrast in table
    ]


def sign_test(wins: int, losses: int) -> float:
    """Exact two-sided p of so many wins and losses under even odds; ties do not count.

    >>> sign_test(5, 0)
    0.0625
    """
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def krippendorff_alpha(signs: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha of ordered votes, or None where it does not exist.

    signs: one row a rater, one column a pair; -1, 0 or 1, NaN where the rater did not vote.

    >>> krippendorff_alpha([[1, 0, -1, 1], [1, 0, -1, 1]])
    1.0
    """
    table = np.asarray(signs, dtype=float)
    shared = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    if not shared.size or len(np.unique(shared[~np.isnan(shared)])) < 2:
        return None
    try:
        import krippendorff
    except ImportError:
        raise MissingPackageError("krippendorff", "eval", "The agreement of raters") from None
    return float(krippendorff.alpha(table, level_of_measurement="ordinal"))


def _preference(
    contrast: tuple[str, str],
    pairs: dict[str, dict[str, int]],
    size: int,
    same: set[str],
    seed: int,
) -> Preference:
    by_rater: dict[str, list[int]] = {}
    for own in pairs.values():
        for rater, sign in own.items():
            by_rater.setdefault(rater, []).append(sign)
    signs = [sign for own in by_rater.values() for sign in own]
    decided = [int(np.sign(sum(own.values()))) for own in pairs.values()]
    return Preference(
        condition=contrast[0],
        other=contrast[1],
        wins=signs.count(1),
        ties=signs.count(0),
        losses=signs.count(-1),
        over_raters=shares_of(list(by_rater.values()), seed=seed),
        over_pairs=shares_of([list(own.values()) for own in pairs.values()], seed=seed),
        p=sign_test(decided.count(1), decided.count(-1)),
        alpha=krippendorff_alpha(
            [[own.get(rater, np.nan) for own in pairs.values()] for rater in by_rater]
        ),
        raters=len(by_rater),
        pairs=len(pairs),
        without_votes=size - len(pairs),
        same=len(same & set(pairs)),
    )


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, record) of a file of votes."""
    if path.suffix not in (".jsonl", ".csv"):
        raise EvaluationError(
            f"A file of votes ends in .jsonl or .csv, and {path.name!r} does not; rename it."
        )
    if not path.is_file():
        raise EvaluationError(f"There is no file of votes at {path}; check the path.")
    text = read_text(path)
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
        for row in reader:
            yield reader.line_num, row
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise EvaluationError(f"Line {number} of {path.name} is no JSON: {error}.") from error
        if not isinstance(record, dict):
            raise EvaluationError(
                f"Line {number} of {path.name} is no object; a vote has rater, pair and vote."
            )
        yield number, record
