"""Personas that stand far apart, for views that are not one's own (the paper's Appendix B).

Each is made, by the site's own method, from the made-up answers of somebody at the ends of two
traits (`dataset/poles.py`), never from a real person's. They are made once a model, when first
wanted, in the aligner's thread behind everybody who waits for a persona, and kept in memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from personalign.web.personas.aligning import Stopped
from personalign.web.refusals import without_values

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.model.persona import Persona
    from personalign.web.personas.aligning import Aligner

log = logging.getLogger("personalign.web")

VIEWS: Mapping[str, Mapping[str, str]] = {
    "outgoing": {"E": "high", "A": "high"},
    "reserved": {"E": "low", "A": "low"},
    "adventurous": {"O": "high", "C": "low"},
    "orderly": {"O": "low", "C": "high"},
}
"""Name -> trait -> end; two pairs of opposites. What each is like is said in balanced.view."""


def people_of_views() -> Respondents:
    """One made-up person a view, in the order of VIEWS; items of other traits are missing.

    >>> people_of_views().ids
    ('outgoing', 'reserved', 'adventurous', 'orderly')
    """
    from personalign.dataset.people import Respondents
    from personalign.dataset.poles import people_at_poles

    made = []
    for name, ends in VIEWS.items():
        parts = [people_at_poles(trait, [end]) for trait, end in ends.items()]
        # each part has answers to its own trait's items alone, 0 elsewhere
        whole = np.max([part.responses for part in parts], axis=0)
        made.append(
            replace(parts[0], responses=whole, ids=(name,), source="made up: ends of two traits")
        )
    return Respondents.concat(made)


class Views:
    """The reference personas of a site's models."""

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner
        self._made: dict[str, dict[str, Persona]] = {}
        self._making: set[str] = set()
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def of(self, model: str) -> dict[str, Persona] | None:
        """A model's, by name; None while they are being made, which asking begins; {} where they
        cannot be made."""
        with self._lock:
            if model in self._made:
                return self._made[model]
            if model in self._failed or not self._aligner.able(model):
                return {}
            if model not in self._making:
                self._making.add(model)
                self._aligner.soon(lambda: self._make(model))
            return None

    def _make(self, model: str) -> None:
        try:
            personas = self._aligner.make(model, people_of_views())
        except Stopped:
            raise
        except Exception as error:
            log.error(
                "The reference personas of %s could not be made: %s", model, without_values(error)
            )
            with self._lock:
                self._failed.add(model)
                self._making.discard(model)
            return
        with self._lock:
            self._made[model] = dict(zip(VIEWS, personas, strict=True))
            self._making.discard(model)
