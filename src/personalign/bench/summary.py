"""An evaluation as JSON values and as sentences: what `--json` writes, what a table concludes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from personalign.bench.traces import training
from personalign.dataset.split import is_tuning_part
from personalign.evaluation.aligned import AlignedScore
from personalign.evaluation.statistics import Interval, PairedDifference

if TYPE_CHECKING:
    from personalign.bench.rows import Evaluation, Row


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The whole evaluation as JSON values; a number that does not exist is None.

    `methods.NAME` and `references.NAME` hold `composite`, `ci95`, `traits`, `people`, `unparsed`,
    `missing`, `seconds_per_person`; methods also `swap`, `paired`, `tuning_composite` (on the items
    learnt from), `peak_memory_bytes_per_person` and, where they train, `training`.
    `paired.OTHER.mean` is this composite minus the other's: below zero, this row is closer to the
    people.
    """
    own = evaluation.own
    return {
        "protocol": evaluation.protocol,
        "model": evaluation.model,
        "model_fingerprint": evaluation.fingerprint,
        "version": evaluation.version,
        "seed": evaluation.seed,
        "wording": evaluation.wording,
        "decision": evaluation.decision,
        "api_usage": evaluation.usage,
        "people": {
            "count": len(evaluation.people),
            "source": evaluation.people.source,
            "inventory": evaluation.people.inventory.name,
            "split": evaluation.people.split,
            "tuning_people": is_tuning_part(evaluation.people),
        },
        "held_out": {
            "items": len(evaluation.items),
            "answered": int((own != 0).sum()),
            "missing": int((own == 0).sum()),
        },
        "methods": {row.name: _method(row) for row in evaluation.methods},
        "references": {row.name: _reference(row) for row in evaluation.references},
    }


def findings(evaluation: Evaluation) -> list[str]:
    """What the table says, in sentences: which references each method beats, and its control."""
    ordered = sorted(evaluation.methods, key=lambda row: row.score.composite)
    return [sentence for row in ordered if (sentence := _finding(row, evaluation))]


def setting(evaluation: Evaluation) -> str:
    """One line on what was done: people, items, model, wording, decision, seed."""
    people, items = len(evaluation.people), len(evaluation.items)
    missing = int((evaluation.own == 0).sum())
    unparsed = sum(row.score.unparsed for row in evaluation.methods)
    split = evaluation.people.split
    source = evaluation.people.source + (f", the split's {split} part" if split else "")
    return (
        f"{_count(people, 'person', 'people')} ({source}), {items} held-out "
        f"items each, methods saw only the other {len(evaluation.people.inventory.tuning)}; "
        f"model {evaluation.model} ({evaluation.fingerprint[:12]}), wording {evaluation.wording}, "
        f"decision {evaluation.decision}, seed {evaluation.seed}; "
        f"{_count(missing, 'answer', 'answers')} missing and {unparsed} unparsed, left out."
    )


def _finding(row: Row, evaluation: Evaluation) -> str:
    """One sentence or two on one method, lower being better throughout."""
    references = evaluation.references
    clear = {r.name: row.paired[r.name] for r in references if row.paired[r.name].clear}
    groups = (
        ("closer to the people than", [n for n, d in clear.items() if d.mean < 0]),
        ("not clearly different from", [r.name for r in references if r.name not in clear]),
        ("farther off than", [n for n, d in clear.items() if d.mean > 0]),
    )
    parts = [f"{words} {_listed(names)}" for words, names in groups if names]
    if row.name != "none" and "none" in row.paired:
        gain = row.paired["none"].interval
        direction = "less" if gain.mean < 0 else "more"
        parts.insert(0, f"{abs(gain.mean):.2f} {direction} than the plain model {_span(gain)}")
    text = f"{row.name}, {row.score.composite:.2f}: {'; '.join(parts)}." if parts else ""
    if row.swap is None:
        return text
    swapped = row.swap.difference
    verdict = "fits its own person" if swapped.interval.low > 0 else "is not shown to be personal"
    return (
        f"{text} With somebody else's persona {row.swap.swapped.composite:.2f}, a difference of "
        f"{swapped.mean:.2f} {_span(swapped.interval)}: it {verdict}."
    ).strip()


def _method(row: Row) -> dict[str, Any]:
    swap = None
    if row.swap is not None:
        swap = {
            "composite": number(row.swap.swapped.composite),
            "ci95": _ends(row.swap.swapped.interval),
            "difference": _difference(row.swap.difference),
        }
    return {
        **_score(row.score),
        "seconds_per_person": number(row.seconds_per_person),
        "seconds": {"personas": number(row.seconds[0]), "answers": number(row.seconds[1])},
        "peak_memory_bytes_per_person": row.peak_bytes,
        "tuning_composite": None if row.tuning is None else number(row.tuning.composite),
        "tuning_ci95": None if row.tuning is None else _ends(row.tuning.interval),
        "training": _training(row),
        "label_mass": None if row.label_mass is None else number(row.label_mass),
        "protocol": row.protocol,
        "settings": row.settings,
        "swap": swap,
        "paired": {name: _difference(d) for name, d in row.paired.items()},
    }


def _training(row: Row) -> dict[str, Any] | None:
    """How training moved its measure, over the people it trained for."""
    told = [one for record in row.records if (one := training(record)) is not None]
    if not told:
        return None
    return {
        "measure": told[0].measure,
        "start": number(float(np.mean([one.start for one in told]))),
        "end": number(float(np.mean([one.end for one in told]))),
        "people": len(told),
        "improved": sum(one.improved for one in told),
    }


def _reference(row: Row) -> dict[str, Any]:
    return {
        **_score(row.score),
        "fitted_on": row.fitted_on,
        "seconds_per_person": number(row.seconds_per_person),
    }


def _score(score: AlignedScore) -> dict[str, Any]:
    return {
        "composite": number(score.composite),
        "ci95": _ends(score.interval),
        "traits": {trait: number(value) for trait, value in score.traits.items()},
        "people": score.people,
        "unscored_people": score.unscored,
        "items": score.items,
        "compared": score.compared,
        "unparsed": score.unparsed,
        "missing": score.missing,
    }


def _difference(difference: PairedDifference) -> dict[str, Any]:
    return {
        "mean": number(difference.mean),
        "ci95": _ends(difference.interval),
        "p": number(difference.p),
        "people": difference.interval.people,
    }


def number(value: float) -> float | None:
    """The number, or None where there is none (NaN or infinite)."""
    return round(float(value), 6) if math.isfinite(value) else None


def _ends(interval: Interval) -> list[float | None]:
    return [number(interval.low), number(interval.high)]


def _span(interval: Interval) -> str:
    """The interval in brackets, without signs where both ends have the same."""
    if not math.isfinite(interval.low):
        return "(one person, no interval)"
    low, high = interval.ends
    if low * high > 0:
        low, high = sorted((abs(low), abs(high)))
    return f"[{low:.2f}, {high:.2f}]"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"
