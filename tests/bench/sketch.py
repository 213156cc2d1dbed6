"""Small methods for these tests: personas without the cost of making good ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from personalign.dataset.people import Respondents
from personalign.methods.base import PersonaMethod, Progress
from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from personalign.model.shift import Shift


class Plain(PersonaMethod):
    """The plain model for everybody."""

    name = "none"
    description = "The plain model."

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        return [Persona(provenance=self.provenance()) for _ in range(len(respondents))]


class Sketch(PersonaMethod):
    """Pushes two heads in a direction drawn from the person's answers; keeps curves as PAS does."""

    name = "sketch"
    description = "Two heads pushed at random."

    def __init__(self, decoder: Decoder, *, stop_at: int | None = None) -> None:
        super().__init__(decoder)
        self.stop_at = stop_at
        """After this many people it is interrupted, as by Ctrl-C."""
        self.seen: list[bytes] = []
        """The answers it was shown, one a person."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"heads": 2}

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        return [self._persona(person) for person in respondents.responses]

    def _persona(self, person: np.ndarray) -> Persona:
        if self.stop_at is not None and len(self.seen) >= self.stop_at:
            raise KeyboardInterrupt
        self.seen.append(person.tobytes())
        heads = self.decoder.heads
        rng = np.random.default_rng(list(person.astype(np.uint8)))
        directions = rng.normal(size=(2, heads.head_dim)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        alphas = np.array([0.0, 1.0, 2.0, 4.0])
        errors = 3 + 0.1 * (alphas - rng.uniform(0, 4)) ** 2
        accuracy = rng.uniform(0.5, 0.9, (heads.layers, heads.heads))
        return Persona(
            shift=Shift(
                layers=np.array([0, 1]),
                heads=rng.integers(0, heads.heads, 2),
                directions=directions,
                sigmas=np.ones(2, dtype=np.float32),
            ),
            alpha=float(alphas[errors.argmin()]),
            provenance={
                **self.provenance(),
                "alpha_curve": {"alphas": alphas.tolist(), "errors": errors.tolist()},
                "head_accuracy": accuracy.tolist(),
            },
        )
