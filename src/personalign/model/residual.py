"""A residual shift: one vector a layer, added to the residual stream.

Contrastive activation addition (Rimsky et al. 2024, "Steering Llama 2 via Contrastive Activation
Addition") and most steering libraries push the residual stream as a whole, where PAS pushes single
heads. A `ResidualShift` holds K layers and a vector of the stream's width for each; alpha, which
that literature calls the multiplier, stays outside, in the Persona.

Layer l means the stream as layer l receives it, which is what layer l - 1 put out; "after layer L"
in Rimsky et al. is our layer L + 1. Layer 0 receives the embeddings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from personalign.errors import SteeringError


@dataclass(frozen=True, order=True)
class Stream:
    """A place to push: the residual stream at the input of a layer. Heads go by the bare layer."""

    layer: int
    """0-based."""

    def __str__(self) -> str:
        return f"the residual stream at layer {self.layer}"


Site = int | Stream
"""Where a displacement is added: a layer's heads (its number) or its residual stream."""


def depth(site: Site) -> tuple[int, bool]:
    """How far into a forward pass a site lies, to sort by; a layer's stream is before its heads.

    >>> sorted([1, Stream(1), 0], key=depth)
    [0, Stream(layer=1), 1]
    """
    return (site.layer, False) if isinstance(site, Stream) else (site, True)


@dataclass(frozen=True, eq=False)
class ResidualShift:
    """K layers, each with the vector that one step adds to the residual stream there.

    >>> shift = ResidualShift([2], np.array([[0.5, -1.0]]))
    >>> shift.displacements(alpha=2.0, hidden=2)
    {2: array([ 1., -2.], dtype=float32)}
    """

    layers: np.ndarray
    """(K,) int64, 0-based; the stream at the input of these layers."""
    vectors: np.ndarray
    """(K, hidden) float32, what alpha = 1 adds."""

    def __post_init__(self) -> None:
        for name, dtype, dimensions in (("layers", np.int64, 1), ("vectors", np.float32, 2)):
            array = np.array(getattr(self, name), dtype=dtype)  # a copy nobody else can write to
            if array.ndim != dimensions:
                raise SteeringError(
                    f"The {name} of a residual shift have {array.ndim} dimensions; {dimensions} "
                    "are needed."
                )
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.layers) != len(self.vectors):
            raise SteeringError(
                f"A residual shift needs one vector a layer; it was given {len(self.vectors)} "
                f"vectors for {len(self.layers)} layers."
            )
        if len(self.layers) and self.layers.min() < 0:
            raise SteeringError("The layers of a residual shift are counted from 0.")
        if len(set(self.layers.tolist())) < len(self.layers):
            raise SteeringError(
                f"A layer is in the residual shift twice (layers {self.layers.tolist()}); add two "
                "shifts with + to join them."
            )
        if not np.isfinite(self.vectors).all():
            raise SteeringError("The vectors of a residual shift hold values that are not finite.")

    @property
    def hidden(self) -> int:
        """Width of the residual stream it was made for."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        """K, the number of layers pushed."""
        return len(self.layers)

    def displacements(self, alpha: float, hidden: int) -> dict[int, np.ndarray]:
        """What is added at each layer: layer -> (hidden,) float32, alpha * vector.

        hidden: the model's width. Raises SteeringError when it is not this shift's.
        """
        if not np.isfinite(alpha):
            raise SteeringError(f"Alpha is {alpha}; it must be a finite number.")
        if hidden != self.hidden:
            raise SteeringError(
                f"The residual shift's vectors are {self.hidden} wide, the model's residual stream "
                f"{hidden}; the shift was made for another model."
            )
        with np.errstate(over="ignore"):  # row_displacements refuses what overflows
            steps = np.float32(alpha) * self.vectors
        return dict(zip(self.layers.tolist(), steps, strict=True))

    @cached_property
    def digest(self) -> str:
        """Hash of the content (hex sha256); the order of the layers does not matter."""
        order = np.argsort(self.layers)
        content = hashlib.sha256(f"residual {len(self)} {self.hidden}".encode())
        for array in (self.layers, self.vectors):
            content.update(np.ascontiguousarray(array[order]).tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, ResidualShift) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def scaled(self, factor: float) -> ResidualShift:
        """The same push, `factor` times as far."""
        return replace(self, vectors=self.vectors * np.float32(factor))

    def __add__(self, other: ResidualShift) -> ResidualShift:
        """Both pushes at once, at one alpha."""
        if not isinstance(other, ResidualShift):
            return NotImplemented
        if other.hidden != self.hidden:
            raise SteeringError(
                f"Residual shifts {self.hidden} and {other.hidden} wide cannot be added."
            )
        total: dict[int, np.ndarray] = {}
        for shift in (self, other):
            for layer, vector in zip(shift.layers.tolist(), shift.vectors, strict=True):
                total[layer] = total.get(layer, np.float32(0)) + vector
        return ResidualShift(
            np.array(list(total), np.int64),
            np.array(list(total.values())).reshape(len(total), self.hidden),
        )
