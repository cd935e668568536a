"""OpenTelemetry through HTTP, gRPC and NATS (W3C traceparent). On the hot path: one span per batch."""

from collections.abc import Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanContext, SpanKind

_TRACER = trace.get_tracer("tidings")


def setup(service: str, instance: str, endpoint: str, sample: float) -> None:
    """Export sampled spans by OTLP/HTTP to `endpoint` (Jaeger takes it at port 4318); none when it is empty."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"tidings-{service}", "service.instance.id": instance}),
        sampler=ParentBased(TraceIdRatioBased(sample)),
    )
    if endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Send what is still queued."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    links: Collection[SpanContext] = (),
    **attributes: str | int | float | bool,
) -> Iterator[Span]:
    """A span around a piece of work; errors are recorded on it."""
    with _TRACER.start_as_current_span(
        name, context=parent, kind=kind, links=[Link(one) for one in links], attributes=attributes
    ) as current:
        yield current


def asking() -> SpanContext | None:
    """The span that is current here, to be linked by work that many ask for together. None: nobody records it."""
    found = trace.get_current_span().get_span_context()
    return found if found.trace_flags.sampled else None


def extract(headers: Mapping[str, str]) -> Context:
    """The trace a caller is part of."""
    return propagate.extract(headers)


def inject(headers: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Put the current trace into outgoing headers."""
    propagate.inject(headers)
    return headers
