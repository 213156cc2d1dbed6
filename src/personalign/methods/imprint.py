"""imprint: every answer leaves a trace in the heads, and a persona is their weighted sum.

PAS asks of an answer only which side it is on, lets every item count alike, and searches one alpha
for each person. Here an answer counts by how far it is from what says nothing, and how much an item
and a head count is learnt once a model, on simulated people (`imprint_fit.py`); a new person then
costs one small matrix product and no pass through the model.

1. The trace of item i in head h: its output after "Very Accurate" minus that after "Very
   Inaccurate", t_ih, read once a model (`activations.py`), scaled to mean square length 1 a head.
2. Head h of somebody who answered r_i is pushed by

       v_h = gain_h / sqrt(items) * sum over answered i of weight_i (r_i - centre_i) t_ih

PAS is the case centre 3, weight 1, only the sign of r_i - 3, and a sum that is brought to length
alpha * sigma in each of K heads.
A missing answer adds nothing, so that whoever answered little is pushed little.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from personalign.errors import MethodError
from personalign.inventory.items import ipip_neo_300
from personalign.methods import imprint_fit
from personalign.methods.activations import cache_folder, contrast_outputs
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.imprint_fit import Calibration, fit_calibration, weighted_sums
from personalign.model.files import replace_folder
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording
from personalign.model.shift import Shift

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

HEADS = 64
"""K, at most: of larger models, the heads whose gains grew most in a first, short calibration."""

STEPS, FIRST_STEPS = 150, 30
"""Steps of the calibration, and of that first one."""

PEOPLE, PEOPLE_SEED = 2000, 1_000_007
"""Simulated people it is learnt from, none of whom anything else draws."""

NAME = "calibration.safetensors"


class Imprint(PersonaMethod):
    """Weighted sums of what answers leave in the heads; see the module's text."""

    name = "imprint"
    description = "Pushes heads by the weighted sum of the person's answers; nothing is searched."

    def __init__(
        self,
        decoder: Decoder,
        *,
        wording: Wording = PAPI,
        heads: int | None = None,
        steps: int = STEPS,
        population: Respondents | None = None,
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        """heads: K; all heads of a small model unless given, 64 of a larger one.

        steps: of the calibration. population: people it is learnt from, none of whom may be scored;
        simulated ones unless given. seed: of the order in which it meets them. cache: where the
        model's head outputs and its calibration are kept.
        Raises MethodError for more heads than the model has, or no steps.
        """
        super().__init__(decoder, wording=wording)
        total = decoder.heads.total
        self.heads = min(HEADS, total) if heads is None else heads
        if not 1 <= self.heads <= total:
            raise MethodError(
                f"imprint was asked for {heads} heads, but {decoder.name} has {total}; choose 1 to "
                f"{total}."
            )
        if steps < 1:
            raise MethodError(
                f"imprint was asked for {steps} steps of calibration; give 1 or more."
            )
        self.steps = steps
        self.population = population
        self.seed = seed
        self.cache = Path(cache) if cache is not None else cache_folder()
        self._ready: dict[tuple[str, ...], _Imprints] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "heads": self.heads,
            "steps": self.steps,
            "population": None if self.population is None else self.population.source,
            "seed": self.seed,
        }

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """Calibrate the model now, or take up what a former run has kept.

        inventory: whose tuning items are read; the 300-item form's when left out. progress: called
        with (steps done, steps in all).
        """
        self._imprints(inventory or ipip_neo_300(), progress)

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person; whoever answered nothing gets the plain model."""
        inventory = respondents.inventory
        ready = self._imprints(inventory, progress)
        responses = respondents.responses[:, inventory.columns(inventory.tuning)]
        provenance = self.provenance(inventory)
        provenance["calibration_loss"] = [round(loss, 6) for loss in ready.calibration.losses]
        people = [
            Persona(shift=shift, alpha=0.0 if shift is None else 1.0, provenance=provenance)
            for shift in ready.shifts(responses)
        ]
        if progress is not None:
            progress(len(people), len(people))
        return people

    def _imprints(self, inventory: Inventory, progress: Progress | None) -> _Imprints:
        items = inventory.tuning
        asked = tuple(item.statement for item in items)
        if asked not in self._ready:
            outputs = contrast_outputs(self.decoder, items, self.wording, cache=self.cache)
            people = self._population(inventory)
            self._ready[asked] = self._calibrated(
                outputs, items, people.responses[:, inventory.columns(items)], progress
            )
        return self._ready[asked]

    def _population(self, inventory: Inventory) -> Respondents:
        if self.population is None and inventory.name == ipip_neo_300().name:
            from personalign.dataset.simulate import simulate

            return simulate(PEOPLE, seed=PEOPLE_SEED)
        if self.population is None or self.population.inventory.name != inventory.name:
            raise MethodError(
                f"imprint is calibrated on people who answered {inventory.name}, and "
                + (
                    "nobody can be simulated for it"
                    if self.population is None
                    else f"the population given answered {self.population.inventory.name}"
                )
                + "; give such people as `population`."
            )
        return self.population

    def _calibrated(
        self,
        outputs: torch.Tensor,
        items: tuple[Item, ...],
        responses: NDArray[np.int8],
        progress: Progress | None,
    ) -> _Imprints:
        """The calibration from the cache, or learnt anew and kept."""
        traces = (outputs[0::2] - outputs[1::2]).flatten(1, 2)  # (items, all heads, head_dim)
        lengths = traces.square().sum(-1).mean(0).sqrt()
        traces = traces / lengths.clamp_min(1e-12)[None, :, None]
        folder = self.cache / "imprint" / self._key(items, responses)
        kept = _read(folder / NAME, len(items), self.heads)
        if kept is not None:
            chosen, calibration = kept
            return _Imprints(traces[:, chosen], self._places(chosen), calibration)
        few = self.heads < self.decoder.heads.total
        whole = self.steps + (FIRST_STEPS if few else 0)

        def fit(chosen: NDArray[np.int64], steps: int, done: int) -> Calibration:
            def advance(step: int, _steps: int) -> None:
                if progress is not None:
                    progress(done + step, whole)

            return fit_calibration(
                self.decoder,
                items,
                traces[:, chosen],
                self._places(chosen),
                responses,
                self.wording,
                steps=steps,
                seed=self.seed,
                progress=advance,
            )

        chosen = np.flatnonzero(lengths.numpy() > 0)
        if few:
            gains = np.abs(fit(chosen, FIRST_STEPS, 0).gains)
            chosen = np.sort(chosen[np.argsort(-gains, kind="stable")[: self.heads]])
        calibration = fit(chosen, self.steps, whole - self.steps)
        parts = {name: getattr(calibration, name) for name in ("centres", "weights", "gains")}
        parts |= {"chosen": chosen, "losses": np.array(calibration.losses)}
        try:
            replace_folder(folder, {NAME: save(parts)}, ours=(NAME,))
        except OSError as error:
            log.warning("The calibration is not kept for the next time: %s.", error)
        return _Imprints(traces[:, chosen], self._places(chosen), calibration)

    def _places(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K, 2) layer and head of flat numbers."""
        return np.stack(np.divmod(chosen, self.decoder.heads.heads), axis=1)

    def _key(self, items: tuple[Item, ...], responses: NDArray[np.int8]) -> str:
        """Hash of everything a calibration depends on."""
        content = json.dumps(
            [
                self.decoder.fingerprint,
                self.decoder.provenance,
                repr(self.wording),
                [item.statement for item in items],
                hashlib.sha256(np.ascontiguousarray(responses).tobytes()).hexdigest(),
                [self.heads, self.steps, self.seed],
                [path.read_text("utf-8") for path in (Path(__file__), Path(imprint_fit.__file__))],
            ],
            default=str,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:32]


