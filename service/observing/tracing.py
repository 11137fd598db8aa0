"""Traces to an OpenTelemetry collector, only where CSKT_OTEL_ENDPOINT names one.

`endpoint` is that of OTLP over HTTP, `http://collector:4318/v1/traces`. The framework makes a span of each
request and we add one of each stage; none holds words, bodies or keys. A collector that is away costs spans,
nothing else.
"""

from typing import TYPE_CHECKING

from service.errors import ServeError
from service.observing.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def open_metrics(endpoint: str | None) -> Metrics:
    """Metrics, with traces where there is an endpoint. Raises ServeError."""
    return Metrics(_open_tracing(endpoint) if endpoint else None)


def _open_tracing(endpoint: str) -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ServeError(
            "CSKT_OTEL_ENDPOINT is set but OpenTelemetry is not installed: pip install 'cskt[otel]'."
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "cskt"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
