"""A shift: which heads are pushed, in which direction, and how far one step is.

PAS (section 3.3 of the paper, after inference-time intervention) adds alpha * sigma * theta to the
output of each chosen head: theta a unit direction, sigma the standard deviation of the head's
outputs along it. A `Shift` holds K such triples; alpha stays outside, in the Persona.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from personalign.errors import SteeringError

UNIT_TOLERANCE = 1e-3
"""How far a direction's length may be from 1; float32 directions are within 1e-6."""


@dataclass(frozen=True, eq=False)
class Shift:
    """K (layer, head) pairs, each with a unit direction and a standard deviation.

    >>> import numpy as np
    >>> shift = Shift([0], [1], np.array([[0.6, 0.8]]), [2.0])
    >>> shift.displacements(alpha=5.0, heads=2, head_dim=2)[0]
    array([0., 0., 6., 8.], dtype=float32)
    """

    layers: np.ndarray
    """(K,) int64, 0-based layer of each head."""
    heads: np.ndarray
    """(K,) int64, 0-based head in its layer."""
    directions: np.ndarray
    """(K, head_dim) float32, rows of unit length."""
    sigmas: np.ndarray
    """(K,) float32, standard deviation of the head's outputs along its direction."""

    def __post_init__(self) -> None:
        for name, dtype, dimensions in (
            ("layers", np.int64, 1),
            ("heads", np.int64, 1),
            ("directions", np.float32, 2),
            ("sigmas", np.float32, 1),
        ):
            array = np.array(getattr(self, name), dtype=dtype)  # a copy nobody else can write to
            if array.ndim != dimensions:
                raise SteeringError(
                    f"The {name} of a shift have {array.ndim} dimensions; {dimensions} are needed."
                )
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        lengths = {len(self.layers), len(self.heads), len(self.directions), len(self.sigmas)}
        if len(lengths) != 1:
            raise SteeringError(
                f"A shift needs one layer, head, direction and sigma a pair; it was given "
                f"{len(self.layers)}, {len(self.heads)}, {len(self.directions)} and "
                f"{len(self.sigmas)}."
            )
        self._check_values()

    def _check_values(self) -> None:
        if len(self.layers) and min(self.layers.min(), self.heads.min()) < 0:
            raise SteeringError("Layers and heads of a shift are counted from 0, none is negative.")
        pairs = list(zip(self.layers.tolist(), self.heads.tolist(), strict=True))
        if len(set(pairs)) < len(pairs):
            twice = Counter(pairs).most_common(1)[0][0]
            raise SteeringError(
                f"Head {twice[1]} of layer {twice[0]} is in the shift twice; add two shifts with + "
                "to join them."
            )
        if not (np.isfinite(self.sigmas).all() and (self.sigmas >= 0).all()):
            raise SteeringError(
                "The sigmas of a shift are standard deviations: finite and not negative."
            )
        if not np.isfinite(self.directions).all():
            raise SteeringError("The directions of a shift hold values that are not finite.")
        norms = np.linalg.norm(self.directions.astype(np.float64), axis=1)
        off = np.flatnonzero(np.abs(norms - 1) > UNIT_TOLERANCE)
        if len(off):
            raise SteeringError(
                f"Direction {off[0]} of the shift has length {norms[off[0]]:.4g}; directions must "
                "have length 1 (the size of a step belongs into sigma)."
            )

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The (layer, head) pairs, in the shift's order."""
        return tuple(zip(self.layers.tolist(), self.heads.tolist(), strict=True))

    @property
    def head_dim(self) -> int:
        """Width of one head's output."""
        return int(self.directions.shape[1])

    def __len__(self) -> int:
        """K, the number of heads pushed."""
        return len(self.layers)

    def displacements(self, alpha: float, heads: int, head_dim: int) -> dict[int, np.ndarray]:
        """What is added at each layer: layer -> (heads * head_dim,) float32, alpha * sigma * theta.

        heads, head_dim: the model's. Layers without a pushed head are absent.
        Raises SteeringError when a head or the width does not fit.
        """
        if not np.isfinite(alpha):
            raise SteeringError(f"Alpha is {alpha}; it must be a finite number.")
        if head_dim != self.head_dim:
            raise SteeringError(
                f"The shift's directions are {self.head_dim} wide, the model's heads {head_dim}; "
                "the shift was made for another model."
            )
        if len(self) and self.heads.max() >= heads:
            raise SteeringError(
                f"The shift pushes head {self.heads.max()}, but the model's layers have {heads} "
                f"heads, numbered 0 to {heads - 1}."
            )
        with np.errstate(over="ignore"):  # row_displacements refuses what overflows
            steps = np.float32(alpha) * self.sigmas[:, None] * self.directions
        laid: dict[int, np.ndarray] = {}
        for layer, head, step in zip(self.layers.tolist(), self.heads.tolist(), steps, strict=True):
            row = laid.setdefault(layer, np.zeros(heads * head_dim, np.float32))
            row[head * head_dim : (head + 1) * head_dim] = step
        return laid

    @cached_property
    def digest(self) -> str:
        """Hash of the content (hex sha256); the order of the pairs does not matter."""
        order = np.lexsort((self.heads, self.layers))
        content = hashlib.sha256(f"shift {len(self)} {self.head_dim}".encode())
        for array in (self.layers, self.heads, self.directions, self.sigmas):
            content.update(np.ascontiguousarray(array[order]).tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Shift) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def scaled(self, factor: float) -> Shift:
        """The same push, `factor` times as far; a negative factor turns the directions round."""
        return replace(
            self,
            directions=self.directions if factor >= 0 else -self.directions,
            sigmas=self.sigmas * np.float32(abs(factor)),
        )

    def __add__(self, other: Shift) -> Shift:
        """Both pushes at once, at one alpha: sigma * theta adds up where they share a head."""
        if not isinstance(other, Shift):
            return NotImplemented
        if other.head_dim != self.head_dim:
            raise SteeringError(
                f"Shifts of heads {self.head_dim} and {other.head_dim} wide cannot be added."
            )
        steps: dict[tuple[int, int], np.ndarray] = {}
        first: dict[tuple[int, int], np.ndarray] = {}
        for shift in (self, other):
            for pair, theta, sigma in zip(
                shift.pairs, shift.directions.astype(np.float64), shift.sigmas, strict=True
            ):
                steps[pair] = steps.get(pair, 0.0) + float(sigma) * theta
                first.setdefault(pair, theta)
        sizes = [float(np.linalg.norm(step)) for step in steps.values()]
        return Shift(
            layers=np.array([layer for layer, _ in steps], np.int64),
            heads=np.array([head for _, head in steps], np.int64),
            directions=np.array(
                [
                    step / size if size > 0 else first[pair]  # they cancel: any direction will do
                    for (pair, step), size in zip(steps.items(), sizes, strict=True)
                ]
            ).reshape(len(steps), self.head_dim),
            sigmas=np.array(sizes),
        )
