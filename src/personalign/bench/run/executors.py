"""Where units are done: in this process, or in several local ones. (`on_ray.py`: on a cluster.)

Results come as they are finished and are stored by what they are of, so their order does not
matter; numbers are the same everywhere, for every process computes with the run's threads.
"""

from __future__ import annotations

import multiprocessing
import os
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from personalign.bench.run.plan import Unit
from personalign.bench.run.workbench import Facts, Workbench, Worker, compute_with
from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from personalign.bench.run.spec import RunSpec
    from personalign.bench.store import RawBlock
    from personalign.dataset.people import Respondents

TRIES = 3
"""How often a unit may end its process before the run is given up."""

Done = tuple[Unit, "dict[str, RawBlock]"]
"""A unit and its rows, by evaluation."""

Watch = Callable[[Unit, str, float], None]
"""Called with (unit, evaluation under way, share of it done)."""


class Executor(ABC):
    """Does units somewhere."""

    @abstractmethod
    def describe(self) -> Facts:
        """What the model and the methods are, asked where they are."""

    @abstractmethod
    def run(self, units: Sequence[Unit], watch: Watch | None = None) -> Iterator[Done]:
        """Do the units; each is given as it is finished, in any order."""

    @abstractmethod
    def close(self) -> None:
        """Let processes go."""


class InProcess(Executor):
    """One unit after another, here."""

    def __init__(self, spec: RunSpec, people: Respondents) -> None:
        self._undo = compute_with(spec.threads)
        try:
            self.bench = Workbench(spec, people)
        except BaseException:
            self._undo()
            raise

    def describe(self) -> Facts:
        return self.bench.describe()

    def run(self, units: Sequence[Unit], watch: Watch | None = None) -> Iterator[Done]:
        for unit in units:

            def told(evaluation: str, share: float, unit: Unit = unit) -> None:
                if watch is not None:
                    watch(unit, evaluation, share)

            yield unit, self.bench.do(unit, told)

    def close(self) -> None:
        """Give the process its threads back."""
        self._undo()


class Processes(Executor):
    """Local processes, each with the model loaded once. One that dies is replaced."""

    def __init__(self, spec: RunSpec, people: Respondents, workers: int) -> None:
        self.given = (spec, people)
        self.workers = workers
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        self.pool = self._pool()

    def describe(self) -> Facts:
        try:
            return self.pool.submit(_describe).result()
        except BrokenProcessPool as error:
            raise EvaluationError(
                "A process ended while it loaded the model. Perhaps memory ran out: use fewer "
                "workers."
            ) from error

    def run(self, units: Sequence[Unit], watch: Watch | None = None) -> Iterator[Done]:
        waiting = deque(units)
        under_way: dict[Future[dict[str, RawBlock]], Unit] = {}
        deaths: Counter[Unit] = Counter()
        try:
            while waiting or under_way:
                while waiting and len(under_way) < self.workers:
                    unit = waiting.popleft()
                    under_way[self.pool.submit(_do, unit)] = unit
                finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
                lost = [future for future in finished if _died(future)]
                for future in finished:
                    if future not in lost:
                        yield under_way.pop(future), future.result()
                if lost:  # a pool that lost one process is of no use any more
                    for unit in under_way.values():
                        deaths[unit] += 1
                        given_up(unit, deaths[unit])
                    waiting.extendleft(reversed(list(under_way.values())))
                    under_way.clear()
                    self.pool.shutdown(wait=False, cancel_futures=True)
                    self.pool = self._pool()
        finally:
            for future in under_way:
                future.cancel()

    def close(self) -> None:
        # An executor waits for what is under way; a run that stops does not.
        for process in list((self.pool._processes or {}).values()):
            process.terminate()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=self.given,
        )


def given_up(unit: Unit, deaths: int) -> None:
    """Raise EvaluationError once a unit has been under way in too many processes that ended."""
    if deaths >= TRIES:
        raise EvaluationError(
            f"A process ended {deaths} times while it did this unit: {unit.told}. Perhaps memory "
            "ran out: use fewer workers, or a smaller block. What is done is kept."
        )


_WORKER: list[Worker] = []
"""A worker process's own."""


def _begin(spec: RunSpec, people: Respondents) -> None:
    _WORKER.append(Worker(spec, people))


def _describe() -> Facts:
    return _WORKER[0].describe()


def _do(unit: Unit) -> dict[str, RawBlock]:
    return _WORKER[0].do(unit)


def _died(future: Future[dict[str, RawBlock]]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)
