"""`Workbench`: one process's model, methods and people, and how a unit of work is done on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign.bench.collect import Made, make_personas
from personalign.bench.measures.base import Asked
from personalign.bench.rows import Described, described
from personalign.bench.run.plan import Unit, measures_of
from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from personalign.bench.run.spec import RunSpec
    from personalign.bench.store import RawBlock
    from personalign.dataset.people import Respondents
    from personalign.methods.base import Method
    from personalign.model.any_model import Model

Watch = Callable[[str, float], None]
"""Called with (evaluation under way, share done, 0 to 1)."""


@dataclass(frozen=True)
class Facts:
    """What a process can say of a run before any unit is done."""

    model: str
    """The model's name."""
    fingerprint: str
    """The model's fingerprint."""
    methods: tuple[Described, ...]
    """The methods, in the run's order."""
    hardware: dict[str, Any]
    """Where it computes."""


class Worker:
    """A workbench that is set up by its first task, whose errors then reach the run.

    What goes wrong while a process starts is lost with it.
    """

    def __init__(self, spec: RunSpec, people: Respondents) -> None:
        self.given = (spec, people)
        self.bench: Workbench | None = None

    def describe(self) -> Facts:
        """As `Workbench.describe`."""
        return self._ready().describe()

    def do(self, unit: Unit) -> dict[str, RawBlock]:
        """As `Workbench.do`."""
        return self._ready().do(unit)

    def _ready(self) -> Workbench:
        if self.bench is None:
            compute_with(self.given[0].threads)
            self.bench = Workbench(*self.given)
        return self.bench


class Workbench:
    """Loads the model once, then does unit after unit."""

    def __init__(self, spec: RunSpec, people: Respondents) -> None:
        """people: the run's, with all their answers. The model is loaded here.

        Raises ModelError where it cannot be, EvaluationError for an evaluation that needs to look
        inside a model that is behind an API.
        """
        self.spec = spec
        self.people = people
        self.measures = measures_of(spec)
        self.model = _load(spec)
        for name, measure in self.measures.items():
            if measure.needs_decoder and not hasattr(self.model, "heads"):
                raise EvaluationError(
                    f"The evaluation {name}, with these settings, looks inside the model, and "
                    f"{self.model.name} is behind an API. Leave it out, give it a judge behind an "
                    "API where it takes one, or give a model whose weights can be loaded."
                )
        self._methods: dict[tuple[str, int], Method] = {}

    def describe(self) -> Facts:
        """The model, the methods and the machine."""
        first = self.spec.seeds[0]
        return Facts(
            model=self.model.name,
            fingerprint=self.model.fingerprint,
            methods=tuple(described(self.method(name, first)) for name in self.spec.methods.names),
            hardware=hardware(getattr(self.model, "device", None)),
        )

    def do(self, unit: Unit, watch: Watch | None = None) -> dict[str, RawBlock]:
        """Every evaluation of the unit, by name; personas are made when the first one asks."""
        method = self.method(unit.method, unit.seed)
        found: dict[str, RawBlock] = {}
        kept: list[Made | None] = []
        for name in unit.evaluations:
            measure = self.measures[name]
            people = measure.people(self.people).select(slice(unit.start, unit.stop))

            def progress(share: float, name: str = name) -> None:
                if watch is not None:
                    watch(name, share)

            def made(people: Respondents = people, say: Any = progress) -> Made | None:
                if not kept:
                    kept.append(
                        make_personas(
                            method, people, progress=lambda done, whole: say(done / whole / 2)
                        )
                    )
                return kept[0]

            progress(0.0)
            asked = Asked(
                method=method,
                people=people,
                seed=unit.seed,
                made=made,
                fresh=partial(self._fresh, unit.method, unit.seed),
                progress=progress,
            )
            found[name] = measure.ask(asked)
            progress(1.0)
        return found

    def method(self, name: str, seed: int) -> Method:
        """The method with the run's settings, kept: what it read of the model serves every unit."""
        if (name, seed) not in self._methods:
            self._methods[name, seed] = self._build(name, seed)
        return self._methods[name, seed]

    def _fresh(self, name: str, seed: int, folder: Path) -> Method:
        from personalign.methods.settings import settings_taken

        taken = settings_taken(self.spec.methods.kind(name))
        places = {"cache": folder / "cache", "work": folder / "work"}
        return self._build(name, seed, **{key: places[key] for key in places if key in taken})

    def _build(self, name: str, seed: int, **more: Any) -> Method:
        from personalign.methods.settings import build_method
        from personalign.model.prompts import get_wording

        spec = self.spec
        common = {
            "wording": get_wording(spec.wording),
            "protocol": spec.protocol,
            "seed": seed,
            "decision": spec.decision,
        }
        own = {**more, **spec.methods.own(name)}
        made = build_method(spec.methods.kind(name), self.model, common=common, own=own)
        made.name = name  # what the run calls it: the same method may stand there several times
        return made


def compute_with(threads: int) -> Callable[[], None]:
    """Compute with so many threads in this process from now on; what is returned undoes it."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    limits = threadpool_limits(threads)

    def undo() -> None:
        limits.restore_original_limits()
        torch.set_num_threads(before)

    return undo


def _load(spec: RunSpec) -> Model:
    from personalign.dataset.files import cache_folder
    from personalign.model.api import PREFIX, ApiModel
    from personalign.model.decoder import Decoder

    wanted = spec.model
    if wanted.name.startswith(PREFIX):
        given = {"key_variable": wanted.key_variable, "concurrency": wanted.concurrency}
        told: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return ApiModel(wanted.name, wanted.base_url, cache=cache_folder() / "api", **told)
    return Decoder.load(
        wanted.name, dtype=wanted.dtype, device=wanted.device, quantize=wanted.quantise
    )


def hardware(device: Any) -> dict[str, Any]:
    """What the numbers were computed on."""
    import torch

    told = {
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "device": str(device) if device is not None else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if device is not None and torch.device(device).type == "cuda":
        told["gpu"] = torch.cuda.get_device_name(device)
    return told
