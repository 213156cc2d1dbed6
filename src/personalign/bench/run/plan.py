"""What a run consists of: units of work, each one method, one seed and a block of people.

A unit does all evaluations that are asked of the same people, so that their personas are made
once. Every evaluation keeps its own rows; a unit asks only for those that are not there yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from personalign.bench.collect import chunks
from personalign.bench.measures import MEASURES
from personalign.bench.measures.base import Measure
from personalign.bench.store import RunKey, people_digest

if TYPE_CHECKING:
    from personalign.bench.rows import Described
    from personalign.bench.run.spec import RunSpec
    from personalign.dataset.people import Respondents


@dataclass(frozen=True)
class Unit:
    """One piece of work: what one process does without asking anybody."""

    method: str
    """The method's name."""
    seed: int
    """The seed of everything random."""
    start: int
    """The first person, by place."""
    stop: int
    """The place after the last person."""
    evaluations: tuple[str, ...]
    """What is measured of them; all of the same people."""

    @property
    def told(self) -> str:
        """The unit in a few words.

        >>> Unit("pas", 0, 16, 32, ("aligned",)).told
        'pas, seed 0, people 17-32: aligned'
        """
        people = f"people {self.start + 1}-{self.stop}"
        return f"{self.method}, seed {self.seed}, {people}: {', '.join(self.evaluations)}"


@dataclass(frozen=True)
class Part:
    """One evaluation of one method and seed: what has a folder of its own in the store."""

    evaluation: str
    method: str
    seed: int
    key: RunKey
    blocks: tuple[tuple[int, int], ...]
    """(start, stop) of its blocks of people."""


def measures_of(spec: RunSpec) -> dict[str, Measure]:
    """The evaluations of a run, ready made."""
    return {
        name: MEASURES[name](MEASURES[name].Settings(**settings))
        for name, settings in spec.evaluations.items()
    }


def parts_of(
    spec: RunSpec,
    people: Respondents,
    methods: Sequence[Described],
    fingerprint: str,
    version: str,
    code: str,
) -> list[Part]:
    """All parts of a run, methods in their order, seed by seed.

    methods: what `Workbench.describe` says of them. fingerprint: the model's. version, code: of
    the Personalign that measured them.
    """
    from personalign.model.prompts import get_wording

    found = []
    wording = asdict(get_wording(spec.wording))
    for name, measure in measures_of(spec).items():
        whom = measure.people(people)
        digest = people_digest(whom)
        for method in methods:
            if not measure.applies(method):
                continue
            blocks = tuple(chunks(len(whom), min(spec.block, method.people_at_once)))
            for seed in measure.seeds(spec):
                key = RunKey(
                    method=method.name,
                    settings={
                        name: seed if name == "seed" else value
                        for name, value in method.settings.items()
                    },
                    model=fingerprint,
                    people=digest,
                    inventory=whom.inventory.name,
                    items=tuple(item.number for item in whom.inventory.held_out),
                    wording=wording,
                    protocol=spec.protocol,
                    seed=seed,
                    version=version,
                    code=code,
                    evaluation={"name": name, **measure.settings.model_dump(mode="json")},
                )
                found.append(Part(name, method.name, seed, key, blocks))
    order = {method.name: place for place, method in enumerate(methods)}
    return sorted(found, key=lambda part: (order[part.method], spec.seeds.index(part.seed)))


def units_of(
    parts: Sequence[Part],
    done: Sequence[tuple[Part, tuple[int, int]]],
    spec: RunSpec,
    people: Respondents,
) -> list[Unit]:
    """What is still to do, in order. done: the blocks that are there."""
    have = {(part.evaluation, part.method, part.seed, block) for part, block in done}
    whose = {
        name: people_digest(measure.people(people)) for name, measure in measures_of(spec).items()
    }
    wanted: dict[tuple[str, int, str, tuple[int, int]], list[str]] = {}
    for part in parts:
        for block in part.blocks:
            if (part.evaluation, part.method, part.seed, block) not in have:
                place = (part.method, part.seed, whose[part.evaluation], block)
                wanted.setdefault(place, []).append(part.evaluation)
    return [
        Unit(method, seed, start, stop, tuple(names))
        for (method, seed, _, (start, stop)), names in wanted.items()
    ]
