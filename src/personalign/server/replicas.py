"""Several replicas of a server on a Ray cluster, as one deployment of Ray Serve.

Serve starts them where there is room, hands each request to the one with less to do, and puts
another in the place of one that ends or fails its health check. It queues nothing of its own: a
replica takes as many requests as one server would and refuses more with 429, and the front takes no
more than all of them together. Serve's HTTP proxy is not started; the front (`front.py`) stands in
its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from personalign.bench.run.ray_cluster import LOCAL, join_cluster
from personalign.errors import MissingPackageError, ServingError
from personalign.server.refusals import Refusal
from personalign.server.replica import Message, Replica

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from personalign.server.keys import Key
    from personalign.server.settings import ServerSettings

log = logging.getLogger("personalign.server")

PURPOSE = "Serving from several replicas"
DEPLOYMENT = "replica"
QUIET = {"log_level": "WARNING", "enable_access_log": False}
"""What Serve logs of itself; the guard writes one line a request."""

LOOK_SECONDS = 1.0
"""How often at most the cluster is asked how many replicas run."""

ASK_SECONDS = 5.0
"""How long replicas may take to tell of themselves."""

HEALTH_SECONDS = 5.0
"""Between two looks at a replica's health."""

END_SECONDS = 20.0
"""How long a replica may take to end once nothing is being answered."""


class RayTeam:
    """Running replicas, as the front sees them (`front.Team`)."""

    def __init__(self, handle: Any, application: str) -> None:
        """handle: Serve's, of the deployment."""
        self._handle = handle
        self._answer = handle.options(method_name="answer", stream=True)
        self._application = application
        self._seen = (-LOOK_SECONDS, 0)

    async def ask(
        self, scope: Message, key: Key | None, body: bytes
    ) -> AsyncGenerator[list[Message], None]:
        """One of them answers, as `Replica.answer`; closing it lets the reply go."""
        from ray.serve.exceptions import BackPressureError

        response = self._answer.remote(scope, key, body)
        whole = False
        try:
            async for batch in response:
                yield batch
            whole = True
        except BackPressureError:
            raise Refusal(
                429,
                "Every replica has as much to do as it takes; try again shortly.",
                code="server_full",
                retry_after=1,
            ) from None
        finally:
            if not whole:
                response.cancel()

    async def running(self) -> int:
        """How many take requests."""
        now = time.monotonic()
        if now - self._seen[0] >= LOOK_SECONDS:
            asking = asyncio.to_thread(_running, self._application)
            try:
                self._seen = (now, await asyncio.wait_for(asking, ASK_SECONDS))
            except Exception as error:
                log.error("The cluster does not say how many replicas run: %s", error)
                self._seen = (now, 0)
        return self._seen[1]

    async def numbers(self) -> list[tuple[str, list[Metric]]]:
        """The numbers of each that answers in time, by its name."""
        asked = self._handle.broadcast("numbers")
        try:
            told = await asked.results_async(timeout_s=ASK_SECONDS, return_exceptions=True)
        except TimeoutError:
            log.error("Not every replica told its numbers within %g seconds", ASK_SECONDS)
            return []
        return [one for one in told if not isinstance(one, BaseException)]

    def described(self) -> tuple[str, int]:
        """What the model is called to the outside, and how many personas there are."""
        return self._handle.options(method_name="described").remote().result()


@contextmanager
def running_replicas(
    settings: ServerSettings,
    count: int,
    address: str,
    *,
    threads: int | None,
    application: str,
) -> Iterator[RayTeam]:
    """Replicas that run for as long as the block does.

    settings: of each. address: of the cluster, "auto" or "local" (`ray_cluster.py`). threads:
    cores of each; None shares this machine's, or is 1 beside a GPU. application: their name on the
    cluster; another application of this name, left behind by a front that was killed, is ended
    first.
    Raises ServingError where the cluster cannot be reached or a replica cannot be opened.
    """
    if settings.device is not None and settings.device.startswith("cuda:"):
        raise ServingError(
            f"The device {settings.device} is one GPU, and every replica has its own, which Ray "
            "gives it; say --device cuda."
        )
    settings.personas.mkdir(parents=True, exist_ok=True)
    began = join_cluster(
        address,
        cpus=max(os.cpu_count() or 1, count * (threads or 1)),
        purpose=PURPOSE,
        refuse=ServingError,
        show_logs=True,
    )
    import ray

    try:
        try:
            from ray import serve
        except ImportError as error:
            raise MissingPackageError("ray[serve]", "distributed", PURPOSE) from error
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        try:
            if application in serve.status().applications:
                serve.delete(application)
            deployment = _deployment(settings, count, threads, ray.cluster_resources())
            target = serve.RunTarget(deployment, application, route_prefix=None)
            (handle,) = serve.run_many([target], wait_for_applications_running=False)
            _wait(application)
            yield RayTeam(handle, application)
        finally:
            serve.delete(application)
            left = serve.status()
            if address != LOCAL and not left.applications and not left.proxies:
                serve.shutdown()  # nobody else uses it
    finally:
        if began:
            ray.shutdown()


def _deployment(
    settings: ServerSettings, count: int, threads: int | None, cluster: dict[str, float]
) -> Any:
    """What Serve is to run. cluster: what there is in all, by name."""
    from ray import serve

    device = settings.device or ("cuda" if cluster.get("GPU") else "cpu")
    gpus = 1 if device == "cuda" else 0
    cores = threads or (1 if gpus else max((os.cpu_count() or 1) // count, 1))
    deployment: Any = serve.deployment(
        name=DEPLOYMENT,
        num_replicas=count,
        ray_actor_options={"num_cpus": cores, "num_gpus": gpus},
        max_ongoing_requests=settings.bounds().under_way,
        max_queued_requests=settings.bounds(count).under_way,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=END_SECONDS,
        logging_config=QUIET,
    )(Replica)
    return deployment.bind(settings.absolute(), cores)


def _wait(application: str) -> None:
    """Return once every replica runs; ServingError where one cannot be opened.

    What they wait for, such as room on the cluster, Ray logs itself.
    """
    from ray import serve

    while (found := serve.status().applications[application]).status != "RUNNING":
        said = "\n".join([found.message, *(one.message for one in found.deployments.values())])
        if found.status == "DEPLOY_FAILED" or "failed to start" in said:
            raise ServingError(f"A replica cannot be opened: {_sentence(said)}")
        time.sleep(0.2)


def _sentence(said: str) -> str:
    """What went wrong in a replica, out of Ray's message with its traceback.

    >>> _sentence("A replica failed. ... \\npersonalign.errors.ModelError: There is no model x.\\n")
    'There is no model x.'
    >>> _sentence("A replica failed. ... \\nModuleNotFoundError: No module named 'torch'\\n")[:45]
    "ModuleNotFoundError: No module named 'torch'."
    """
    ours = re.findall(r"^(?:\S*\.)?personalign\.errors\.\w+: (.+)", said, re.M)
    if ours:
        return ours[-1]
    theirs = re.findall(r"^(?:\S*\.)?(\w+(?:Error|Exception): .+)", said, re.M)
    return (
        f"{(theirs or [said.strip()])[-1]}. Ray's log tells more; the same Personalign must be "
        "installed on every node."
    )


def _running(application: str) -> int:
    from ray import serve

    found = serve.status().applications.get(application)
    deployment = None if found is None else found.deployments.get(DEPLOYMENT)
    if deployment is None:
        return 0
    return sum(count for state, count in deployment.replica_states.items() if state == "RUNNING")