class _Imprints:
    """A calibrated model, ready for anybody's answers."""

    def __init__(
        self, traces: torch.Tensor, places: NDArray[np.int64], calibration: Calibration
    ) -> None:
        self.traces, self.places, self.calibration = traces, places, calibration

    def shifts(self, responses: NDArray[np.int8]) -> list[Shift | None]:
        """What each person's answers, (people, items) 1-5 and 0 missing, push; None for nothing."""
        known = self.calibration
        pushes = weighted_sums(
            torch.from_numpy(responses.astype(np.float32)),
            torch.from_numpy(known.centres),
            torch.from_numpy(known.weights),
            torch.from_numpy(known.gains),
            self.traces,
        ).numpy()
        lengths = np.linalg.norm(pushes, axis=-1)
        layers, heads = self.places.T
        found: list[Shift | None] = []
        for push, length in zip(pushes, lengths, strict=True):
            moved = length > 0
            if not moved.any():
                found.append(None)
                continue
            directions = push[moved] / length[moved, None]
            found.append(Shift(layers[moved], heads[moved], directions, length[moved]))
        return found


def _read(path: Path, items: int, heads: int) -> tuple[NDArray[np.int64], Calibration] | None:
    """What `path` keeps, or None where it cannot be read or does not fit."""
    try:
        parts = load_file(path)
        chosen, losses = parts["chosen"], parts["losses"]
        found = Calibration(
            parts["centres"], parts["weights"], parts["gains"], (float(losses[0]), float(losses[1]))
        )
    except (OSError, SafetensorError, KeyError, IndexError):
        return None
    fits = len(found.centres) == len(found.weights) == items
    fits = fits and 0 < len(chosen) == len(found.gains) <= heads
    finite = all(np.isfinite(part).all() for part in (found.centres, found.weights, found.gains))
    return (chosen, found) if fits and finite else None
