"""How clients may connect: TLS 1.3 alone, HTTP/1.1 and HTTP/2, and streams that stay streams."""

from __future__ import annotations

import socket
import ssl

import httpx2
import pytest

from tests.e2e.edge import Edge
from tests.harness.upstream import PIECES


def _handshake(edge: Edge, version: ssl.TLSVersion) -> str | None:
    tls = ssl.create_default_context(cafile=str(edge.authority.certificate))
    tls.minimum_version = tls.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", edge.port), timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return connection.version()


def test_tls_1_3_is_spoken(edge: Edge) -> None:
    assert _handshake(edge, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


def test_tls_1_2_is_refused(edge: Edge) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        _handshake(edge, ssl.TLSVersion.TLSv1_2)


def test_plain_http_is_not_answered(edge: Edge) -> None:
    with httpx2.Client(trust_env=False) as plain, pytest.raises(httpx2.TransportError):
        plain.get(f"http://127.0.0.1:{edge.port}/v1/models")


@pytest.mark.parametrize(("http2", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
def test_both_versions_of_http_reach_the_upstream(edge: Edge, http2: bool, version: str) -> None:
    with edge.client(http2=http2) as client:
        response = client.post("/v1/chat/completions", json={"model": "small-1", "messages": []})
    assert response.http_version == version
    assert response.status_code == 200
    assert edge.upstream.last().body == b'{"model":"small-1","messages":[]}'


@pytest.mark.parametrize("http2", [False, True])
def test_a_streamed_answer_arrives_piece_by_piece(edge: Edge, http2: bool) -> None:
    """The upstream writes each piece only after the client has read the one before; a buffer would stand still."""
    edge.upstream.hold()
    arrived = []
    with (
        edge.client(http2=http2) as client,
        client.stream("POST", "/v1/chat/completions", json={"stream": True, "messages": []}) as response,
    ):
        for piece in response.iter_text():
            arrived.append(piece)
            edge.upstream.release()
    assert len(arrived) == len(PIECES) + 1
    assert arrived[-1] == "data: [DONE]\n\n"


def test_a_client_that_hangs_up_does_not_disturb_others(edge: Edge) -> None:
    edge.upstream.hold()
    body = {"stream": True, "messages": []}
    with edge.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert next(response.iter_text()).startswith("data:")
    edge.upstream.unhold()
    with edge.client() as client:
        assert client.get("/v1/models").status_code == 200
