"""What of a body reaches Portcullis and the upstream: all of it and the same bytes, or a refusal."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from sidecar._pb import authorization_pb2 as pb
from tests.e2e.edge import Edge
from tests.harness.authorizer import allow

_LIMIT = 1 << 20


def _chunks(total: int) -> Iterator[bytes]:
    """The same bytes without a declared length."""
    while total > 0:
        yield b"x" * min(total, 50_000)
        total -= 50_000


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_exactly_the_limit_passes_whole(edge: Edge, http2: bool, chunked: bool) -> None:
    with edge.client(http2=http2) as client:
        response = client.post("/v1/chat/completions", content=_chunks(_LIMIT) if chunked else b"x" * _LIMIT)
    assert response.status_code == 200
    assert len(edge.authorizer.asked()[-1].attributes.request.http.raw_body) == _LIMIT
    assert len(edge.upstream.last().body) == _LIMIT


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_larger_body_is_413_and_nobody_is_asked(edge: Edge, http2: bool, chunked: bool) -> None:
    asked, seen = len(edge.authorizer.asked()), len(edge.upstream.seen())
    with edge.client(http2=http2) as client:
        response = client.post("/v1/chat/completions", content=_chunks(_LIMIT + 1) if chunked else b"x" * (_LIMIT + 1))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"
    assert "strict-transport-security" in response.headers
    assert (len(edge.authorizer.asked()), len(edge.upstream.seen())) == (asked, seen)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe\x00\x80 not UTF-8", "häßlich 😀".encode(), gzip.compress(b"{}"), b"{" * 1000, b"\0"],
    ids=["bytes", "unicode", "gzip", "braces", "nul"],
)
def test_portcullis_judges_the_very_bytes_that_the_upstream_gets(edge: Edge, body: bytes) -> None:
    with edge.client() as client:
        assert client.post("/v1/chat/completions", content=body).status_code == 200
    assert edge.authorizer.asked()[-1].attributes.request.http.raw_body == body
    assert edge.upstream.last().body == body


def test_nothing_goes_upstream_before_the_decision(edge: Edge) -> None:
    seen: list[int] = []
    before = len(edge.upstream.seen())

    def look(request: pb.CheckRequest) -> pb.CheckResponse:
        seen.append(len(edge.upstream.seen()))
        return allow(request)

    edge.authorizer.answer = look
    with edge.client() as client:
        client.post("/v1/chat/completions", content=json.dumps({"messages": []}))
    assert seen == [before]
    assert len(edge.upstream.seen()) == before + 1


def test_a_second_request_hidden_in_a_body_is_no_request(edge: Edge) -> None:
    before = len(edge.authorizer.asked())
    hidden = b"GET /v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    edge.raw(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(hidden), hidden)
    )
    assert len(edge.authorizer.asked()) == before + 1
    assert edge.upstream.last().body == hidden
