"""Units on a Ray cluster: actors that load the model once, units in flight, lost workers replaced.

Which cluster: `ray_cluster.py`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from personalign.bench.run.executors import Done, Executor, Watch, given_up
from personalign.bench.run.plan import Unit
from personalign.bench.run.ray_cluster import join_cluster
from personalign.bench.run.workbench import Facts, Worker
from personalign.errors import EvaluationError, PersonalignError

if TYPE_CHECKING:
    from personalign.bench.run.spec import RunSpec
    from personalign.dataset.people import Respondents


class OnRay(Executor):
    """Actors on a Ray cluster, one unit each at a time."""

    def __init__(self, spec: RunSpec, people: Respondents, address: str, workers: int) -> None:
        """address: of the cluster, "auto" or "local". workers: actors.

        Raises MissingPackageError without ray, EvaluationError where the cluster cannot be reached.
        """
        self.began = join_cluster(
            address,
            cpus=max(workers, 1) * spec.threads,
            purpose="Running on a cluster",
            refuse=EvaluationError,
        )
        import ray

        self.ray = ray
        resources: dict[str, Any] = {"num_cpus": spec.threads}
        if spec.model.device is not None and spec.model.device.startswith("cuda"):
            resources["num_gpus"] = 1
        self.actor: Any = ray.remote(max_restarts=0, **resources)(Worker)
        self.given = (ray.put(spec), ray.put(people))
        self.workers = workers
        self.actors: list[Any] = [self.actor.remote(*self.given) for _ in range(workers)]

    def describe(self) -> Facts:
        for _ in range(self.workers + 1):
            try:
                facts: Facts = self.ray.get(self.actors[0].describe.remote())
            except self.ray.exceptions.RayActorError:
                self.actors[0] = self.actor.remote(*self.given)
            except self.ray.exceptions.RayTaskError as error:
                raise _cause(error) from error
            else:
                return facts
        raise EvaluationError(
            "Every worker of the Ray cluster ended while it loaded the model; `ray status` and the "
            "logs of its nodes say why. Perhaps memory ran out: use fewer workers."
        )

    def run(self, units: Sequence[Unit], watch: Watch | None = None) -> Iterator[Done]:
        ray = self.ray
        waiting, idle = deque(units), deque(self.actors)
        under_way: dict[Any, tuple[Any, Unit]] = {}
        deaths: Counter[Unit] = Counter()
        while waiting or under_way:
            while waiting and idle:
                actor, unit = idle.popleft(), waiting.popleft()
                under_way[actor.do.remote(unit)] = (actor, unit)
            (ready,), _ = ray.wait(list(under_way), num_returns=1)
            actor, unit = under_way.pop(ready)
            try:
                found = ray.get(ready)
            except ray.exceptions.RayActorError:
                deaths[unit] += 1
                given_up(unit, deaths[unit])
                self.actors.remove(actor)
                actor = self.actor.remote(*self.given)
                self.actors.append(actor)
                waiting.appendleft(unit)
            except ray.exceptions.RayTaskError as error:
                raise _cause(error) from error
            else:
                yield unit, found
            idle.append(actor)

    def close(self) -> None:
        for actor in self.actors:
            self.ray.kill(actor)
        if self.began:
            self.ray.shutdown()


def _cause(error: Any) -> BaseException:
    """What went wrong inside a worker, as it would have been raised here."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, PersonalignError) else error
