"""Who a client can pretend to be through Envoy: nobody, from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.edge import Edge, start_edge

_FORGED = {
    "x-portcullis-principal": "key:root",
    "X-Portcullis-Anything-New": "1",
    "x-user-id": "root",
    "x-user": "root",
    "x-tenant-id": "other",
    "x-auth-request-user": "root",
    "x-authenticated-userid": "root",
    "x-remote-user": "root",
    "x-forwarded-user": "root",
    "x-forwarded-email": "root@example.com",
    "x-forwarded-host": "evil.example",
    "x-forwarded-port": "1",
    "x-forwarded-prefix": "/evil",
    "x-forwarded-client-cert": "By=evil",
    "forwarded": "for=6.6.6.6",
    "x-real-ip": "6.6.6.6",
    "true-client-ip": "6.6.6.6",
    "x-envoy-external-address": "6.6.6.6",
    "x-envoy-internal": "true",
    "x-envoy-retry-on": "5xx",
    "x-envoy-max-retries": "9",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-force-trace": "1",
    "x-envoy-auth-partial-body": "true",
    "x-envoy-auth-failure-mode-allowed": "true",
    "x-envoy-downstream-service-cluster": "admin",
    "x-envoy-original-path": "/v1/models",
    "x-original-url": "/admin",
    "x-rewrite-url": "/admin",
    "x-http-method-override": "DELETE",
    "x-client-trace-id": "1",
    "baggage": "user=root",
}


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The same gateway, told that one load balancer stands in front of it."""
    with start_edge(tmp_path_factory.mktemp("hop"), trusted_hops=1) as running:
        yield running


@pytest.mark.parametrize("http2", [False, True])
def test_forged_headers_reach_neither_portcullis_nor_the_upstream(edge: Edge, http2: bool) -> None:
    with edge.client(http2=http2) as client:
        assert client.get("/v1/models", headers=_FORGED).status_code == 200
    asked = {header.key for header in edge.authorizer.asked()[-1].attributes.request.http.header_map.headers}
    forged = {name.lower() for name in _FORGED}
    assert not forged & asked
    assert not forged & {name for name, _ in edge.upstream.last().headers}


def test_a_forged_trace_is_not_continued(edge: Edge) -> None:
    forged = f"00-{'a' * 32}-{'b' * 16}-01"
    with edge.client() as client:
        client.get("/v1/models", headers={"traceparent": forged, "tracestate": "x=1"})
    (traceparent,) = edge.upstream.last().header("traceparent")
    assert "a" * 32 not in traceparent


@pytest.mark.parametrize("claimed", ["6.6.6.6", "6.6.6.6, 7.7.7.7", "127.0.0.9", "10.0.0.1", "nonsense", ""])
def test_x_forwarded_for_does_not_change_the_address(edge: Edge, claimed: str) -> None:
    with edge.client() as client:
        client.get("/v1/models", headers={"x-forwarded-for": claimed})
    assert _address(edge) == "127.0.0.1"
    assert edge.upstream.last().header("x-forwarded-for") == []


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the client wrote the first, the load balancer the last
        ("6.6.6.6, nonsense, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_behind_one_proxy_the_last_entry_counts(behind_proxy: Edge, written: str, address: str) -> None:
    with behind_proxy.client() as client:
        client.get("/v1/models", headers={"x-forwarded-for": written})
    assert _address(behind_proxy) == address


@pytest.mark.parametrize(
    ("name", "values"),
    [("x-api-key", [b"one", b"two"]), ("authorization", [b"one,two"])],  # Envoy joins the well-known ones
)
def test_of_a_doubled_credential_nothing_is_lost(edge: Edge, name: str, values: list[bytes]) -> None:
    lines = f"{name}: one\r\n{name.title()}: two\r\n"
    edge.raw(f"GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n".encode())
    headers = edge.authorizer.asked()[-1].attributes.request.http.header_map.headers
    assert [header.raw_value for header in headers if header.key == name] == values


def test_bytes_that_are_no_utf_8_arrive_in_headers_as_they_are(edge: Edge) -> None:
    edge.raw(b"GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    headers = edge.authorizer.asked()[-1].attributes.request.http.header_map.headers
    assert b"Bearer \xff\xfe" in [header.raw_value for header in headers]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/v1//models", "/v1/models"),
        ("/v1/x/../models", "/v1/models"),
        ("/v1/%6dodels", "/v1/models"),
        ("/v1/x/%2e%2e/models", "/v1/models"),
        ("/v1/models?a=//..%2f", "/v1/models?a=//..%2f"),
    ],
)
def test_portcullis_and_the_upstream_read_the_same_path(edge: Edge, sent: str, path: str) -> None:
    edge.raw(f"GET {sent} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert edge.authorizer.asked()[-1].attributes.request.http.path == path
    assert edge.upstream.last().target == path


def _address(edge: Edge) -> str:
    """The client's address as Portcullis is told. `source` is only the peer of the connection."""
    told = edge.authorizer.asked()[-1].attributes.metadata_context.filter_metadata["portcullis"]
    return told.fields["client_address"].string_value
