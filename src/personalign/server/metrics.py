"""What the server has done and is doing, for Prometheus.

Counters and histograms are kept here; gauges are read from the engine when somebody asks. No
metric names a persona or a key: their number has no bound, and who talks to whom is private.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

if TYPE_CHECKING:
    from personalign.server.engine import EngineStats

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Upper edges of the latency histograms."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


IN_FRONT = ("personalign_requests", "personalign_requests_under_way")
"""Numbers that are counted where requests come in: by the front of replicas, not behind it."""


class Metrics:
    """One server's numbers; each has a registry of its own."""

    def __init__(self, stats: Callable[[], EngineStats] | None) -> None:
        """stats: the engine's, asked at every scrape; None in front of replicas."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "personalign_requests",
            "Requests answered, by route and status.",
            ("route", "status"),
            registry=self.registry,
        )
        self.refused = Counter(
            "personalign_refused",
            "Requests refused before they reached the engine, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.under_way = Gauge(
            "personalign_requests_under_way", "Requests being answered.", registry=self.registry
        )
        self.first_token = Histogram(
            "personalign_first_token_seconds",
            "From a request's arrival to its reply's first token.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.total = Histogram(
            "personalign_reply_seconds",
            "From a request's arrival to its reply's end.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.prompt_tokens = Counter(
            "personalign_prompt_tokens", "Tokens of prompts.", registry=self.registry
        )
        self.completion_tokens = Counter(
            "personalign_completion_tokens", "Tokens of replies.", registry=self.registry
        )
        self.finished = Counter(
            "personalign_replies",
            "Replies, by how they ended.",
            ("finish",),
            registry=self.registry,
        )
        self.personas_made = Counter(
            "personalign_persona_jobs",
            "Personas made, or not.",
            ("outcome",),
            registry=self.registry,
        )
        if stats is not None:
            self.registry.register(_EngineNumbers(stats))

    def replies_timed(self) -> tuple[int, float] | None:
        """How many replies have ended, and the seconds they took in all; None before the first."""
        found = {sample.name: sample.value for sample in next(iter(self.total.collect())).samples}
        count = int(found["personalign_reply_seconds_count"])
        return (count, found["personalign_reply_seconds_sum"]) if count else None

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def families(self) -> list[Metric]:
        """Everything as values that travel to another process."""
        return list(self.registry.collect())


def text_of_all(front: Metrics, replicas: Sequence[tuple[str, Sequence[Metric]]]) -> bytes:
    """The numbers of a front and of the replicas behind it, each of which is told apart.

    replicas: (name, `Metrics.families`) of each that answered; its name becomes the label
    `replica` of its numbers.
    """
    registry = CollectorRegistry()
    registry.register(_Together(front, replicas))
    return generate_latest(registry)


class _Together(Collector):
    """A front's numbers and its replicas'."""

    def __init__(self, front: Metrics, replicas: Sequence[tuple[str, Sequence[Metric]]]) -> None:
        self._front = front
        self._replicas = replicas

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "personalign_replicas", "Replicas that answer.", value=len(self._replicas)
        )
        found: dict[str, Metric] = {}
        for family in self._front.families():
            if family.name in (*IN_FRONT, "personalign_refused"):
                found[family.name] = family
        for replica, families in self._replicas:
            for family in families:
                if family.name not in IN_FRONT:
                    kept = found.setdefault(
                        family.name, Metric(family.name, family.documentation, family.type)
                    )
                    kept.samples += _labelled(family, replica)
        yield from found.values()

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _labelled(family: Metric, replica: str) -> Iterable[Sample]:
    return [one._replace(labels={**one.labels, "replica": replica}) for one in family.samples]


class _EngineNumbers(Collector):
    """The engine's own numbers, at the moment of a scrape."""

    def __init__(self, stats: Callable[[], EngineStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        for name, value, what in (
            ("queue", stats.queued, "Requests waiting for a place in the batch."),
            ("batch_size", stats.running, "Replies being written together."),
            ("slots_used", stats.slots_used, "Places for personas on the device in use."),
        ):
            yield GaugeMetricFamily(f"personalign_{name}", what, value=value)
        for name, value, what in (
            ("generated_tokens", stats.tokens_generated, "Tokens the engine has drawn."),
            ("cache_hits", stats.cache_hits, "Tokens of prompts that had been read before."),
            (
                "cache_misses",
                stats.cache_misses,
                "Tokens of prompts that might have been, and had not.",
            ),
        ):
            yield CounterMetricFamily(f"personalign_{name}", what, value=value)

    def describe(self) -> Iterator[Metric]:
        return iter(())
