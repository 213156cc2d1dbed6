"""dials: a person is a point on a few dials, and each dial pushes the heads its own way.

PAS finds heads, directions and an alpha anew for everybody. Here all of that is learnt once a
model, from simulated people, and a person only sets the dials:

1. **Where the person stands.** The dials are the factors of a population's answers
   (`factors.py`); a person's f is its mean given their answers.
2. **What a dial does.** Head h of a person is pushed by

       v_h = offset_h + sum over dials k of f_k direction_kh

   at the tokens of replies only. Offset and directions are learnt by gradient through the frozen
   model, by asking simulated people items that their f has not seen (`dials_fit.py`).

A new person costs one small matrix product and no pass through the model; the tuning items alone
are asked, at any time. Missing answers leave a person nearer to the middle of every dial.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from personalign.errors import MethodError
from personalign.inventory.items import ipip_neo_300
from personalign.methods import dials_fit, factors
from personalign.methods.activations import cache_folder
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.dials_fit import Dialled, fit_dials
from personalign.methods.factors import Factors
from personalign.methods.head_directions import one_of
from personalign.model.files import replace_folder
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording, few_shot_prompt
from personalign.model.shift import Shift

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

DIALS = 20
"""How many there are; chosen on simulated people (dev/log.md)."""

HEADS = 64
"""K, at most: of larger models, the heads pushed farthest after a first, short calibration."""

STEPS, FIRST_STEPS = 200, 30
"""Steps of the calibration, and of that first one."""

PEOPLE, PEOPLE_SEED = 20_000, 1_000_007
"""Simulated people it is learnt from, none of whom anything else draws."""

AT_ONCE = 1024
"""People whose pushes are computed together; of 64 heads of width 128, 32 MiB."""

NAME = "calibration.safetensors"
UNFINISHED = ("first.safetensors", "unfinished.safetensors")
"""A calibration in its folder; until it is there, the first, short one's steps, and its own."""


