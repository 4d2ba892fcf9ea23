"""Canonical requests: one spelling a path, or a refusal."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidRequest
from sidecar.request import HttpRequest, canonical_address, canonical_host, canonical_method, split_target

CANONICAL = [
    ("/", "/", ""),
    ("/v1/chat/completions", "/v1/chat/completions", ""),
    ("/v1/models/gemini-2.5:generateContent?alt=sse", "/v1/models/gemini-2.5:generateContent", "alt=sse"),
    ("/v1/%63hat", "/v1/chat", ""),
    ("/v1/caf%c3%a9", "/v1/caf%C3%A9", ""),
    ("/v1/models/", "/v1/models/", ""),
    ("/v1/x?a=//../;b", "/v1/x", "a=//../;b"),
]

AMBIGUOUS = [
    "",
    "v1/admin",
    "*",
    "http://h/v1/admin",
    "//v1//admin",
    "/v1//admin",
    "/v1/./admin",
    "/v1/x/../admin",
    "/..",
    "/v1/..",
    "/%2e%2e/admin",
    "/%2E/admin",
    "/v1/..;/admin",
    "/v1/;/admin",
    "/v1/admin;x=1",
    "/v1%2fadmin",
    "/v1%2Fadmin",
    "/v1%252fadmin",
    "/v1%5cadmin",
    "/v1\\admin",
    "/v1/admin%20",
    "/v1/admin%09",
    "/v1/admin%00",
    "/v1/admin%3f",
    "/v1/admin#x",
    "/v1/admin%23",
    "/v1/ad min",
    "/v1/\x00",
    "/v1/é",
    "/v1/%",
    "/v1/%zz",
    "/v1/%c",
]


@pytest.mark.parametrize(("target", "path", "query"), CANONICAL)
def test_a_plain_target_has_one_spelling(target: str, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_a_path_that_two_servers_may_read_differently_is_refused(target: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        split_target(target)
    assert refused.value.code == "ambiguous_path"


@given(st.text(alphabet=string.printable + "é;%\\", max_size=60))
def test_a_canonical_path_is_a_fixed_point(target: str) -> None:
    try:
        path, _ = split_target(target)
    except InvalidRequest:
        return
    assert split_target(path) == (path, "")
    assert path.startswith("/")
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))


def test_a_long_hostile_path_is_refused_in_linear_time() -> None:
    with pytest.raises(InvalidRequest):
        split_target("/" + "a" * 1_000_000 + ";")


@pytest.mark.parametrize("method", ["", "post", "PO ST", "POST\r\n", "P" * 40])
def test_an_odd_method_is_refused(method: str) -> None:
    with pytest.raises(InvalidRequest):
        canonical_method(method)


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("Api.Example.COM", "api.example.com"),
        ("api.example.com:8443", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("[::1]:443", "[::1]"),
        ("", ""),
    ],
)
def test_a_host_is_compared_without_case_port_or_final_dot(host: str, canonical: str) -> None:
    assert canonical_host(host) == canonical


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a:b", "é.example", "a,b", "[::1"])
def test_an_odd_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequest):
        canonical_host(host)


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(address: str, canonical: str) -> None:
    assert canonical_address(address) == canonical


def test_a_doubled_header_has_no_single_value() -> None:
    request = HttpRequest(method="GET", path="/", headers={"authorization": ("a", "b"), "accept": ("c",)})
    assert request.header("accept") == "c"
    assert request.header("absent") is None
    with pytest.raises(InvalidRequest, match="duplicate_header"):
        request.header("authorization")
