"""Clients and peers that misbehave on purpose: each harms at most himself."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse

import pytest

from tests.e2e.load import Load
from tests.e2e.whole import CHAT, Whole, question
from tests.harness.client import connect, flood_of_resets
from tests.harness.waiting import until

_BODY = json.dumps(question()).encode()


def _head(whole: Whole, *lines: str, length: int = len(_BODY), credential: bool = True) -> bytes:
    bearer = [f"Authorization: Bearer {whole.key}"] if credential else []
    start = [f"POST {CHAT} HTTP/1.1", "Host: localhost", *bearer, f"Content-Length: {length}", *lines]
    return "\r\n".join([*start, "", ""]).encode()


def _connect(whole: Whole) -> ssl.SSLSocket:
    return connect(whole.gateway.pod.port, whole.gateway.authority.certificate)


@pytest.fixture
def others(whole: Whole) -> Iterator[Load]:
    """Well-behaved clients all the while; whatever happens, they are served."""
    with Load(whole.gateway.pods, whole.key, clients=2) as load:
        load.wait_for(5)
        yield load
        load.wait_for(5)
    assert set(load.answers) == {"200"}


def test_clients_that_hang_up_at_every_point_disturb_nobody(whole: Whole, others: Load) -> None:
    request = _head(whole) + _BODY
    for end in [1, 10, len(request) // 2, len(request) - len(_BODY), len(request) - 1, len(request)] * 25:
        with _connect(whole) as client:
            client.sendall(request[:end])
    others.wait_for(5)


def test_clients_that_read_nothing_disturb_nobody(whole: Whole, others: Load) -> None:
    streaming = json.dumps(question(stream=True)).encode()
    with ExitStack() as stack:
        for _ in range(50):
            client = stack.enter_context(_connect(whole))
            client.sendall(_head(whole, length=len(streaming)) + streaming)
        others.wait_for(10)


def test_half_sent_bodies_disturb_nobody(whole: Whole, others: Load) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            client = stack.enter_context(_connect(whole))
            client.sendall(_head(whole, length=1_000_000) + b"{" * 1000)
        others.wait_for(10)


def test_streams_that_clients_reset_disturb_nobody(whole: Whole, others: Load) -> None:
    """Many requests on one HTTP/2 connection, dropped with it while they are being decided."""

    def storm() -> None:
        for _ in range(5):
            with whole.gateway.pod.client(http2=True) as client, ExitStack() as stack:
                for _ in range(20):
                    stream = client.stream("POST", CHAT, headers=whole.bearer, json=question(stream=True))
                    stack.enter_context(stream)

    storms = [threading.Thread(target=storm) for _ in range(2)]
    for thread in storms:
        thread.start()
    for thread in storms:
        thread.join()
    others.wait_for(10)


def test_a_flood_of_resets_passes_nothing_and_leaves_nothing_broken(whole: Whole) -> None:
    """Requests that are reset as soon as they are sent (CVE-2023-44487). Others may be refused, never let through."""
    pod, before = whole.gateway.pod, len(whole.gateway.upstream.seen())
    for _ in range(5):
        flood_of_resets(pod.port, whole.gateway.authority.certificate, CHAT, _BODY, streams=90)
    assert len(whole.gateway.upstream.seen()) == before, "without a credential"
    with Load(whole.gateway.pods, whole.key, clients=2) as load:
        for _ in range(5):
            flood_of_resets(pod.port, whole.gateway.authority.certificate, CHAT, _BODY, streams=90, key=whole.key)
    assert set(load.answers) <= {"200", "503"}
    until(lambda: whole.chat().status_code == 200, "requests pass again", pod.sidecar.tail)


def test_pipelined_requests_are_decided_one_by_one(whole: Whole) -> None:
    before = len(whole.gateway.upstream.seen())
    with _connect(whole) as client:
        client.sendall(_head(whole) + _BODY + _head(whole, "Connection: close", credential=False) + _BODY)
        first = HTTPResponse(client)
        first.begin()
        first.read()
        second = HTTPResponse(client)
        second.begin()
    assert (first.status, second.status) == (200, 401)
    assert len(whole.gateway.upstream.seen()) == before + 1


def test_a_client_that_waits_to_be_asked_for_the_body_is_served(whole: Whole) -> None:
    with _connect(whole) as client:
        client.sendall(_head(whole, "Expect: 100-continue", "Connection: close"))
        assert client.recv(4096).startswith(b"HTTP/1.1 100")
        client.sendall(_BODY)
        response = HTTPResponse(client)
        response.begin()
        assert response.status == 200


def test_a_client_can_not_name_an_identity_header_as_hop_by_hop(whole: Whole) -> None:
    lines = f"Authorization: Bearer {whole.key}\r\nConnection: close, x-portcullis-principal\r\n".encode()
    assert whole.raw_chat(lines).status == 200
    assert whole.gateway.upstream.last().header("x-portcullis-principal")[0].startswith("key:")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_a_method_that_no_route_names_is_refused(whole: Whole, method: str) -> None:
    before = len(whole.gateway.upstream.seen())
    assert whole.send(method, CHAT, headers=whole.bearer).status_code in {400, 403, 405}
    assert len(whole.gateway.upstream.seen()) == before


@pytest.mark.parametrize(
    "model",
    ["small-1\r\nx-evil: 1", "small-\x00", "small-é", "small-" + "x" * 10_000, "small-1\n", "small-\u2028", " small-1"],
)
def test_a_strange_model_name_neither_splits_headers_nor_breaks_the_answer(whole: Whole, model: str) -> None:
    response = whole.chat(model=model)
    assert response.status_code in {200, 400, 403}
    seen = whole.gateway.upstream.last()
    assert seen.header("x-evil") == []
    assert all(value.isascii() and value.isprintable() for value in seen.header("x-portcullis-model"))


@pytest.mark.parametrize("subject", ["al\nice", "älice", "a|b", "key:root", "x" * 5000, "", " ", "alice "])
def test_a_strange_subject_neither_splits_headers_nor_breaks_the_answer(whole: Whole, subject: str) -> None:
    token = whole.gateway.provider.token(sub=subject)
    response = whole.chat(headers={"authorization": f"Bearer {token}"})
    assert response.status_code in {200, 401}
    if response.status_code == 200:
        (principal,) = whole.gateway.upstream.last().header("x-portcullis-principal")
        assert principal.startswith("jwt:https://idp.example.com|")
        assert principal.isascii()


def test_a_key_in_the_query_is_no_credential(whole: Whole) -> None:
    for name in ("key", "api_key", "access_token"):
        assert whole.send("POST", f"{CHAT}?{name}={whole.key}", json=question()).status_code == 401


def test_a_sidecar_that_hangs_lets_nothing_pass_and_is_found_again(whole: Whole) -> None:
    sidecar, upstream = whole.gateway.pod.sidecar, whole.gateway.upstream
    sidecar.signal(signal.SIGSTOP)
    try:
        before = len(upstream.seen())
        assert [whole.chat().status_code for _ in range(3)] == [503] * 3
        assert len(upstream.seen()) == before
    finally:
        sidecar.signal(signal.SIGCONT)
    until(lambda: whole.chat().status_code == 200, "requests pass again", sidecar.tail)


def test_nothing_of_this_was_a_fault_of_the_sidecar(whole: Whole) -> None:
    log = whole.gateway.pod.sidecar.output()
    assert "Traceback" not in log
    assert "internal_error" not in log