class Dials(PersonaMethod):
    """Dials that a person's answers set; see the module's text."""

    name = "dials"
    description = "Sets a few dials learnt once a model by the person's answers; no search."
    people_at_once = AT_ONCE
    usual_prompt: ClassVar[Literal["none", "few-shot"]] = "none"

    def __init__(
        self,
        decoder: Decoder,
        *,
        wording: Wording = PAPI,
        dials: int = DIALS,
        prompt: Literal["none", "few-shot"] | None = None,
        heads: int | None = None,
        steps: int = STEPS,
        population: Respondents | None = None,
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        """dials: how many. prompt: what replies are pushed under: no prompt of the person's, or
        their answers as the system prompt. heads: K; all heads of a small model unless given, 64 of
        a larger one.

        steps: of the calibration. population: people it is learnt from, none of whom may be scored;
        simulated ones unless given. seed: of the order in which it meets people and items. cache:
        where the model's calibration is kept.
        Raises MethodError for more heads than the model has, or no dials or steps.
        """
        super().__init__(decoder, wording=wording)
        total = decoder.heads.total
        self.heads = min(HEADS, total) if heads is None else heads
        if not 1 <= self.heads <= total:
            raise MethodError(
                f"dials was asked for {heads} heads, but {decoder.name} has {total}; choose 1 to "
                f"{total}."
            )
        for what, number in (("dials", dials), ("steps of calibration", steps)):
            if number < 1:
                raise MethodError(f"dials was asked for {number} {what}; give 1 or more.")
        one_of("prompt", prompt, (None, "none", "few-shot"))
        self.dials = dials
        self.prompt = prompt or self.usual_prompt
        self.steps = steps
        self.population = population
        self.seed = seed
        self.cache = Path(cache) if cache is not None else cache_folder()
        self._ready: dict[tuple[str, ...], Calibrated] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "dials": self.dials,
            "prompt": self.prompt,
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
        self.calibrated(inventory or ipip_neo_300(), progress)

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person; whoever answered nothing gets the plain model."""
        inventory = respondents.inventory
        ready = self.calibrated(inventory, progress)
        responses = respondents.responses[:, inventory.columns(inventory.tuning)]
        provenance = self.provenance(inventory)
        provenance["calibration_loss"] = [round(loss, 6) for loss in ready.losses]
        prompts = self._prompts(inventory, responses)
        people = [
            Persona(
                system_prompt=prompt,
                shift=shift,
                alpha=0.0 if shift is None else 1.0,
                scope="generated",
                provenance=provenance,
            )
            for prompt, shift in zip(prompts, ready.shifts(responses), strict=True)
        ]
        if progress is not None:
            progress(len(people), len(people))
        return people

    def _prompts(self, inventory: Inventory, responses: NDArray[np.int8]) -> list[str] | list[None]:
        if self.prompt == "none":
            return [None] * len(responses)
        return [few_shot_prompt(inventory.tuning, row.tolist()) for row in responses]

    def calibrated(self, inventory: Inventory, progress: Progress | None = None) -> Calibrated:
        """What was learnt of the model for this questionnaire; learnt now if it was not yet."""
        items = inventory.tuning
        asked = tuple(item.statement for item in items)
        if asked not in self._ready:
            people = self._population(inventory)
            responses = people.responses[:, inventory.columns(items)]
            folder = self.cache / "dials" / self._key(items, responses)
            ready = Calibrated.read(folder / NAME)
            if ready is None:
                ready = self._learnt(items, responses, folder, progress)
                try:
                    replace_folder(folder, {NAME: ready.packed()}, ours=(NAME, *UNFINISHED))
                except OSError as error:
                    log.warning("The calibration is not kept for the next time: %s.", error)
            self._ready[asked] = ready
        return self._ready[asked]

    def _population(self, inventory: Inventory) -> Respondents:
        if self.population is None and inventory.name == ipip_neo_300().name:
            from personalign.dataset.simulate import simulate

            return simulate(PEOPLE, seed=PEOPLE_SEED)
        if self.population is None or self.population.inventory.name != inventory.name:
            raise MethodError(
                f"dials is calibrated on people who answered {inventory.name}, and "
                + (
                    "nobody can be simulated for it"
                    if self.population is None
                    else f"the population given answered {self.population.inventory.name}"
                )
                + "; give such people as `population`."
            )
        return self.population

    def _learnt(
        self,
        items: tuple[Item, ...],
        responses: NDArray[np.int8],
        folder: Path,
        progress: Progress | None,
    ) -> Calibrated:
        known = Factors.fit(responses, self.dials)
        few = self.heads < self.decoder.heads.total
        whole = self.steps + (FIRST_STEPS if few else 0)

        def fit(chosen: NDArray[np.int64], steps: int, done: int, unfinished: str) -> Dialled:
            def advance(step: int, _steps: int) -> None:
                if progress is not None:
                    progress(done + step, whole)

            return fit_dials(
                self.decoder,
                items,
                known,
                responses,
                self._places(chosen),
                self.wording,
                steps=steps,
                prompted=self.prompt == "few-shot",
                seed=self.seed,
                cache=self.cache,
                unfinished=folder / unfinished,
                progress=advance,
            )

        chosen = np.arange(self.decoder.heads.total)
        if few:
            pushed = fit(chosen, FIRST_STEPS, 0, UNFINISHED[0]).reach
            chosen = np.sort(np.argsort(-pushed, kind="stable")[: self.heads])
        learnt = fit(chosen, self.steps, whole - self.steps, UNFINISHED[1])
        return Calibrated(known, self._places(chosen), learnt)

    def _places(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K, 2) layer and head of flat numbers."""
        return np.stack(np.divmod(chosen, self.decoder.heads.heads), axis=1)

    def _key(self, items: tuple[Item, ...], responses: NDArray[np.int8]) -> str:
        """Hash of everything a calibration depends on."""
        code = (Path(__file__), Path(dials_fit.__file__), Path(factors.__file__))
        content = json.dumps(
            [
                self.decoder.fingerprint,
                self.decoder.provenance,
                repr(self.wording),
                [item.statement for item in items],
                hashlib.sha256(np.ascontiguousarray(responses).tobytes()).hexdigest(),
                [self.dials, self.prompt, self.heads, self.steps, self.seed],
                [path.read_text("utf-8") for path in code],
            ],
            default=str,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:32]


class DialsFewShot(Dials):
    """The same under a prompt: the push adds what the listed answers leave to be desired."""

    name = "dials-few-shot"
    description = "The person's answers in the system prompt, and dials learnt under such prompts."
    people_at_once = 16
    usual_prompt = "few-shot"


class Calibrated:
    """A calibrated model, ready for anybody's answers."""

    def __init__(self, known: Factors, places: NDArray[np.int64], learnt: Dialled) -> None:
        self.factors, self.places, self.learnt = known, places, learnt

    @property
    def losses(self) -> tuple[float, float]:
        """The calibration's loss at first and at last, nats an answer."""
        return self.learnt.losses

    def shifts(self, responses: NDArray[np.int8]) -> list[Shift | None]:
        """What each person's answers, (people, items) 1-5 and 0 missing, push; None for nothing."""
        found: list[Shift | None] = []
        for start in range(0, len(responses), AT_ONCE):
            found += self._shifts(responses[start : start + AT_ONCE])
        return found

    def _shifts(self, responses: NDArray[np.int8]) -> list[Shift | None]:
        pushes = self.learnt.pushes(self.factors.scores(responses))  # (people, K, head_dim)
        lengths = np.linalg.norm(pushes, axis=-1)
        directions = pushes / np.maximum(lengths, 1e-30)[..., None]
        layers, heads = self.places.T
        answered = np.count_nonzero(responses, axis=1)
        found: list[Shift | None] = []
        for person in range(len(responses)):
            moved = lengths[person] > 0
            if answered[person] == 0 or not moved.any():
                found.append(None)
                continue
            found.append(
                Shift(
                    layers[moved], heads[moved], directions[person, moved], lengths[person, moved]
                )
            )
        return found

    def packed(self) -> bytes:
        """As one safetensors file."""
        parts = {f"factors.{name}": value for name, value in vars(self.factors).items()}
        parts |= {"places": self.places, "losses": np.array(self.learnt.losses)}
        parts |= {"directions": self.learnt.directions, "offset": self.learnt.offset}
        return save({name: np.ascontiguousarray(value) for name, value in parts.items()})

    @classmethod
    def read(cls, path: Path) -> Calibrated | None:
        """What `path` keeps, or None where there is nothing that can be read."""
        try:
            parts = load_file(path)
            known = Factors(
                **{
                    name: parts[f"factors.{name}"]
                    for name in ("means", "scales", "loadings", "noise")
                }
            )
            first, last = parts["losses"].tolist()
            learnt = Dialled(parts["directions"], parts["offset"], (first, last))
            return cls(known, parts["places"], learnt)
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
