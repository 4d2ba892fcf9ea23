"""OpenTelemetry: providers, exporters, and every span and attribute name."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import metrics as otel_metrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from prometheus_client import CollectorRegistry, start_http_server
from pydantic import Field

import sidecar
from sidecar.decision import Allow, Decision, Deny
from sidecar.metrics import Counter, Gauge, Histogram, Metrics
from sidecar.request import HttpRequest
from sidecar.settings import Settings

SPAN_DECISION = "portcullis.decision"

ATTRIBUTE_VERDICT = "portcullis.verdict"
ATTRIBUTE_REASON = "portcullis.reason"
ATTRIBUTE_CODE = "portcullis.code"
ATTRIBUTE_PRINCIPAL = "portcullis.principal"
ATTRIBUTE_PLAN = "portcullis.plan"
ATTRIBUTE_TENANT = "portcullis.tenant"
ATTRIBUTE_LIMITS_HIT = "portcullis.limits.hit"
ATTRIBUTE_LIMITS_DEGRADED = "portcullis.limits.degraded"
ATTRIBUTE_FINDINGS = "portcullis.findings"
ATTRIBUTE_METHOD = "http.request.method"
ATTRIBUTE_ROUTE = "http.route"
ATTRIBUTE_HOST = "server.address"
ATTRIBUTE_CLIENT = "client.address"
ATTRIBUTE_BODY_SIZE = "http.request.body.size"
ATTRIBUTE_OPERATION = "gen_ai.operation.name"
ATTRIBUTE_PROVIDER = "gen_ai.provider.name"
ATTRIBUTE_MODEL = "gen_ai.request.model"
ATTRIBUTE_MAX_TOKENS = "gen_ai.request.max_tokens"
ATTRIBUTE_STREAM = "gen_ai.request.stream"
ATTRIBUTE_CHOICES = "gen_ai.request.choice.count"

# A version above 00 may add fields after these (W3C trace-context, section 3.2.4).
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|\Z)")


class TelemetrySettings(Settings):
    """Where traces and metrics go. Both are off where nothing is said."""

    otlp_endpoint: str | None = Field(
        default=None, pattern=r"^https?://", description="OTLP/gRPC endpoint of the trace backend or collector"
    )
    sample_ratio: float = Field(
        default=1.0, ge=0, le=1, description="share of decisions traced when Envoy's request carries no trace context"
    )
    metrics: str | None = Field(
        default=None,
        pattern=r"^[^\s:]+:[0-9]{1,5}$|^\[[0-9a-f:]+\]:[0-9]{1,5}$",
        description="ADDRESS:PORT of the Prometheus endpoint",
    )
    log_allowed: bool = Field(
        default=False, description="log what passed without a finding as well; Envoy's access log has those already"
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="`warning` leaves out the line per decision"
    )


class Telemetry:
    """The providers of one process. Nothing is registered globally."""

    def __init__(self, settings: TelemetrySettings, metrics: Metrics) -> None:
        resource = Resource.create({"service.name": "portcullis", "service.version": sidecar.__version__})
        self._settings = settings
        self._tracing: TracerProvider | None = None
        if settings.otlp_endpoint:
            self._tracing = TracerProvider(
                resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio))
            )
            exporter = OTLPSpanExporter(
                endpoint=settings.otlp_endpoint, insecure=settings.otlp_endpoint.startswith("http://"), timeout=5
            )
            self._tracing.add_span_processor(BatchSpanProcessor(exporter))
            self._tracer = self._tracing.get_tracer("portcullis", sidecar.__version__)
        self._metering: MeterProvider | None = None
        if settings.metrics:
            registry = CollectorRegistry()
            self._metering = MeterProvider(resource=resource, metric_readers=[_Reader(metrics, registry)])
            _observe(self._metering.get_meter("portcullis", sidecar.__version__), metrics)
            host, _, port = settings.metrics.rpartition(":")
            self._http, _thread = start_http_server(int(port), host.strip("[]"), registry)

    @property
    def tracing(self) -> bool:
        """Whether spans are recorded at all."""
        return self._tracing is not None

    def trace(self, request: HttpRequest, decision: Decision, traceparent: str | None, started_ns: int) -> str:
        """Record one decision as a span that continues Envoy's trace; the trace id in hex, "" when not sampled.

        An unsampled parent (W3C trace-context, section 3.2.2.5) costs a string comparison and nothing else.
        """
        parent = None if traceparent is None else parse_traceparent(traceparent)
        if self._tracing is None or (parent is not None and not parent.trace_flags.sampled):
            return "" if parent is None else format(parent.trace_id, "032x")
        context = None if parent is None else set_span_in_context(NonRecordingSpan(parent))
        span = self._tracer.start_span(SPAN_DECISION, context, SpanKind.SERVER, start_time=started_ns)
        if span.is_recording():
            span.set_attributes(_attributes(request, decision))
            if isinstance(decision.verdict, Deny) and decision.verdict.reason.startswith(("internal", "unavailable")):
                span.set_status(Status(StatusCode.ERROR, decision.verdict.code))
        span.end()
        return format(span.get_span_context().trace_id, "032x")

    def stop(self) -> None:
        """Flush what is left; takes up to five seconds when the backend is gone."""
        if self._tracing is not None:
            self._tracing.shutdown()
        if self._metering is not None:
            self._metering.shutdown()
            self._http.shutdown()
            self._http.server_close()


def parse_traceparent(value: str) -> SpanContext | None:
    """A `traceparent` header (W3C trace-context, any version), or None when it is malformed."""
    match = _TRACEPARENT.match(value)
    if match is None or match[1] == "ff":
        return None
    flags = TraceFlags(int(match[4], 16))
    context = SpanContext(int(match[2], 16), int(match[3], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid else None


def _attributes(request: HttpRequest, decision: Decision) -> dict[str, Any]:
    evidence, verdict = decision.evidence, decision.verdict
    attributes: dict[str, Any] = {
        ATTRIBUTE_VERDICT: "allow" if isinstance(verdict, Allow) else "deny",
        ATTRIBUTE_CODE: verdict.code,
        ATTRIBUTE_METHOD: request.method,
        ATTRIBUTE_ROUTE: evidence.route,
        ATTRIBUTE_HOST: request.host,
        ATTRIBUTE_CLIENT: request.client_ip,
        ATTRIBUTE_BODY_SIZE: len(request.body or b""),
    }
    if isinstance(verdict, Deny):
        attributes[ATTRIBUTE_REASON] = verdict.reason.value
    if evidence.principal is not None:
        attributes[ATTRIBUTE_PRINCIPAL] = evidence.principal.id
        attributes[ATTRIBUTE_PLAN] = evidence.principal.plan
        attributes[ATTRIBUTE_TENANT] = evidence.principal.tenant
    if evidence.prompt is not None:
        provider, _, operation = evidence.prompt.api.partition(".")
        attributes[ATTRIBUTE_PROVIDER] = provider
        attributes[ATTRIBUTE_OPERATION] = operation
        attributes[ATTRIBUTE_STREAM] = evidence.prompt.stream
        if evidence.prompt.model:
            attributes[ATTRIBUTE_MODEL] = evidence.prompt.model
        if evidence.prompt.max_output_tokens is not None:
            attributes[ATTRIBUTE_MAX_TOKENS] = evidence.prompt.max_output_tokens
        if evidence.prompt.choices != 1:
            attributes[ATTRIBUTE_CHOICES] = evidence.prompt.choices
    if evidence.taken is not None:
        attributes[ATTRIBUTE_LIMITS_HIT] = [s.charge.limit.name for s in evidence.taken.statuses if s.over]
        attributes[ATTRIBUTE_LIMITS_DEGRADED] = evidence.taken.degraded
    if evidence.findings:
        attributes[ATTRIBUTE_FINDINGS] = [finding.rule for finding in evidence.findings]
    return attributes


def _observe(meter: otel_metrics.Meter, metrics: Metrics) -> None:
    for instrument in vars(metrics).values():
        if isinstance(instrument, Gauge):
            meter.create_observable_gauge(instrument.name, [_callback(instrument)], description=instrument.description)
        elif isinstance(instrument, Counter):
            meter.create_observable_counter(
                instrument.name, [_callback(instrument)], description=instrument.description
            )


def _callback(counter: Counter) -> Any:
    def observe(_: CallbackOptions) -> list[Observation]:
        # The list is made in one step under the interpreter's lock: the event loop goes on counting meanwhile.
        return [
            Observation(value, dict(zip(counter.labels, key, strict=True)))
            for key, value in list(counter.values.items())
        ]

    return observe


class _Reader(PrometheusMetricReader):
    """Adds our histograms to each collection: OpenTelemetry has no observable histogram, and recording in its own
    costs more than the decision that is measured."""

    def __init__(self, metrics: Metrics, registry: CollectorRegistry) -> None:
        self._histograms = [value for value in vars(metrics).values() if isinstance(value, Histogram)]
        self._started = time.time_ns()
        super().__init__(registry=registry, scope_info_enabled=False)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        scope = InstrumentationScope("portcullis", sidecar.__version__)
        own = ScopeMetrics(scope, [self._export(histogram) for histogram in self._histograms], "")
        resources = list(metrics_data.resource_metrics) if metrics_data else []
        resource = resources[0].resource if resources else Resource.get_empty()
        super()._receive_metrics(
            MetricsData([*resources, ResourceMetrics(resource, [own], "")]), timeout_millis, **kwargs
        )

    def _export(self, histogram: Histogram) -> Metric:
        now = time.time_ns()
        points = []
        for key, (counts, total) in list(histogram.values.items()):
            buckets = list(counts)
            labels: Mapping[str, str] = dict(zip(histogram.labels, key, strict=True))
            points.append(
                HistogramDataPoint(
                    labels, self._started, now, sum(buckets), total[0], buckets, histogram.bounds, 0.0, 0.0
                )
            )
        data = HistogramData(points, AggregationTemporality.CUMULATIVE)
        return Metric(histogram.name, histogram.description, histogram.unit, data)
