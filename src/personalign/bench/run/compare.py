"""Two runs beside each other: what differs between them, and how far their scores are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from personalign.bench.export_table import Table
from personalign.bench.measures.aligned_section import evaluations, over_seeds
from personalign.bench.rows import Evaluation
from personalign.bench.run.folder import RunFolder
from personalign.bench.run.gather import gathered
from personalign.bench.table import interval_text
from personalign.errors import EvaluationError
from personalign.evaluation.statistics import paired_difference


@dataclass(frozen=True)
class Comparison:
    """Run A beside run B."""

    differs: dict[str, tuple[Any, Any]]
    """What is not the same of the two runs: key of the TOML, or fact -> (A's, B's)."""
    paired: bool
    """Whether both measured the same people, so that differences are person by person."""
    table: Table
    """One row a method that both have."""


def compare_runs(a: RunFolder, b: RunFolder) -> Comparison:
    """The aligned scores of two runs, method by method.

    Raises EvaluationError where one of them has no aligned scores, or they share no method.
    """
    ours, theirs = _scores(a), _scores(b)
    shared = [row.name for row in ours.methods if any(r.name == row.name for r in theirs.methods)]
    if not shared:
        raise EvaluationError(
            f"{a.folder} has {', '.join(row.name for row in ours.methods)} and {b.folder} has "
            f"{', '.join(row.name for row in theirs.methods)}: no method in common to compare."
        )
    paired = a.facts()["people"] == b.facts()["people"]
    rows: list[tuple[Any, ...]] = []
    for name in shared:
        one, other = ours.row(name).score, theirs.row(name).score
        cells: list[Any] = [
            name,
            f"{one.composite:.2f} ({interval_text(one.interval)})",
            f"{other.composite:.2f} ({interval_text(other.interval)})",
        ]
        if paired:
            gap = paired_difference(one.per_person, other.per_person, seed=0)
            low, high = gap.interval.ends
            cells += [f"{gap.mean:+.2f} ({low:+.2f} to {high:+.2f})", f"{gap.p:.2g}"]
        rows.append(tuple(cells))
    columns = ["", f"A: {a.folder.name}", f"B: {b.folder.name}"]
    if paired:
        columns += ["A - B (95%)", "p"]
    note = (
        "A - B: person by person; below 0, A is closer. p: sign-flip test over people."
        if paired
        else "The two runs measured different people, so only the intervals can be compared."
    )
    table = Table("Composite of two runs (95%)", tuple(columns), tuple(rows), (note,))
    return Comparison(_differs(a, b), paired, table)


def _scores(folder: RunFolder) -> Evaluation:
    found = gathered(folder)
    if "aligned" not in found:
        raise EvaluationError(
            f"{folder.folder} holds no complete aligned scores, which is what is compared; add "
            "[evaluations.aligned] to its TOML."
        )
    return over_seeds(evaluations(found["aligned"], references=False))


def _differs(a: RunFolder, b: RunFolder) -> dict[str, tuple[Any, Any]]:
    ours, theirs = (_flat(one.spec().model_dump(mode="json", exclude={"about"})) for one in (a, b))
    for key in ("fingerprint", "people", "version", "commit", "code"):
        ours[key], theirs[key] = a.facts()[key], b.facts()[key]
    keys = dict.fromkeys([*ours, *theirs])
    return {
        key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)
    }


def _flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, one in value.items():
        if isinstance(one, dict) and one:
            found |= _flat(one, f"{before}{name}.")
        else:
            found[before + name] = one
    return found
