"""Bodies that are wrong in every way: a clear refusal, no gRPC error, no traceback, and the sidecar lives on."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.whole import Whole, question

_GOOD = json.dumps(question()).encode()

_BAD: dict[str, tuple[bytes, bytes]] = {
    "truncated": (b"", _GOOD[:-5]),
    "nothing but white space": (b"", b"  \r\n "),
    "two values": (b"", _GOOD + _GOOD),
    "a list": (b"", b"[" + _GOOD + b"]"),
    "a number": (b"", b"7"),
    "null": (b"", b"null"),
    "duplicate key": (b"", _GOOD[:-1] + b', "model": "large-1"}'),
    "duplicate key, escaped": (b"", _GOOD[:-1] + b', "mod\\u0065l": "large-1"}'),
    "NaN": (b"", _GOOD[:-1] + b', "temperature": NaN}'),
    "deeply nested": (b"", b"[" * 100_000),
    "deeply nested and closed": (b"", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    "trailing comma": (b"", _GOOD[:-1] + b",}"),
    "comment": (b"", b"/* */" + _GOOD),
    "not UTF-8": (b"", _GOOD.replace(b"hello", b"\xff\xfe\x80")),
    "overlong UTF-8": (b"", _GOOD.replace(b"hello", b"\xc0\xaf")),
    "surrogate in UTF-8": (b"", _GOOD.replace(b"hello", b"\xed\xa0\x80")),
    "UTF-16": (b"", _GOOD.decode().encode("utf-16")),
    "another charset": (b"Content-Type: application/json; charset=utf-7\r\n", _GOOD),
    "says gzip, is not": (b"Content-Encoding: gzip\r\n", _GOOD),
    "truncated gzip": (b"Content-Encoding: gzip\r\n", gzip.compress(_GOOD)[:-10]),
    "gzip bomb": (b"Content-Encoding: gzip\r\n", gzip.compress(b" " * 200_000_000, 9)),
    "unknown encoding": (b"Content-Encoding: snappy\r\n", _GOOD),
    "many encodings": (b"Content-Encoding: " + b"gzip, " * 50 + b"gzip\r\n", _GOOD),
    "says deflate, is gzip": (b"Content-Encoding: deflate\r\n", gzip.compress(_GOOD)),
    "no model": (b"", b'{"messages": [{"role": "user", "content": "hi"}]}'),
    "model is a list": (b"", b'{"model": ["small-1"], "messages": [{"role": "user", "content": "hi"}]}'),
    "no messages": (b"", b'{"model": "small-1"}'),
    "messages is text": (b"", b'{"model": "small-1", "messages": "hi"}'),
    "huge number": (b"", _GOOD.replace(b'"max_tokens": 16', b'"max_tokens": 1' + b"0" * 5_000)),
    "huge key": (b"", b'{"' + b"k" * 500_000 + b'": 1}'),
    "NUL": (b"", b"\0" * 100),
}


@pytest.mark.parametrize("case", list(_BAD))
def test_a_bad_body_is_refused_and_never_reaches_the_upstream(whole: Whole, case: str) -> None:
    lines, body = _BAD[case]
    before = len(whole.gateway.upstream.seen())
    answer = whole.raw_chat(f"Authorization: Bearer {whole.key}\r\n".encode() + lines, body)
    assert answer.status in {400, 403, 413, 415}, answer.body
    assert answer.header("x-portcullis-reason"), "Portcullis itself has answered"
    assert json.loads(answer.body)["error"]["code"]
    assert len(whole.gateway.upstream.seen()) == before


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (b"Content-Type: application/json\r\n", _GOOD),
        (b"Content-Type: text/plain\r\n", _GOOD),
        (b"", json.dumps(question("\U0001f600 hällo")).encode()),
        (b"", json.dumps(question("\U0001f600 hällo"), ensure_ascii=False).encode()),
        (b"", json.dumps(question(), indent=8).encode()),
    ],
)
def test_a_good_body_passes_however_it_is_written(whole: Whole, lines: bytes, body: bytes) -> None:
    answer = whole.raw_chat(f"Authorization: Bearer {whole.key}\r\n".encode() + lines, body)
    assert answer.status == 200, answer.body
    assert whole.gateway.upstream.last().body == body


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(json.dumps(question("project nightingale")).encode())),
        ("deflate", zlib.compress(json.dumps(question("project nightingale")).encode())),
        ("identity", json.dumps(question("project nightingale")).encode()),
        ("GZIP", gzip.compress(json.dumps(question("project nightingale")).encode())),
    ],
)
def test_an_encoding_does_not_hide_a_prompt(whole: Whole, encoding: str, body: bytes) -> None:
    lines = f"Authorization: Bearer {whole.key}\r\nContent-Encoding: {encoding}\r\n".encode()
    assert whole.raw_chat(lines, body).status in {403, 415}


def test_a_content_type_does_not_hide_a_prompt(whole: Whole) -> None:
    body = json.dumps(question("project nightingale")).encode()
    for kind in (b"text/plain", b"application/octet-stream", b"image/png", b"multipart/form-data; boundary=x", b"x"):
        lines = f"Authorization: Bearer {whole.key}\r\n".encode() + b"Content-Type: " + kind + b"\r\n"
        assert whole.raw_chat(lines, body).status in {400, 403, 415}


def test_a_strange_role_does_not_hide_a_prompt(whole: Whole) -> None:
    hidden = {"role": "root", "content": "project nightingale"}
    body = json.dumps(question(messages=[{"role": "user", "content": "hi"}, hidden])).encode()
    assert whole.raw_chat(f"Authorization: Bearer {whole.key}\r\n".encode(), body).status in {400, 403}


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=st.binary(max_size=2000), kind=st.sampled_from(["", "gzip", "deflate", "br", "zstd", "identity, gzip"]))
def test_any_bytes_get_an_answer(whole: Whole, body: bytes, kind: str) -> None:
    lines = f"Authorization: Bearer {whole.key}\r\n" + (f"Content-Encoding: {kind}\r\n" if kind else "")
    assert whole.raw_chat(lines.encode(), body).status in {200, 400, 403, 413, 415}


def test_the_sidecar_has_survived_without_a_fault(whole: Whole) -> None:
    assert whole.chat().status_code == 200
    log = whole.gateway.pod.sidecar.output()
    assert "Traceback" not in log
    assert "internal_error" not in log
    assert "decision_failed" not in log
