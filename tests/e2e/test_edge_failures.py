"""When a part is missing, slow or wrong, Envoy fails closed, says nothing about the inside, and recovers."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar._pb import authorization_pb2 as pb
from tests.e2e.edge import Edge, start_edge
from tests.harness.authorizer import Authorizer, allow
from tests.harness.certificates import Authority
from tests.harness.client import connect
from tests.harness.waiting import until


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Edge]:
    """An edge for one test, which may break it."""
    with start_edge(tmp_path) as running:
        yield running


def test_without_portcullis_nothing_passes(own: Edge) -> None:
    own.authorizer.stop()
    with own.client() as client:
        response = client.get("/v1/models")
    assert response.status_code == 503
    assert response.json()["error"]["type"] == "api_error"
    assert "strict-transport-security" in response.headers
    assert own.upstream.seen() == []


def test_envoy_finds_portcullis_again_by_itself(own: Edge) -> None:
    own.authorizer.stop()
    with own.client() as client:
        assert client.get("/v1/models").status_code == 503
        with Authorizer(own.envoy.placement.sidecar_socket):
            until(lambda: client.get("/v1/models").status_code == 200, "requests pass again", own.envoy.tail)


def test_a_decision_that_takes_too_long_is_a_refusal(edge: Edge) -> None:
    answered = threading.Event()

    def slow(request: pb.CheckRequest) -> pb.CheckResponse:
        answered.wait(30)
        return allow(request)

    edge.authorizer.answer = slow
    before = len(edge.upstream.seen())
    with edge.client() as client:
        assert client.get("/v1/models").status_code == 503
    answered.set()
    assert len(edge.upstream.seen()) == before


def test_an_exception_in_the_answering_process_is_a_refusal(edge: Edge) -> None:
    def broken(_: pb.CheckRequest) -> pb.CheckResponse:
        raise RuntimeError("broken on purpose")

    edge.authorizer.answer = broken
    with edge.client() as client:
        assert client.get("/v1/models").status_code == 503


def test_a_fault_that_portcullis_reports_is_refused_with_its_own_status(edge: Edge) -> None:
    """`error_response`: the fault is ours, so an operator's `failure_mode_allow` would count; the gateway has none."""

    def fault(_: pb.CheckRequest) -> pb.CheckResponse:
        response = pb.CheckResponse()
        response.status.code = 14
        response.error_response.status.code = 503  # type: ignore[assignment]
        response.error_response.body = '{"error": {"message": "mine"}}'
        for name, value in (("content-type", "application/json"), ("retry-after", "1")):
            option = response.error_response.headers.add()
            option.header.key, option.header.value = name, value
        return response

    edge.authorizer.answer = fault
    before = len(edge.upstream.seen())
    with edge.client() as client:
        response = client.get("/v1/models")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["code"] == "unavailable"
    assert len(edge.upstream.seen()) == before


def test_a_header_that_http_forbids_is_a_fault_and_does_not_split_the_response(edge: Edge) -> None:
    def split(request: pb.CheckRequest) -> pb.CheckResponse:
        response = allow(request)
        option = response.ok_response.response_headers_to_add.add()
        option.header.key, option.header.value = "x-portcullis-plan", "free\r\nset-cookie: a=b"
        return response

    edge.authorizer.answer = split
    with edge.client() as client:
        response = client.get("/v1/models")
    assert response.status_code == 500
    assert "set-cookie" not in response.headers


def test_an_upstream_with_a_strangers_certificate_is_not_spoken_to(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    with start_edge(tmp_path, upstream_certificate=Authority(stranger).issue("upstream")) as edge:
        with edge.client() as client:
            response = client.post("/v1/chat/completions", json={})
        assert response.status_code == 503
        assert edge.upstream.seen() == []


def test_an_upstream_with_another_name_is_not_spoken_to(tmp_path: Path) -> None:
    with start_edge(tmp_path, upstream_name="elsewhere.example") as edge:
        with edge.client() as client:
            response = client.post("/v1/chat/completions", json={})
        assert response.status_code == 503
        assert edge.upstream.seen() == []


def test_an_upstream_that_is_gone_tells_nothing_about_itself(own: Edge) -> None:
    own.upstream.stop()
    with own.client() as client:
        response = client.post("/v1/chat/completions", json={})
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "The gateway can not serve this request now. Try again shortly."
    for inside in ("127.0.0.1", "connect", "TLS", "upstream"):
        assert inside not in response.text


def test_many_idle_connections_do_not_keep_others_out(edge: Edge) -> None:
    idle: list[ssl.SSLSocket] = []
    try:
        for _ in range(100):
            connection = connect(edge.port, edge.authority.certificate)
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nslow")
            idle.append(connection)
        with edge.client() as client:
            assert client.get("/v1/models").status_code == 200
    finally:
        for connection in idle:
            connection.close()
