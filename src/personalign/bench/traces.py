"""What PAS leaves in a persona's record, as arrays: the alpha curve, the heads' probe accuracies.

Other methods leave neither; every reader here gives None then.
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
