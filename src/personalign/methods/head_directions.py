"""From a person's answers to K heads and the directions they are pushed in: what PAS and ITI share.

1. X, every head's output at the end of an agreeing and of a disagreeing answer to each tuning
   item, is captured once per model (`activations.py`).
2. A person labels the rows of X: on their side or not; neutral and missing answers label nothing.
   A logistic probe per head is trained on 60% of the items and judged on the rest (`probes.py`).
3. The K heads whose probes judge best get theta = mean of the person's side minus mean of the
   other, unit length (or the probe's weights); sigma is the standard deviation of the outputs
   along theta. How far the heads are then pushed is the methods' own business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.inventory.items import ipip_neo_300
from personalign.methods.activations import cache_folder, contrast_outputs
from personalign.methods.base import Progress
from personalign.methods.probes import ProbeFitter, Probes, row_labels
from personalign.methods.split import item_split, row_split
from personalign.model.shift import Shift

if TYPE_CHECKING:
    from personalign.inventory.items import Inventory, Item
    from personalign.model.decoder import Decoder
    from personalign.model.prompts import Wording

Direction = Literal["means", "probe"]
"""Where a direction comes from: the difference of class means, or the probe's weights."""


@dataclass(frozen=True)
class FoundHeads:
    """The heads of some people."""

    shifts: tuple[Shift | None, ...]
    """One a person; None for whoever agreed or disagreed with too little to tell sides apart."""
    accuracy: NDArray[np.float64] = field(repr=False)
    """(people, layers, heads) validation accuracy of the probes; NaN where none was judged."""

    def told(self, person: int) -> dict[str, Any]:
        """What a persona's provenance says of its heads: nothing that was answered."""
        shift = self.shifts[person]
        return {
            "heads": [] if shift is None else [list(pair) for pair in shift.pairs],
            "head_accuracy": [
                [None if np.isnan(value) else round(float(value), 6) for value in layer]
                for layer in self.accuracy[person]
            ],
        }


class HeadFinder:
    """Finds people's heads on one model; what does not depend on the person is computed once."""

    def __init__(
        self,
        decoder: Decoder,
        wording: Wording,
        *,
        heads: int,
        direction: Direction = "means",
        released: bool = False,
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        """heads: K. released: as the released code of the paper does it: outputs read at the bare
        label, rows split singly, heads ranked by the mean of both accuracies. seed: of the split.
        cache: where the model's head outputs are kept.
        Raises MethodError for a direction there is not, or more heads than the model has.
        """
        total = decoder.heads.total
        if not 1 <= heads <= total:
            raise MethodError(
                f"The method was asked for {heads} heads, but {decoder.name} has {total} "
                f"({decoder.heads.layers} layers of {decoder.heads.heads}); choose 1 to {total}."
            )
        one_of("direction", direction, ("means", "probe"))
        self.decoder = decoder
        self.wording = wording
        self.heads = heads
        self.direction = direction
        self.released = released
        self.seed = seed
        self.cache = Path(cache) if cache is not None else cache_folder()
        self._ready: dict[tuple[str, ...], tuple[ProbeFitter, torch.Tensor]] = {}

    def find(self, responses: NDArray[np.integer], items: Sequence[Item]) -> FoundHeads:
        """The heads of people by what they answered, (people, items) 1-5, 0 missing."""
        fitter, outputs = self.prepare(items)
        labels = row_labels(responses)
        probes = fitter.fit(labels, self._train_rows(labels), weights=self.direction == "probe")
        chosen = self._ranking(probes)
        shifts = tuple(
            self._shift(outputs, labels[person], probes, person, chosen[person]) if judged else None
            for person, judged in enumerate(_judged(probes))
        )
        return FoundHeads(shifts, probes.validation_accuracy)

    def prepare(
        self, items: Sequence[Item], progress: Progress | None = None
    ) -> tuple[ProbeFitter, torch.Tensor]:
        """What does not depend on the person, computed once for these items.

        progress: called with (chats, all chats) while the model reads; nothing is read if a former
            run has kept the outputs.
        """
        asked = tuple(item.statement for item in items)
        if asked not in self._ready:
            outputs = contrast_outputs(
                self.decoder,
                items,
                self.wording,
                label_only=self.released,
                cache=self.cache,
                progress=progress,
            )
            fitted = None
            if not self.released:
                fitted = np.repeat(item_split(len(items), seed=self.seed), 2)
            fitter = ProbeFitter(outputs, fitted, device=self.decoder.device)
            self._ready[asked] = (fitter, outputs)
        return self._ready[asked]

    def prepare_form(
        self, inventory: Inventory | None = None, progress: Progress | None = None
    ) -> None:
        """`prepare` for the tuning items of a questionnaire; the 300-item form's when left out."""
        self.prepare((inventory or ipip_neo_300()).tuning, progress)

    def _train_rows(self, labels: NDArray[np.int8]) -> NDArray[np.bool_]:
        """(rows,) or (people, rows) which rows train the probes."""
        if self.released:
            return row_split(labels != 0, seed=self.seed)
        return np.repeat(item_split(labels.shape[1] // 2, seed=self.seed), 2)

    def _ranking(self, probes: Probes) -> NDArray[np.int64]:
        """(people, K) flat numbers of the chosen heads, best first; of equals the earlier head."""
        accuracy = probes.validation_accuracy
        if self.released:
            accuracy = (accuracy + probes.train_accuracy) / 2
        flat = np.nan_to_num(accuracy.reshape(len(accuracy), -1), nan=0.0).round(9)
        return np.argsort(-flat, axis=1, kind="stable")[:, : self.heads]

    def _shift(
        self,
        outputs: torch.Tensor,
        labels: NDArray[np.int8],
        probes: Probes,
        person: int,
        chosen: NDArray[np.int64],
    ) -> Shift:
        layers, heads = np.divmod(chosen, self.decoder.heads.heads)
        kept = outputs.numpy()[:, layers, heads][labels != 0].astype(np.float64)
        side = labels[labels != 0]
        if self.direction == "means":
            directions = kept[side > 0].mean(axis=0) - kept[side < 0].mean(axis=0)
        else:
            assert probes.weights is not None, "the probes were fitted with their weights"
            directions = probes.weights[person, layers, heads].astype(np.float64)
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        still = lengths[:, 0] == 0  # a head that says the same to everything is not pushed
        directions = np.where(still[:, None], np.eye(1, directions.shape[1]), directions)
        directions /= np.where(still[:, None], 1.0, lengths)
        sigmas = np.where(still, 0.0, np.einsum("rkd,kd->rk", kept, directions).std(axis=0))
        return Shift(layers, heads, directions, sigmas)


def one_of(setting: str, value: object, accepted: Sequence[object]) -> None:
    """Raise MethodError unless a setting has one of the values it may have."""
    if value not in accepted:
        raise MethodError(
            f"The {setting} {value!r} does not exist; choose one of "
            f"{', '.join(str(one) for one in accepted)}."
        )


def _judged(probes: Probes) -> NDArray[np.bool_]:
    """(people,) whether a person agreed or disagreed with items on both sides of the split."""
    both = np.isfinite(probes.train_accuracy) & np.isfinite(probes.validation_accuracy)
    return np.asarray(both.reshape(len(both), -1).all(axis=1))
