"""What Prometheus reads at /metrics: requests, stages, batches, refusals, the state of gallery and encoder.

Every app has a registry of its own. Nothing here holds words, keys, paths or anything about a person.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from time import perf_counter

from opentelemetry.trace import NoOpTracerProvider, TracerProvider
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

STAGES = ("decode", "queue", "encode", "search", "fetch", "audit")
"""decode: pictures of a query; queue: until a worker takes it; encode, search: the batch it is in, in the
encoder or the gallery; fetch: one row's facts or picture; audit: until the record is durable."""

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class GalleryFacts:
    """What the gauges say of what is served."""

    items: int
    fresh: int
    generation: int
    encoder: str
    fingerprint: str


class Metrics:
    """Counts and times; where there are `traces`, each stage becomes a span too."""

    def __init__(self, traces: TracerProvider | None = None) -> None:
        self.traces = traces
        self._tracer = (traces or NoOpTracerProvider()).get_tracer("cskt")
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        seconds = partial(Histogram, registry=registry, buckets=_SECONDS)
        requests = counter("cskt_requests", "requests by operation and status", ("operation", "status"))
        request_seconds = seconds("cskt_request_seconds", "seconds of a request", ("operation",))
        stage_seconds = seconds("cskt_stage_seconds", "seconds of a stage", ("stage",))
        batch_size = Histogram(
            "cskt_batch_size", "queries worked on together", ("stage",), registry=registry, buckets=_SIZES
        )
        refusals = counter("cskt_refusals", "requests refused, by type of problem", ("problem",))
        waiting = gauge("cskt_waiting", "queries waiting", ("stage",))
        self._ready = gauge("cskt_ready", "1 when searches are answered")
        self._items = gauge("cskt_gallery_items", "items that can be found")
        self._fresh = gauge("cskt_gallery_fresh_items", "items in no index file yet")
        self._behind = gauge("cskt_gallery_behind_seconds", "since new rows could last be taken up")
        self._generation = gauge("cskt_gallery_generation", "state of the gallery")
        self._encoder = Info("cskt_encoder", "the encoder that answers", registry=registry)
        # the look-up of a label takes longer than the counting itself: each is looked up once
        self._requests_of = cache(requests.labels)
        self._request_seconds_of = cache(request_seconds.labels)
        self._stage_seconds_of = cache(stage_seconds.labels)
        self._batch_size_of = cache(batch_size.labels)
        self._refusals_of = cache(refusals.labels)
        self._waiting_of = cache(waiting.labels)
        for stage in STAGES:  # so that a graph shows zero, not nothing
            self._stage_seconds_of(stage)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside, also when it fails, and trace it."""
        seconds, started = self._stage_seconds_of(name), perf_counter()
        with self._tracer.start_as_current_span(
            f"cskt.{name}", record_exception=False, set_status_on_exception=False
        ):
            try:
                yield
            finally:
                seconds.observe(perf_counter() - started)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Note a request that is over; `operation` is the name of its route."""
        self._requests_of(operation, status).inc()
        self._request_seconds_of(operation).observe(seconds)

    def refused(self, problem: str) -> None:
        """Note a problem by the last part of its type, such as `too-many-requests`."""
        self._refusals_of(problem).inc()

    def batch(self, stage: str, size: int, seconds: float) -> None:
        """Note a batch: how many queries, and how long it took."""
        self._batch_size_of(stage).observe(size)
        self._stage_seconds_of(stage).observe(seconds)

    def waiting(self, stage: str, queries: int) -> None:
        """Note how many queries wait for a stage now."""
        self._waiting_of(stage).set(queries)

    def waited(self, seconds: float) -> None:
        """Note how long one query waited until a worker took it."""
        self._stage_seconds_of("queue").observe(seconds)

    def state(self, ready: bool, facts: GalleryFacts | None, behind: float) -> None:
        """Note what is served; `facts` None while that is not known yet, `behind`: seconds."""
        self._ready.set(ready)
        self._behind.set(behind)
        if facts is not None:
            self._items.set(facts.items)
            self._fresh.set(facts.fresh)
            self._generation.set(facts.generation)
            self._encoder.info({"encoder": facts.encoder, "fingerprint": facts.fingerprint})

    def close(self) -> None:
        """Send the spans that are still here."""
        shutdown = getattr(self.traces, "shutdown", None)
        if shutdown is not None:
            shutdown()

    def text(self) -> bytes:
        """All of it in the text format of Prometheus."""
        return generate_latest(self.registry)
