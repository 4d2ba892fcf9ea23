from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.authentication.jose import front_door
from sidecar.authentication.jose.front_door import FrontDoor
from sidecar.errors import InvalidCredential
from tests.harness.jwt_workshop import b64

NAMES = st.sampled_from(["sub", "exp", "a:b", ":", "", "é", "x"]) | st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6) | st.just("::"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)


def written(pairs: list[tuple[str, Any]], *, ascii_only: bool) -> str:
    """An object with its members in this order, doubled ones too."""
    members = (f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=ascii_only)}" for name, value in pairs)
    return "{" + ",".join(members) + "}"


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.booleans())
@example([("sub", "a"), ("sub", "admin"), ("x", ":")], False)
@example([("sub", "a:"), ("sub", "admin")], False)
@example([("x", {"a": 1}), ("x", {"a": 1})], False)
def test_object_is_read_as_the_thorough_decoder_reads_it(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    text = written(pairs, ascii_only=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 has no bytes for
        return
    try:
        thorough: Any = front_door._json.decode(text)
    except InvalidCredential:
        thorough = None
    try:
        found: Any = front_door._object(data)
    except InvalidCredential:
        found = None
    assert found == thorough
    if len({name for name, _ in pairs}) != len(pairs):
        assert found is None


@given(st.binary(max_size=120))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    with suppress(InvalidCredential):
        assert isinstance(front_door._object(data), dict)


@given(st.binary(max_size=80))
def test_every_part_has_one_spelling(data: bytes) -> None:
    if not data:
        return
    text = b64(data)
    assert front_door._decode(text) == data
    for place in {0, len(text) // 2, len(text) - 1}:
        for other in "A_-9zQ":
            changed = text[:place] + other + text[place + 1 :]
            if changed != text:
                with suppress(InvalidCredential):
                    assert front_door._decode(changed) != data


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_text_is_decoded_or_refused(part: str) -> None:
    with suppress(InvalidCredential):
        assert b64(front_door._decode(part)) == part


@given(
    st.text(max_size=200)
    | st.lists(st.binary(max_size=40), min_size=3, max_size=3).map(lambda p: ".".join(map(b64, p)))
)
def test_any_text_is_opened_or_refused(value: str) -> None:
    with suppress(InvalidCredential):
        assert FrontDoor().open(value, 8192).claims is not None


def test_headers_seen_lately_are_remembered_and_bad_ones_are_not() -> None:
    door = FrontDoor()
    body, signature = b64(b"{}"), b64(b"x")
    good, bad = b64(b'{"alg":"ES256"}'), b64(b'{"alg":"ES256","crit":[]}')
    assert door.open(f"{good}.{body}.{signature}", 8192).header is door.open(f"{good}.{body}.{signature}", 8192).header
    for _ in range(2):
        with pytest.raises(InvalidCredential, match="jwt_header_member"):
            door.open(f"{bad}.{body}.{signature}", 8192)
