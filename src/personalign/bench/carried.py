"""Personas carried over to a quantised model: table, sentences and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from personalign.bench.summary import number
from personalign.bench.table import plain_table
from personalign.evaluation.carried import Moved
from personalign.methods.carry_over import CARRIED_KEY, Carried

MEANS = ("by_persona", "by_model", "old_sigmas", "new_sigmas")
"""The figures of `Moved`."""


def carried_table(carried: Mapping[str, Carried], moved: Mapping[str, Moved]) -> Table:
    """One row a persona whose answers were compared.

    carried: every persona by name. moved: those compared, by the same names.
    """
    shown = plain_table(f"{len(moved)} of {len(carried)} personas, before and after")
    shown.add_column("persona", overflow="fold")
    for heading in (
        "heads",
        "sigma, times",
        "agree at",
        "the persona\nmoves answers",
        "quantised,\nold sigmas",
        "quantised,\nnew sigmas",
    ):
        shown.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for name, one in moved.items():
        of = carried[name]
        shown.add_row(
            escape(name),
            str(len(of.ratios)),
            _spread(of.ratios),
            _least(of.agreement),
            f"{one.by_persona:.2f}",
            f"{one.old_sigmas:.3f}",
            f"{one.new_sigmas:.3f}",
        )
    return shown


def carried_lines(carried: Mapping[str, Carried], moved: Mapping[str, Moved]) -> list[str]:
    """What came of all of them, in sentences."""
    ratios = np.concatenate([one.ratios for one in carried.values()])
    agreement = np.concatenate([one.agreement for one in carried.values()])
    lines = []
    if len(ratios):
        lines.append(
            f"Sigma estimated anew is {np.median(ratios):.3f} times the old one (median of "
            f"{len(ratios)} pushed heads; {ratios.min():.3f} to {ratios.max():.3f}); what these "
            f"heads say correlates at {_least(agreement)}."
        )
    if moved:
        of = {name: np.mean([getattr(one, name) for one in moved.values()]) for name in MEANS}
        lines.append(
            f"Answers to the tuning items, in steps of 1 to 5: a persona moves them by "
            f"{of['by_persona']:.3f}, quantising the model by {of['by_model']:.3f}; the persona's "
            f"are {of['old_sigmas']:.3f} from what they were with the old sigmas, "
            f"{of['new_sigmas']:.3f} with the new ones."
        )
    return lines


def carried_json(carried: Mapping[str, Carried], moved: Mapping[str, Moved]) -> dict[str, Any]:
    """Every number, by the persona's name; `answers` is None where they were not compared."""
    return {
        name: {
            "key": one.persona.key,
            "key_before": one.persona.provenance[CARRIED_KEY]["from"]["key"],
            "sigma_ratios": [number(ratio) for ratio in one.ratios.tolist()],
            "agreement": [number(r) for r in one.agreement.tolist()],
            "answers": asdict(moved[name]) if name in moved else None,
        }
        for name, one in carried.items()
    }


def _spread(ratios: np.ndarray) -> str:
    if not len(ratios):
        return "–"
    return f"{np.median(ratios):.3f} ({ratios.min():.3f}-{ratios.max():.3f})"


def _least(values: np.ndarray) -> str:
    """The median and the least of those that are there."""
    there = values[np.isfinite(values)]
    return f"{np.median(there):.3f} (least {there.min():.3f})" if len(there) else "–"
