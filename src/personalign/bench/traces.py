"""What methods leave in a record, as numbers: alpha and training curves, probe accuracies.

A method that leaves none of a kind has None of it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AlphaCurve:
    """The error over the tuning items at every alpha tried for one person."""

    alphas: NDArray[np.float64]
    """(alphas,) rising."""
    errors: NDArray[np.float64]
    """(alphas,) composite over the tuning items."""
    chosen: float
    """The alpha the persona got."""


@dataclass(frozen=True)
class Training:
    """How one measure moved while one person's adapter was trained."""

    measure: str
    """"reward" (up is better) or "loss" (down is better)."""
    start: float
    """Mean over the first tenth of the curve."""
    end: float
    """Mean over the last tenth."""
    steps: int
    """Optimiser steps."""

    @property
    def improved(self) -> bool:
        """Whether it ended better than it began."""
        return self.end > self.start if self.measure == "reward" else self.end < self.start


@dataclass(frozen=True)
class HeadMap:
    """The probes of all heads, over all people."""

    accuracy: NDArray[np.float64]
    """(layers, heads) mean validation accuracy of the heads' probes."""
    chosen: NDArray[np.int64]
    """(layers, heads) for how many people the head was steered."""
    people: int
    """People counted."""

    @property
    def best(self) -> tuple[int, int, float]:
        """Layer, head and accuracy of the best probe."""
        flat = int(np.nanargmax(self.accuracy))
        layer, head = divmod(flat, self.accuracy.shape[1])
        return layer, head, float(self.accuracy[layer, head])


def alpha_curve(record: dict[str, Any]) -> AlphaCurve | None:
    """The alpha curve of one person's record."""
    curve = record["provenance"].get("alpha_curve")
    if not curve:
        return None
    alphas = np.asarray(curve["alphas"], dtype=np.float64)
    errors = np.asarray(curve["errors"], dtype=np.float64)
    order = np.argsort(alphas, kind="stable")
    return AlphaCurve(alphas[order], errors[order], float(record["alpha"]))


def training(record: dict[str, Any]) -> Training | None:
    """How one person's training went, out of their record."""
    curve = record["provenance"].get("training")
    if not curve:
        return None
    measure = "reward" if "reward" in curve[0] else "loss"
    values = [line[measure] for line in curve if line.get(measure) is not None]
    if not values:
        return None
    tenth = max(1, len(values) // 10)
    start, end = float(np.mean(values[:tenth])), float(np.mean(values[-tenth:]))
    return Training(measure, start, end, int(curve[-1]["step"]))


def head_map(records: Sequence[dict[str, Any]]) -> HeadMap | None:
    """The mean head map of everybody who has one."""
    maps = [record["provenance"].get("head_accuracy") for record in records]
    kept = [np.asarray(found, dtype=np.float64) for found in maps if found is not None]
    if not kept:
        return None
    chosen = np.zeros(kept[0].shape, dtype=np.int64)
    for record in records:
        for layer, head in record["heads"]:
            chosen[layer, head] += 1
    return HeadMap(np.nanmean(kept, axis=0), chosen, len(kept))
