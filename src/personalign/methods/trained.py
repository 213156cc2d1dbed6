"""Methods that train: one adapter a person, kept in a work folder, taken up again if interrupted.

    WORK/dpo@small-3f2a91c04b7d.../   one person's adapter, named by everything it depends on
      adapter_config.json             what plain `peft.PeftModel.from_pretrained` reads
      adapter_model.safetensors
      checkpoints/                    while training only; a killed run goes on from the newest
      finished.json                   written last: the training curve; without it, not finished
      lock                            held while training: another process waits for the first

A subclass says how one person is trained (`train`); which people are, where their adapters lie,
that finished ones are not trained again and that memory is free again between people is said here.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import shutil
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from personalign.dataset.files import cache_folder, replacing
from personalign.errors import MethodError, MissingPackageError
from personalign.methods.base import PersonaMethod, Progress
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

PRESET = "paper"
"""The preset of a name without one."""

MARKER, CHECKPOINTS, LOCK = "finished.json", "checkpoints", "lock"


@dataclass(frozen=True)
class TrainingStep:
    """One line of a training curve."""

    step: int
    """Optimiser steps so far."""
    values: Mapping[str, float]
    """What was measured: {"loss": ...} or {"reward": ..., "kl": ...}."""

    @property
    def told(self) -> str:
        """The values in words: "loss 0.69, margin 0.012"."""
        return ", ".join(f"{name} {value:.3g}" for name, value in self.values.items())


StepProgress = Callable[[TrainingStep, int], None]
"""Called as progress(newest line of the curve, optimiser steps in all)."""

Watcher = Callable[[int, TrainingStep, int], None]
"""Called as watch(person's place, newest line of the curve, optimiser steps in all)."""


class TrainedMethod(PersonaMethod):
    """A method that trains an adapter for each person; see the module's text."""

    presets: ClassVar[Mapping[str, Any]] = {}
    """Settings by name, frozen dataclasses: "paper" is faithful to the paper; "small" is what moves
    a model of a few million parameters, found on simulated people."""
    packages: ClassVar[tuple[str, ...]] = ("peft", "trl", "accelerate", "datasets")
    """Packages of the extra 'train' that training imports."""
    people_at_once: ClassVar[int] = 1
    """People between two writes of a benchmark: an interrupted one loses no finished person."""

    def __init__(
        self,
        decoder: Decoder,
        *,
        wording: Wording = PAPI,
        preset: str = PRESET,
        seed: int = 0,
        work: Path | str | None = None,
        **changes: Any,
    ) -> None:
        """preset: a name of `presets`. changes: fields of the preset to set otherwise: steps=10.

        seed: of everything random. work: the folder of adapters; in the cache folder unless given.
        Raises MethodError for a preset or setting that does not exist, MissingPackageError without
        the packages of the extra 'train'.
        """
        super().__init__(decoder, wording=wording)
        if preset not in self.presets:
            raise MethodError(
                f"The method {type(self).name} has no preset {preset!r}; choose one of "
                f"{', '.join(self.presets)}, as in {type(self).name}@{next(iter(self.presets))}."
            )
        for package in self.packages:
            if find_spec(package) is None:
                raise MissingPackageError(package, "train", f"The method {type(self).name}")
        self.preset = preset
        self.values = _changed(type(self).name, self.presets[preset], changes)
        """The settings in use, an instance of the presets' dataclass."""
        self.name = type(self).name if preset == PRESET else f"{type(self).name}@{preset}"
        self.seed = seed
        self.work = Path(work) if work is not None else cache_folder() / "adapters"
        self.watch: Watcher | None = None
        """Told every line of every training curve as it is measured."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"preset": self.preset, "seed": self.seed, **asdict(self.values)}

    @classmethod
    def settings_taken(cls) -> tuple[str, ...]:
        """Every setting the method can be given by name."""
        preset = next(iter(cls.presets.values()))
        return ("preset", "seed", "work", "wording", *(field.name for field in fields(preset)))

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """Do now what does not depend on the person: import the packages, hash the model."""
        for package in self.packages:
            import_module(package)
        _ = self.decoder.fingerprint

    @abstractmethod
    def train(
        self,
        items: Sequence[Item],
        responses: Sequence[int],
        folder: Path,
        *,
        seed: int,
        progress: StepProgress,
    ) -> list[TrainingStep]:
        """Train one person and write the adapter's two files into `folder`; return the whole curve.

        items, responses: the tuning items and what the person ticked, 1-5, 0 missing.
        folder: exists; checkpoints go under folder/checkpoints, and where some are there already,
            training goes on from the newest whole one and ends in the same bytes.
        The decoder is as it was when this returns or raises.
        """

    def learns_from(self, responses: Sequence[int]) -> bool:
        """Whether these answers teach anything; if not, the persona is the plain model."""
        return any(responses)

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person, with the adapter trained on their tuning answers.

        progress: called with (steps of all people, steps in all), 1000 a person.
        """
        inventory = respondents.inventory
        items = inventory.tuning
        answers = respondents.responses[:, inventory.columns(items)]
        provenance = self.provenance(inventory)
        people = []
        for place, person in enumerate(answers):
            responses = [int(response) for response in person]

            def advance(line: TrainingStep, total: int, place: int = place) -> None:
                if progress is not None:
                    part = 1000 * line.step // max(total, 1)
                    progress(1000 * place + min(part, 1000), 1000 * len(answers))
                log.info(
                    "%s: person %d of %d, step %d of %d: %s",
                    self.name,
                    place + 1,
                    len(answers),
                    line.step,
                    total,
                    line.told,
                )
                if self.watch is not None:
                    self.watch(place, line, total)

            adapter, told = None, {"training": [], "training_seconds": 0.0}
            if self.learns_from(responses):
                folder = self.folder(items, responses)
                told = self._finished(folder) or self._trained(items, responses, folder, advance)
                adapter = str(folder)
            told = {"preset": self.preset, **told}
            people.append(Persona(adapter=adapter, provenance={**provenance, **told}))
            if progress is not None:
                progress(1000 * (place + 1), 1000 * len(answers))
        return people

    def folder(self, items: Sequence[Item], responses: Sequence[int]) -> Path:
        """Where the adapter of somebody with these answers lies, or will."""
        content = [
            self.decoder.fingerprint,
            type(self).name,
            self.settings,
            asdict(self.wording),
            [item.statement for item in items],
            list(responses),
            _sources(),
        ]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode())
        return self.work / f"{self.name}-{digest.hexdigest()[:32]}"

    def _trained(
        self,
        items: Sequence[Item],
        responses: Sequence[int],
        folder: Path,
        progress: StepProgress,
    ) -> dict[str, Any]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MethodError(
                f"The folder of adapters {self.work} cannot be written to "
                f"({error.strerror or error}); give another one as `work`."
            ) from error
        with FileLock(folder / LOCK):
            if (done := self._finished(folder)) is not None:
                return done
            began = time.perf_counter()
            try:
                curve = self.train(items, responses, folder, seed=self.seed, progress=progress)
            finally:
                free_memory()
            told = {
                "training": [{"step": line.step, **line.values} for line in curve],
                "training_seconds": round(time.perf_counter() - began, 3),
            }
            with replacing(folder / MARKER) as temporary:
                temporary.write_text(json.dumps(told) + "\n", "utf-8")
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            return told

    def _finished(self, folder: Path) -> dict[str, Any] | None:
        """What the marker says, or None where training has to begin or go on."""
        try:
            told = json.loads((folder / MARKER).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        whole = (folder / "adapter_model.safetensors").is_file()
        return told if whole and isinstance(told, dict) and "training" in told else None


def free_memory() -> None:
    """Give back what nothing refers to any more: trainers hold their models in cycles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def answered(
    items: Sequence[Item], responses: Sequence[int] | NDArray[np.int8]
) -> list[tuple[Item, int]]:
    """The items that were answered, each with its response 1-5."""
    return [(item, int(r)) for item, r in zip(items, responses, strict=True) if r]


def _changed(method: str, values: Any, changes: Mapping[str, Any]) -> Any:
    """The preset with some fields set otherwise."""
    known = {field.name: getattr(values, field.name) for field in fields(values)}
    for name in changes:
        if name not in known:
            raise MethodError(
                f"The method {method} has no setting {name!r}; its settings are {', '.join(known)}."
            )
    return replace(values, **changes)


@cache
def _sources() -> str:
    """Hex sha256 of the code of all methods: adapters of other code are not taken for ours."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
