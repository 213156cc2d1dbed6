"""The axis of a profile's pictures, and where scales lie on it; for SVG and matplotlib alike."""

from __future__ import annotations

from dataclasses import dataclass

from personalign.web.profile.scores import Basis, Scale


@dataclass(frozen=True)
class Axis:
    """From where to where a picture goes."""

    low: float
    high: float
    middle: float
    """Of the norm group, or of the answers."""
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end to 1 at the high; what is beyond lies at the end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True)
class Mark:
    """A scale on its axis, as shares of its length."""

    place: float
    low: float
    """One standard error below."""
    high: float


T_AXIS = Axis(20, 80, 50, (20, 30, 40, 50, 60, 70, 80))
MEAN_AXIS = Axis(1, 5, 3, (1, 2, 3, 4, 5))


def axis_of(basis: Basis) -> Axis:
    """T scores where there are norms, else the answers' own scale."""
    return MEAN_AXIS if basis == "means" else T_AXIS


def mark_of(scale: Scale, basis: Basis) -> Mark | None:
    """Where a scale lies; None where it has no score."""
    axis = axis_of(basis)
    value, error = (scale.mean, scale.mean_error) if basis == "means" else (scale.t, scale.t_error)
    if value is None or error is None:
        return None
    return Mark(axis.share(value), axis.share(value - error), axis.share(value + error))
