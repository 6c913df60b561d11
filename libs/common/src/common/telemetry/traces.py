"""Traces: one from the edge through gRPC, SQL and NATS to a consumer's effect.

The context is W3C's `traceparent`: in gRPC's metadata, the outbox row, the message's headers. It is
passed on whether or not spans are exported; spans cost something only where they are.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ParentBased,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
PROPAGATOR = TraceContextTextMapPropagator()
TRACER = trace.get_tracer("smartcity")
WORDLESS: Any = {"record_exception": False, "set_status_on_exception": False}
OUR_FAULTS = {"UNKNOWN", "INTERNAL", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
"""Codes that mark a call's span as failed; the others are the caller's."""


def export_traces(service: str, address: str, ratio: float) -> None:
    """Send this process's spans to the OTLP collector at HOST:PORT, once for the process.

    A part of `ratio` of the calls that bring no trace begins one; those that do bring their own
    decision. SQL is shown as its statement, never with its values.
    """
    provider = TracerProvider(
        sampler=ParentBased(_CallsOnly(ratio)), resource=Resource({SERVICE_NAME: service})
    )
    exporter = OTLPSpanExporter(endpoint=f"http://{address}", insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    AsyncPGInstrumentor().instrument(tracer_provider=_Wordless(provider))  # type: ignore[no-untyped-call]


class _Wordless(trace.TracerProvider):
    """Gives tracers that leave out what an exception says: PostgreSQL's words quote values."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *names: Any, **more: Any) -> trace.Tracer:
        """Return such a tracer."""
        return _WordlessTracer(self._provider.get_tracer(*names, **more))


class _WordlessTracer(trace.Tracer):
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_span(self, *names: Any, **more: Any) -> Span:
        return self._tracer.start_span(*names, **more | WORDLESS)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, *names: Any, **more: Any
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(*names, **more | WORDLESS) as span:
            yield span


class _CallsOnly(TraceIdRatioBased):
    """Lets only calls begin a trace: what a process asks the database by itself is no story."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        *more: Any,
        **named: Any,
    ) -> SamplingResult:
        """Decide as the ratio says, for calls."""
        if kind is not SpanKind.SERVER:
            return ALWAYS_OFF.should_sample(parent_context, trace_id, name)
        return super().should_sample(parent_context, trace_id, name, kind, *more, **named)


def begin_call(service: str, method: str, traceparent: str) -> Span:
    """Begin the span of a call and make it the current one of the running task."""
    span = TRACER.start_span(
        f"{service}/{method}",
        _extracted({TRACEPARENT: traceparent} if traceparent else {}),
        SpanKind.SERVER,
        {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
    )
    contexts.attach(trace.set_span_in_context(span))
    return span


def end_call(span: Span, code: str, region: str) -> None:
    """End the span of a call with its gRPC code."""
    if span.is_recording():
        span.set_attribute("rpc.grpc.status", code)
        span.set_attribute("smartcity.region", region)
        if code in OUR_FAULTS:
            span.set_status(Status(StatusCode.ERROR, code))
    span.end()


@contextmanager
def publishing(subject: str, headers: MutableMapping[str, str]) -> Iterator[None]:
    """Span the sending of an event and put it into the headers in place of the change's span."""
    if TRACEPARENT not in headers:
        yield
        return
    with _span(f"publish {subject}", headers, SpanKind.PRODUCER, subject):
        PROPAGATOR.inject(headers)
        yield


@contextmanager
def handling(subject: str, consumer: str, traceparent: str) -> Iterator[None]:
    """Span the effect of an event; an error marks it by its kind, not its words."""
    if not traceparent:
        yield
        return
    parent = {TRACEPARENT: traceparent}
    with _span(f"{consumer} {subject}", parent, SpanKind.CONSUMER, subject) as span:
        try:
            yield
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def current_traceparent() -> str:
    """Return the current span as a `traceparent`; "" where there is none."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier)
    return carrier.get(TRACEPARENT, "")


def current_trace_id() -> str:
    """Return the current trace's id, 32 hexadecimal digits; "" where there is none."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


@contextmanager
def _span(name: str, parent: Mapping[str, str], kind: SpanKind, subject: str) -> Iterator[Span]:
    attributes = {"messaging.system": "nats", "messaging.destination.name": subject}
    with TRACER.start_as_current_span(
        name,
        _extracted(parent),
        kind,
        attributes,
        **WORDLESS,
    ) as span:
        yield span


def _extracted(carrier: Mapping[str, str]) -> Context:
    return PROPAGATOR.extract(carrier, Context())
