"""CAA, contrastive activation addition: one vector added to the residual stream.

Rimsky et al. (2024), "Steering Llama 2 via Contrastive Activation Addition", and what most steering
libraries do: the mean difference of the residual stream between the two sides of a contrast, read
at one layer and added to it again, times a multiplier. Here the contrast is the person's: the
chats of `activations.py` whose answer is on their side against those whose answer is not, the very
chats and labels PAS learns from, so that the two differ in where they push and nothing else.

- Read at the last token of the answer (Rimsky et al.: at the token of the answer's letter).
- Added at every position. The original adds it after the prompt only, at what the model generates;
  that is `scope="generated"`.
- The vector keeps its length: multiplier 1 moves the stream as far as the two sides lie apart.
- Layer and multiplier are chosen on the person's tuning answers by the search of PAS, every layer
  with a curve of its own. Rimsky et al. sweep both and choose by hand. Layer 0 receives the
  embeddings, which the person does not change, so it is not tried; of deep models `LAYERS_TRIED`
  layers are, evenly spaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.methods.activations import cache_folder, contrast_streams
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.head_directions import one_of
from personalign.methods.probes import row_labels
from personalign.methods.search import AlphaCurve, search_alphas
from personalign.model.persona import Persona, Scope
from personalign.model.prompts import PAPI, Wording
from personalign.model.residual import ResidualShift

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.decoder import Decoder

LAYERS_TRIED = 8
"""Layers whose curve is searched, at most; each costs as much as a whole search of PAS."""

PEOPLE_AT_ONCE = 16
"""People whose candidates share a batch."""

STEPS = 100
"""Steps of progress a person."""


class Caa(PersonaMethod):
    """Contrastive activation addition; see the module's text."""

    name = "caa"
    description = "Adds the mean difference of the person's yes and no to the residual stream."

    def __init__(
        self,
        decoder: Decoder,
        *,
        wording: Wording = PAPI,
        layer: int | None = None,
        scope: Scope = "all",
        cache: Path | str | None = None,
    ) -> None:
        """layer: at whose input to push; chosen for each person unless given. scope: "all"
        positions, or only what is "generated". cache: where the model's residual stream is kept.
        Raises MethodError for a layer or scope there is not.
        """
        super().__init__(decoder, wording=wording)
        total = decoder.heads.layers
        if layer is not None and not (isinstance(layer, int) and 0 <= layer < total):
            raise MethodError(
                f"{decoder.name} has no layer {layer!r} to push at; choose 0 to {total - 1}."
            )
        one_of("scope", scope, ("all", "generated"))
        self.layer = layer
        self.scope = scope
        self.cache = Path(cache) if cache is not None else cache_folder()
        self.layers = [layer] if layer is not None else spread(total, LAYERS_TRIED)
        """The layers that are tried."""
        self._ready: dict[tuple[str, ...], torch.Tensor] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {"layers": self.layers, "scope": self.scope}

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """Do now what does not depend on the person; arguments as `Pas.prepare`."""
        from personalign.inventory.items import ipip_neo_300

        self._streams((inventory or ipip_neo_300()).tuning, progress)

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person; whoever is neutral on everything gets the plain model."""
        done: list[Persona] = []
        for start in range(0, len(respondents), PEOPLE_AT_ONCE):
            some = respondents.select(slice(start, start + PEOPLE_AT_ONCE))

            def advance(part: int, whole: int, done_: int = start, size: int = len(some)) -> None:
                if progress is not None:
                    steps = STEPS * size * part // max(whole, 1)
                    progress(STEPS * done_ + steps, STEPS * len(respondents))

            done += self._personas(some, advance)
        return done

    def _personas(self, people: Respondents, progress: Progress) -> list[Persona]:
        inventory = people.inventory
        items = inventory.tuning
        responses = people.responses[:, inventory.columns(items)]
        vectors = side_difference(self._streams(items), row_labels(responses))
        starts = [
            Persona(
                residual=ResidualShift(np.array([layer]), vector[None, layer]), scope=self.scope
            )
            for vector in vectors
            for layer in self.layers
        ]
        curves = search_alphas(
            self.decoder,
            starts,
            np.repeat(responses, len(self.layers), axis=0),
            items,
            wording=self.wording,
            progress=progress,
        )
        return [
            self._chosen(inventory, starts[first : first + size], curves[first : first + size])
            for size in (len(self.layers),)
            for first in range(0, len(starts), size)
        ]

    def _chosen(
        self, inventory: Inventory, starts: Sequence[Persona], curves: Sequence[AlphaCurve]
    ) -> Persona:
        """The layer whose best point has the least error; of equals the first."""
        best = int(np.argmin([curve.error(curve.best) for curve in curves]))
        curve = curves[best]
        residual = starts[best].residual
        assert residual is not None, "every candidate pushes the stream"
        told = {
            **self.provenance(inventory),
            "layer": self.layers[best],
            "layer_errors": {
                str(layer): round(curve.error(curve.best), 6)
                for layer, curve in zip(self.layers, curves, strict=True)
            },
            "alpha_curve": curve.told("tuning"),
        }
        if not residual.vectors.any():
            return Persona(provenance=told)
        return Persona(residual=residual, alpha=curve.best, scope=self.scope, provenance=told)

    def _streams(self, items: Sequence[Item], progress: Progress | None = None) -> torch.Tensor:
        """The residual stream of both chats of every item, computed once for these items."""
        asked = tuple(item.statement for item in items)
        if asked not in self._ready:
            self._ready[asked] = contrast_streams(
                self.decoder, items, self.wording, cache=self.cache, progress=progress
            )
        return self._ready[asked]


def side_difference(outputs: torch.Tensor, labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """(people, layers, hidden) mean of each person's side minus mean of the other; 0 without sides.

    outputs: (rows, layers, hidden). labels: (people, rows) +1, -1, or 0 for rows to leave out.
    """
    flat = outputs.numpy().astype(np.float64).reshape(len(outputs), -1)
    sides = []
    for side in (labels > 0, labels < 0):
        counts = side.sum(axis=1, keepdims=True)
        sides.append((side @ flat) / np.maximum(counts, 1))
    shape = (len(labels), *outputs.shape[1:])
    return (sides[0] - sides[1]).astype(np.float32).reshape(shape)


def spread(layers: int, most: int) -> list[int]:
    """At most `most` of the layers after the first, evenly spaced, the last among them.

    >>> spread(5, 8), spread(33, 4), spread(1, 8)
    ([1, 2, 3, 4], [8, 16, 24, 32], [0])
    """
    if layers == 1:
        return [0]
    count = min(most, layers - 1)
    return [round((layers - 1) * (step + 1) / count) for step in range(count)]
