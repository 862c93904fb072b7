"""OpenTelemetry traces, sent to OTEL_EXPORTER_OTLP_ENDPOINT. Without that setting the SDK is not imported.

Each request is a span, a child of the one in its `traceparent`. Its batch is a span below it, and below that are the
phases of the slowest submission: waiting for its turn (`queue`) and for a sandbox (`start`), running, and judging. That
submission explains the batch's duration; there are no spans for the others.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from verifier_service import __version__
from verifier_service.observability.metrics import NO_TIMES, PHASES, Judged, times_of
from verifier_service.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

CLOSE_LIMIT_MS = 3000
NANOSECONDS = 1_000_000_000

_current: ContextVar["Tracing | None"] = ContextVar("tracing", default=None)


class TelemetryUnavailable(Exception):
    """Traces are enabled but cannot be sent; the message says what to do."""


class RequestSpan:
    """The span of one request."""

    def __init__(self, span: "Span", method: str) -> None:
        self._span = span
        self._method = method
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def ended(self, route: str, status: int, request_id: str, state: Mapping[str, Any]) -> None:
        """Record the outcome of the request."""
        from opentelemetry.trace import Status, StatusCode

        self._span.update_name(f"{self._method} {route}")
        self._span.set_attributes(
            {"http.route": route, "http.response.status_code": status, "verifier.request_id": request_id}
        )
        if client := getattr(state.get("client"), "name", ""):
            self._span.set_attribute("verifier.client", client)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))


class Tracing:
    """Creates spans and sends them in the background."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self.tracer = provider.get_tracer("verifier_service", __version__)

    @contextmanager
    def request(self, method: str, headers: Sequence[tuple[bytes, bytes]]) -> Iterator[RequestSpan]:
        """Open the span of a request, below the span that the request names."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {
            name.decode("ascii", "replace"): value.decode("latin-1")
            for name, value in headers
            if name in (b"traceparent", b"tracestate")
        }
        above = TraceContextTextMapPropagator().extract(carrier)
        attributes = {"http.request.method": method}
        token = _current.set(self)
        try:
            with self.tracer.start_as_current_span(
                method, above, SpanKind.SERVER, attributes, record_exception=False
            ) as span:
                yield RequestSpan(span, method)
        finally:
            _current.reset(token)

    def close(self) -> None:
        """Send the remaining spans, within a short time."""
        self._provider.force_flush(CLOSE_LIMIT_MS)
        self._provider.shutdown()


def start(settings: Settings) -> Tracing | None:
    """Return the tracing of the settings, or None if it is disabled.

    Raises:
        TelemetryUnavailable: the packages for it are not installed.
    """
    if not settings.otlp_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TelemetryUnavailable(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but the packages for traces are missing ({error.name}): "
            "pip install 'grpo-verifier[telemetry]', or unset the variable"
        ) from error
    ours = Resource.create({"service.name": "grpo-verifier", "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


def tell_batch(began_s: float, results: Sequence[Judged]) -> None:
    """Add the spans of a finished batch to the current request, if it is traced.

    `began_s` is when the batch arrived, on `time.monotonic`.
    """
    tracing = _current.get()
    if tracing is None or not results:
        return
    tracer = tracing.tracer
    from opentelemetry.trace import set_span_in_context

    now_ns = time.time_ns()
    began_ns = now_ns - int((time.monotonic() - began_s) * NANOSECONDS)
    words = Counter(f"verifier.results.{one.kind}.{one.word}" for one in results)
    batch = tracer.start_span("judge batch", start_time=began_ns, attributes={"verifier.items": len(results), **words})
    times = [times_of(one) or NO_TIMES for one in results]
    slowest = max(range(len(results)), key=lambda index: sum(times[index]))
    inside, at_ns = set_span_in_context(batch), began_ns
    for phase, seconds in zip(PHASES, times[slowest], strict=True):
        if seconds:
            attributes = {"verifier.item": slowest, "verifier.kind": results[slowest].kind}
            span = tracer.start_span(phase, inside, start_time=at_ns, attributes=attributes)
            at_ns = min(at_ns + int(seconds * NANOSECONDS), now_ns)
            span.end(at_ns)
    batch.end(now_ns)
