from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authentication.credentials import CredentialReader, Presented
from sidecar.errors import InvalidCredential, InvalidRequest
from tests.unit.authentication.support import request

READER = CredentialReader(("x-api-key", "api-key"))
KEY = ("x-api-key", "k1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([("authorization", "Bearer abc")], Presented("bearer", "abc")),
        ([("authorization", "bEaReR abc==")], Presented("bearer", "abc==")),
        ([("authorization", "DPoP abc")], Presented("dpop", "abc")),
        ([KEY], Presented("key", "k1")),
        ([("api-key", "k1")], Presented("key", "k1")),
        ([("authorization", "Bearer k1"), KEY], Presented("bearer", "k1")),
        ([KEY, ("api-key", "k1")], Presented("key", "k1")),
        ([KEY, ("connection", "keep-alive, te")], Presented("key", "k1")),
        ([("x-other-key", "k1")], None),
    ],
)
def test_one_credential_is_found(headers: list[tuple[str, str]], expected: Presented | None) -> None:
    assert READER.read(request(*headers)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer  abc",
        " Bearer abc",
        "Bearer\tabc",
        "Bearer\xa0abc",
        "Bearer abc ",
        "Bearer abc,",
        "Bearer abc, Bearer def",
        "Bearer a b",
        "Bearer abc\n",
        "Bearer ab\xe9",
        "Bearer =",
        "Bearerabc",
        "abc",
        "Basic YTpi",
        "Digest x",
        "B\xe9arer abc",
    ],
)
def test_malformed_authorization_is_refused(value: str) -> None:
    with pytest.raises(InvalidCredential):
        READER.read(request(("authorization", value)))


@pytest.mark.parametrize("value", ["", " ", "a b", "a,b", "k1,k1", "k\x00", "k\x7f", "ké", "k1 ", "\tk1"])
def test_malformed_key_header_is_refused(value: str) -> None:
    with pytest.raises(InvalidCredential):
        READER.read(request(("x-api-key", value)))


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer k2"), KEY],
        [KEY, ("api-key", "k2")],
        [("authorization", "Bearer k1"), KEY, ("api-key", "k2")],
    ],
)
def test_two_different_credentials_are_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidCredential, match="several_credentials"):
        READER.read(request(*headers))


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
def test_doubled_header_is_refused_even_with_one_value(name: str) -> None:
    value = "Bearer k1" if name == "authorization" else "k1"
    with pytest.raises(InvalidRequest, match="duplicate_header"):
        READER.read(request((name, value), (name, value)))


@pytest.mark.parametrize("option", ["x-api-key", "X-API-Key", "keep-alive, Authorization", "close,api-key"])
def test_connection_may_not_name_the_credential(option: str) -> None:
    with pytest.raises(InvalidCredential, match="hop_by_hop"):
        READER.read(request(KEY, ("connection", option)))


@given(st.text(st.characters(max_codepoint=255)))
def test_any_authorization_is_read_or_refused(value: str) -> None:
    try:
        presented = READER.read(request(("authorization", value)))
    except InvalidCredential:
        return
    assert presented is not None
    assert value.lower() == f"{presented.scheme} {presented.value}".lower()
