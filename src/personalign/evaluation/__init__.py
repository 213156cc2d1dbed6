"""How close a persona came: the aligned score, its intervals and its controls."""

from __future__ import annotations

from personalign.evaluation.aligned import AlignedScore, aligned_score
from personalign.evaluation.statistics import (
    Interval,
    PairedDifference,
    bootstrap_mean,
    paired_difference,
)
from personalign.evaluation.swap import SwapControl, derangement, swap_control

__all__ = [
    "AlignedScore",
    "Interval",
    "PairedDifference",
    "SwapControl",
    "aligned_score",
    "bootstrap_mean",
    "derangement",
    "paired_difference",
    "swap_control",
]
