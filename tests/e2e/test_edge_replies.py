"""What a client sees when Envoy itself answers: HSTS once on every reply, JSON errors, nothing about the inside."""

from __future__ import annotations

import json

import pytest

from sidecar._pb import authorization_pb2 as pb
from tests.e2e.edge import Edge

_TOO_MANY = b"".join(b"h%d: 1\r\n" % number for number in range(120))

_ENVOYS_OWN = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "not HTTP": (b"BROKEN\r\n\r\n", 400),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 426),
    "underscore in a name": (b"GET / HTTP/1.1\r\nHost: a\r\nx_user: admin\r\n\r\n", 400),
    "escaped slash": (b"GET /v1%2Fmodels HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "escaped backslash": (b"GET /v1%5cmodels HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nx: \x00\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "unknown transfer coding": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "broken chunk": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "huge header": (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: a\r\n" + _TOO_MANY + b"\r\n", 431),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 404),
    "upgrade": (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 403),
}


@pytest.mark.parametrize("case", list(_ENVOYS_OWN))
def test_envoys_own_refusals_are_json_with_hsts(edge: Edge, case: str) -> None:
    request, status = _ENVOYS_OWN[case]
    asked = len(edge.authorizer.asked())
    answer = edge.raw(request)
    assert answer.status == status
    assert answer.header("strict-transport-security") == ["max-age=63072000; includeSubDomains"]
    assert answer.header("content-type") == ["application/json"]
    assert json.loads(answer.body)["error"]["message"]
    assert answer.header("server") == ["gateway"]
    assert len(edge.authorizer.asked()) == asked, "Portcullis need not see what Envoy refuses"


@pytest.mark.parametrize(("path", "status"), [("/v1/models", 200), ("/v1/nowhere", 404)])
def test_the_upstreams_answers_get_hsts_once(edge: Edge, path: str, status: int) -> None:
    with edge.client() as client:
        response = client.get(path)
    assert response.status_code == status
    assert response.headers.get_list("strict-transport-security") == ["max-age=63072000; includeSubDomains"]


@pytest.mark.parametrize("status", [400, 401, 403, 413, 415, 429])
def test_a_refusal_of_portcullis_passes_as_it_is_with_hsts(edge: Edge, status: int) -> None:
    def deny(_: pb.CheckRequest) -> pb.CheckResponse:
        response = pb.CheckResponse()
        response.status.code = 7
        response.denied_response.status.code = status  # type: ignore[assignment]
        response.denied_response.body = '{"mine": true}'
        for name, value in (("content-type", "application/problem+json"), ("retry-after", "7")):
            header = response.denied_response.headers.add()
            header.header.key, header.header.value = name, value
        return response

    edge.authorizer.answer = deny
    with edge.client() as client:
        response = client.get("/v1/models")
    assert response.status_code == status
    assert response.json() == {"mine": True}
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "7"
    assert response.headers.get_list("strict-transport-security") == ["max-age=63072000; includeSubDomains"]


def test_what_the_upstream_tells_about_itself_is_removed(edge: Edge) -> None:
    with edge.client() as client:
        response = client.post("/v1/chat/completions", json={"stream": True})
    assert "x-powered-by" not in response.headers
    assert "x-envoy-upstream-service-time" not in response.headers
    assert response.headers["server"] == "gateway"


def test_the_caller_gets_a_request_id_that_he_has_not_chosen(edge: Edge) -> None:
    with edge.client() as client:
        response = client.get("/v1/models", headers={"x-request-id": "chosen"})
    assert response.headers["x-request-id"] not in {"", "chosen"}
    assert edge.upstream.last().header("x-request-id") == [response.headers["x-request-id"]]
