"""Whatever is asked, the answer is a CheckResponse with an explicit status."""

from __future__ import annotations

import gzip
import json

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar._pb.authorization_pb2 import CheckRequest
from tests.integration.doors.conftest import Door
from tests.integration.doors.questions import BODY, ask, question, status_of

DEEP = b'{"model":"small-1","messages":' + b"[" * 100_000
DOUBLED = b'{"model":"small-1","model":"large-1","messages":[{"role":"user","content":"hi"}]}'

BODIES = [
    ("empty", b"", {}, 400),
    ("truncated", BODY[:-3], {}, 400),
    ("not JSON", b"hello", {}, 400),
    ("deeply nested", DEEP, {}, 400),
    ("a doubled key", DOUBLED, {}, 400),
    ("UTF-16", BODY.decode().encode("utf-16"), {}, 400),
    ("not UTF-8", BODY.replace(b"portcullis", b"\xff\xfe"), {}, 400),
    ("NaN", BODY.replace(b'"What is a portcullis?"', b"NaN"), {}, 400),
    ("a lone surrogate", BODY.replace(b"portcullis", rb"\ud800"), {}, 400),
    ("a number of 5000 digits", BODY[:-1] + b',"n":' + b"9" * 5000 + b"}", {}, 400),
    ("compressed", gzip.compress(BODY), {"content_encoding": "gzip"}, 415),
    ("said to be compressed twice", BODY, {"content_encoding": "gzip, gzip"}, 415),
    ("in another charset", BODY, {"content_type": "application/json; charset=utf-7"}, 415),
    ("cut off by Envoy", BODY, {"x_envoy_auth_partial_body": "true"}, 413),
    ("fine", BODY, {}, 200),
]


@pytest.fixture(scope="module")
def channel(shared_door: Door) -> grpc.Channel:
    return grpc.insecure_channel(shared_door.sidecar.address)


@pytest.mark.parametrize(("kind", "body", "headers", "status"), BODIES, ids=[row[0] for row in BODIES])
def test_a_body_is_read_or_refused(
    shared_door: Door, channel: grpc.Channel, kind: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert status_of(ask(channel, question(shared_door.key, body, **headers))) == status


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  {key}",
        "Bearer {key} ",
        "Bearer {key},{key}",
        "Basic {key}",
        "{key}",
        "Bearer \xe9",
    ],
)
def test_an_odd_authorization_header_is_refused(shared_door: Door, channel: grpc.Channel, authorization: str) -> None:
    sent = question(shared_door.key)
    sent.attributes.request.http.header_map.headers[0].raw_value = authorization.format(key=shared_door.key).encode(
        "latin-1"
    )
    assert status_of(ask(channel, sent)) in {400, 401}


def test_two_credentials_are_refused(shared_door: Door, channel: grpc.Channel) -> None:
    sent = question(shared_door.key)
    second = sent.attributes.request.http.header_map.headers.add()
    second.key, second.raw_value = "authorization", f"Bearer {shared_door.key}".encode()
    assert status_of(ask(channel, sent)) in {400, 401}
    assert status_of(ask(channel, question(shared_door.key, x_api_key="pcl_live_other"))) in {400, 401}


def test_what_is_no_check_request_is_refused(shared_door: Door, channel: grpc.Channel) -> None:
    for payload in (b"", b"\xff" * 50, CheckRequest().SerializeToString()):
        assert status_of(ask(channel, payload)) == 400


_headers = st.dictionaries(
    st.sampled_from(["authorization", "x-api-key", "content-type", "content-encoding", "content-length", "host"]),
    st.one_of(st.binary(max_size=60), st.just(b"Bearer @KEY@"), st.just(b"application/json")),
)
_bodies = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    ).map(lambda value: json.dumps(value).encode()),
    st.just(BODY),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["POST", "GET", "post", ""]),
    path=st.sampled_from(["/v1/chat/completions", "/v1/messages", "/v1//x", "", "*"]) | st.text(max_size=30),
    host=st.text(max_size=20),
    headers=_headers,
    body=_bodies,
)
def test_any_request_gets_an_explicit_status(
    shared_door: Door,
    channel: grpc.Channel,
    method: str,
    path: str,
    host: str,
    headers: dict[str, bytes],
    body: bytes,
) -> None:
    check = CheckRequest()
    http = check.attributes.request.http
    http.method, http.path, http.host, http.raw_body = method, path, host, body
    for name, value in headers.items():
        entry = http.header_map.headers.add()
        entry.key, entry.raw_value = name, value.replace(b"@KEY@", shared_door.key.encode())
    assert status_of(ask(channel, check)) in {200, 400, 401, 403, 413, 415}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=8), cut=st.integers(0, 600))
def test_a_damaged_request_gets_an_explicit_status(
    shared_door: Door, channel: grpc.Channel, flips: list[tuple[int, int]], cut: int
) -> None:
    payload = bytearray(question(shared_door.key).SerializeToString())
    for place, value in flips:
        payload[place % len(payload)] = value
    status_of(ask(channel, bytes(payload[: max(1, len(payload) - cut)])))
