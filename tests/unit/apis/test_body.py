"""Content encodings, charsets and sizes of bodies."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from sidecar.apis.body import BodySettings, decode
from sidecar.errors import InvalidBody, InvalidRequest
from sidecar.request import HttpRequest

PLAIN = b'{"model":"m"}'
UNPACKING = BodySettings(encodings=("gzip", "deflate", "br", "zstd"), max_unpacked_bytes=10_000)


def request(body: bytes | None, method: str = "POST", **headers: str | tuple[str, ...]) -> HttpRequest:
    named = {name.replace("_", "-"): (v,) if isinstance(v, str) else v for name, v in headers.items()}
    return HttpRequest(method=method, path="/v1/messages", headers=named, body=body)


@pytest.mark.parametrize(
    "asked",
    [
        request(PLAIN),
        request(PLAIN, content_type="application/json"),
        request(PLAIN, content_type='application/json; charset="UTF-8"'),
        request(PLAIN, content_type="application/x-www-form-urlencoded"),
        request(PLAIN, content_encoding="identity"),
        request(PLAIN, content_encoding="Identity, identity"),
        request(PLAIN, x_envoy_auth_partial_body="false"),
        request(PLAIN, content_length="13"),
    ],
)
def test_a_plain_body_is_taken_as_it_is(asked: HttpRequest) -> None:
    assert decode(asked, BodySettings()) == PLAIN


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_without_body_has_none(method: str) -> None:
    assert decode(request(None, method), BodySettings()) is None
    assert decode(request(b"", method, content_length="0"), BodySettings()) is None


def test_an_empty_post_is_an_empty_body() -> None:
    assert decode(request(None), BodySettings()) == b""


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (request(b"x" * ((1 << 20) + 1)), "body_too_large"),
        (request(None, content_length="13"), "body_missing"),
        (request(b"", "GET", content_length="13"), "body_missing"),
        (request(PLAIN, x_envoy_auth_partial_body="true"), "body_partial"),
        (request(PLAIN, x_envoy_auth_partial_body=("false", "true")), "body_partial"),
        (request(PLAIN, x_envoy_auth_partial_body="false,true"), "body_partial"),
        (request(PLAIN, content_length="14"), "body_partial"),
        (request(PLAIN, content_length="12"), "body_partial"),
        (request(PLAIN, content_length=("13", "14")), "body_partial"),
        (request(PLAIN, content_length="0013"), "body_partial"),
        (request(None, transfer_encoding="chunked"), "body_missing"),
        (request(None, "GET", transfer_encoding="chunked"), "body_missing"),
        (request(PLAIN, content_type="x;charset=utf-7"), "unsupported_charset"),
        (request(PLAIN, content_type=";charset=utf-16"), "unsupported_charset"),
        (request(PLAIN, content_type="application/json; charset=utf-16"), "unsupported_charset"),
        (request(PLAIN, content_type="application/json; charset=utf-8; charset=utf-7"), "unsupported_charset"),
        (request(PLAIN, content_type="text/plain;CHARSET=latin1"), "unsupported_charset"),
        (request(PLAIN, content_encoding="gzip"), "unsupported_encoding"),
        (request(PLAIN, content_encoding="br"), "unsupported_encoding"),
        (request(PLAIN, content_encoding="zstd"), "unsupported_encoding"),
        (request(PLAIN, content_encoding="gzip, gzip"), "unsupported_encoding"),
        (request(PLAIN, content_encoding=("identity", "gzip")), "unsupported_encoding"),
        (request(PLAIN, content_encoding="aws-chunked"), "unsupported_encoding"),
    ],
)
def test_what_cannot_be_read_as_the_upstream_would_is_refused(asked: HttpRequest, code: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        decode(asked, BodySettings())
    assert refused.value.code == code


def test_two_content_types_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="duplicate_header"):
        decode(request(PLAIN, content_type=("application/json", "text/plain")), BodySettings())


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(PLAIN), "gzip"),
        (gzip.compress(PLAIN), "X-GZIP"),
        (gzip.compress(PLAIN[:5]) + gzip.compress(PLAIN[5:]), "gzip"),
        (gzip.compress(PLAIN), "identity, gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (brotli.compress(PLAIN), "br"),
        (brotli.compress(b"0" * 10_000), "br"),
        (zstd.compress(PLAIN), "zstd"),
        (zstd.compress(PLAIN[:5]) + zstd.compress(PLAIN[5:]), "zstd"),
    ],
)
def test_allowed_encodings_are_unpacked(body: bytes, coding: str) -> None:
    assert decode(request(body, content_encoding=coding), UNPACKING) in {PLAIN, b"0" * 10_000}


RAW_DEFLATE = zlib.compressobj(wbits=-15)
WIDE = zstd.compress(b"0" * (1 << 25), options={zstd.CompressionParameter.window_log: 25})  # asks for 32 MiB
RAW = RAW_DEFLATE.compress(PLAIN) + RAW_DEFLATE.flush()


@pytest.mark.parametrize(
    ("body", "coding", "code"),
    [
        (gzip.compress(b"0" * 10_001), "gzip", "body_too_large"),
        (gzip.compress(b"0" * 9_000) + gzip.compress(b"0" * 1_001), "gzip", "body_too_large"),
        (zlib.compress(b"0" * 1_000_000), "deflate", "body_too_large"),
        (brotli.compress(b"0" * 1_000_000), "br", "body_too_large"),
        (zstd.compress(b"0" * 1_000_000), "zstd", "body_too_large"),
        (brotli.compress(PLAIN)[:-1], "br", "body_undecodable"),
        (brotli.compress(PLAIN) + b"tail", "br", "body_undecodable"),
        (PLAIN, "br", "body_undecodable"),
        (zstd.compress(PLAIN)[:-1], "zstd", "body_undecodable"),
        (zstd.compress(PLAIN) + b"tail", "zstd", "body_undecodable"),
        (PLAIN, "zstd", "body_undecodable"),
        (WIDE, "zstd", "body_undecodable"),
        (PLAIN, "gzip", "body_undecodable"),
        (gzip.compress(PLAIN)[:-3], "gzip", "body_undecodable"),
        (gzip.compress(PLAIN) + b"tail", "gzip", "body_undecodable"),
        (gzip.compress(PLAIN)[:-5] + b"00000", "gzip", "body_undecodable"),
        (zlib.compress(PLAIN) + b"tail", "deflate", "body_undecodable"),
        (RAW, "deflate", "body_undecodable"),
        (gzip.compress(gzip.compress(PLAIN)), "gzip, gzip", "unsupported_encoding"),
    ],
)
def test_bombs_and_damaged_streams_are_refused(body: bytes, coding: str, code: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        decode(request(body, content_encoding=coding), UNPACKING)
    assert refused.value.code == code


@given(body=st.binary(max_size=200), cut=st.integers(0, 200), coding=st.sampled_from(["gzip", "deflate"]))
def test_arbitrary_streams_raise_nothing_else(body: bytes, cut: int, coding: str) -> None:
    packed = gzip.compress(body)[:cut] + body
    try:
        decode(request(packed, content_encoding=coding), UNPACKING)
    except InvalidBody:
        return
