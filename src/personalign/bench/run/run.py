"""`run_bench`: what is missing of a run is done and stored; what is there is skipped."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from personalign.bench.run.executors import Executor, InProcess, Processes
from personalign.bench.run.folder import RunFolder
from personalign.bench.run.plan import Part, Unit, units_of
from personalign.bench.run.spec import RunSpec, read_spec
from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents

Progress = Callable[[str, float, int], None]
"""Called with (method, people done times evaluations, all of them)."""


def run_bench(
    path: Path | str,
    out: Path | str,
    *,
    workers: int = 1,
    ray: str | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Do what is still to do of a run, and mark it finished.

    Args:
        path: the run's TOML.
        out: its folder; what is there of this run is skipped.
        workers: processes; 1 is this one.
        ray: the address of a Ray cluster, "auto" or "local", to use its workers instead.
        progress: called as blocks are finished, and within them where the work is done here.

    Raises:
        EvaluationError: a TOML that is not understood, a folder of another run or in use, a disk
            that is full. What was stored stays.
        PersonalignError: whatever the model, the people or a method refuses.
    """
    source = Path(path)
    spec = read_spec(source)
    people = spec.read_people(source.parent)
    folder = RunFolder(out)
    with folder.locked():
        folder.claim(spec, source)
        executor = executor_for(spec, people, workers, ray)
        try:
            folder.keep_facts(executor.describe(), spec, people)
            _do_missing(folder, spec, people, executor, progress)
        finally:
            executor.close()
    return folder


def executor_for(spec: RunSpec, people: Respondents, workers: int, ray: str | None) -> Executor:
    """Where the units are done."""
    if ray is not None:
        from personalign.bench.run.on_ray import OnRay

        return OnRay(spec, people, ray, workers)
    return InProcess(spec, people) if workers == 1 else Processes(spec, people, workers)


def _do_missing(
    folder: RunFolder,
    spec: RunSpec,
    people: Respondents,
    executor: Executor,
    progress: Progress | None,
) -> None:
    parts = folder.parts(spec, people)
    done = folder.done(parts)
    named = {(part.evaluation, part.method, part.seed): part for part in parts}
    counts = _Counts(parts, done, progress)
    for unit, found in executor.run(units_of(parts, done, spec, people), counts.within):
        for evaluation, raw in found.items():
            part = named[evaluation, unit.method, unit.seed]
            try:
                folder.write(part, (unit.start, unit.stop), raw)
            except OSError as error:
                raise _full(folder, error) from error
            counts.add(part, (unit.start, unit.stop))
    folder.finish(parts)


def _full(folder: RunFolder, error: OSError) -> Exception:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return error
    return EvaluationError(
        f"There is no room left for {folder.folder} ({error.strerror}). What was stored is whole "
        "and stays: free some space, and run the same command again to go on."
    )


class _Counts:
    """People times evaluations that are done, by method."""

    def __init__(
        self,
        parts: list[Part],
        done: list[tuple[Part, tuple[int, int]]],
        progress: Progress | None,
    ) -> None:
        self.progress = progress
        self.all: dict[str, int] = {}
        self.done: dict[str, float] = {}
        for part in parts:
            self.all[part.method] = self.all.get(part.method, 0) + part.blocks[-1][1]
            self.done.setdefault(part.method, 0.0)
        for part, block in done:
            self.done[part.method] += block[1] - block[0]
        for name in self.all:
            self._tell(name, 0.0)

    def add(self, part: Part, block: tuple[int, int]) -> None:
        """One block of one evaluation is stored."""
        self.done[part.method] += block[1] - block[0]
        self._tell(part.method, 0.0)

    def within(self, unit: Unit, evaluation: str, share: float) -> None:
        """Part of a unit is done, but not stored."""
        place = unit.evaluations.index(evaluation) + share
        self._tell(unit.method, place * (unit.stop - unit.start))

    def _tell(self, method: str, more: float) -> None:
        if self.progress is not None:
            done = min(self.done[method] + more, self.all[method])
            self.progress(method, done, self.all[method])
