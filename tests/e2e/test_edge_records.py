"""What Envoy records: a trace and a log line that explain a request and hold nothing secret."""

from __future__ import annotations

import json

from sidecar._pb import authorization_pb2 as pb
from tests.e2e.edge import Edge
from tests.harness.waiting import until

_SECRETS = ("SECRET-BEARER", "SECRET-KEY", "SECRET-QUERY", "SECRET-PROMPT", "SECRET-NAME")


def _send_secrets(edge: Edge) -> str:
    """One request with a secret in every place; its request id."""
    with edge.client() as client:
        response = client.post(
            "/v1/chat/completions?key=SECRET-QUERY",
            headers={"authorization": "Bearer SECRET-BEARER", "x-api-key": "SECRET-KEY", "x-name": "SECRET-NAME"},
            json={"messages": [{"role": "user", "content": "SECRET-PROMPT"}]},
        )
    return response.headers["x-request-id"]


def test_spans_name_the_path_and_no_secret(edge: Edge) -> None:
    request_id = _send_secrets(edge)
    (traceparent,) = edge.upstream.last().header("traceparent")
    trace_id = traceparent.split("-")[1]
    until(lambda: len(edge.collector.spans(trace_id)) >= 4, "Envoy exports its spans", edge.envoy.tail)
    spans = {span.name: span for span in edge.collector.spans(trace_id)}
    root = spans["ingress"]
    assert root.parent_id == ""
    assert root.attributes["url.path"] == "/v1/chat/completions"
    assert root.attributes["guid:x-request-id"] == request_id
    assert {span.parent_id for span in spans.values() if span is not root} == {root.span_id}
    assert any("Authorization.Check" in name for name in spans)
    everything = repr(list(spans.values()))
    assert [secret for secret in _SECRETS if secret in everything] == []


def test_portcullis_is_called_within_envoys_trace(edge: Edge) -> None:
    _send_secrets(edge)
    (traceparent,) = edge.upstream.last().header("traceparent")
    (called,) = edge.authorizer.metadata("traceparent")[-1:]
    assert called.split("-")[1] == traceparent.split("-")[1]


def test_the_log_line_has_the_reason_and_no_secret(edge: Edge) -> None:
    def deny(_: pb.CheckRequest) -> pb.CheckResponse:
        response = pb.CheckResponse()
        response.status.code = 7
        response.denied_response.status.code = 403  # type: ignore[assignment]
        response.dynamic_metadata.update({"reason": "prompt_refused", "code": "injection.override"})
        return response

    edge.authorizer.answer = deny
    request_id = _send_secrets(edge)
    until(lambda: request_id in edge.envoy.output(), "Envoy flushes its access log", edge.envoy.tail)
    (line,) = [line for line in edge.envoy.output().splitlines() if request_id in line]
    entry = json.loads(line)
    assert (entry["status"], entry["reason"], entry["code"]) == (403, "prompt_refused", "injection.override")
    assert (entry["path"], entry["method"], entry["client"]) == ("/v1/chat/completions", "POST", "127.0.0.1")
    assert entry["tls"] == "TLSv1.3"
    assert entry["trace_id"]
    assert [secret for secret in _SECRETS if secret in edge.envoy.output()] == []


def test_metrics_and_health_are_readable_and_nothing_else_of_admin(edge: Edge) -> None:
    port = edge.envoy.placement.operations_port
    statuses = {}
    with edge.plain_client(port) as client:
        for path in ("/ready", "/stats/prometheus", "/quitquitquit", "/config_dump", "/stats/prometheus/..", "/certs"):
            statuses[path] = client.get(path).status_code
        posted = client.post("/ready").status_code
        metrics = client.get("/stats/prometheus").text
    assert statuses == {
        "/ready": 200,
        "/stats/prometheus": 200,
        "/quitquitquit": 404,
        "/config_dump": 404,
        "/stats/prometheus/..": 404,
        "/certs": 404,
    }
    assert posted == 404
    assert 'envoy_http_ext_authz_ok{envoy_ext_authz_prefix="portcullis"' in metrics
