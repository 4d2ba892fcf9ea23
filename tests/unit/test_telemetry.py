"""Numbers reach the Prometheus endpoint, and trace contexts are read strictly."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision import Allow, Decision
from sidecar.metrics import Metrics
from sidecar.request import HttpRequest
from sidecar.telemetry import Telemetry, TelemetrySettings, parse_traceparent

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-2] + "00"


@pytest.fixture
def endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def telemetry(endpoint: str, metrics: Metrics) -> Iterator[Telemetry]:
    telemetry = Telemetry(TelemetrySettings(metrics=endpoint), metrics)
    yield telemetry
    telemetry.stop()


def test_prometheus_sees_counters_and_histograms(telemetry: Telemetry, endpoint: str, metrics: Metrics) -> None:
    metrics.decisions.add(3, "deny", "over_limit")
    for seconds in (0.00007, 0.003, 9.0):
        metrics.decision_seconds.record(seconds, "deny")
    with urllib.request.urlopen(f"http://{endpoint}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert 'portcullis_decisions_total{reason="over_limit",verdict="deny"} 3.0' in text
    assert 'portcullis_decision_seconds_bucket{le="0.0001",verdict="deny"} 1.0' in text
    assert 'portcullis_decision_seconds_bucket{le="0.005",verdict="deny"} 2.0' in text
    assert 'portcullis_decision_seconds_bucket{le="+Inf",verdict="deny"} 3.0' in text
    assert 'portcullis_decision_seconds_count{verdict="deny"} 3.0' in text


def test_without_a_backend_the_parent_s_trace_id_still_reaches_the_log() -> None:
    telemetry = Telemetry(TelemetrySettings(), Metrics())
    request = HttpRequest(method="GET", path="/")
    for traceparent in (SAMPLED, UNSAMPLED):
        assert telemetry.trace(request, Decision(Allow()), traceparent, 0) == "0af7651916cd43dd8448eb211c80319c"
    assert telemetry.trace(request, Decision(Allow()), None, 0) == ""


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        SAMPLED.replace("0af7", "0AF7x"),
        "ff" + SAMPLED[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        SAMPLED.replace("-01", "-+1"),
        SAMPLED.replace("0af7", "0a_7"),
    ],
)
def test_a_malformed_trace_context_is_none(value: str) -> None:
    assert parse_traceparent(value) is None


@given(st.text(alphabet="0123456789abcdef-_+ xé", max_size=60))
def test_any_text_is_a_trace_context_or_none(value: str) -> None:
    context = parse_traceparent(value)
    assert context is None or context.is_valid
