"""Arbitrary and damaged bodies: one kind of exception, bounded output, time in proportion to the size."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.apis import match
from sidecar.apis.documents import decode_text, guess_text, read_base64, read_data_url
from sidecar.apis.encodings import CODINGS, unpack
from sidecar.apis.multipart import parse
from sidecar.errors import InvalidBody
from tests.unit.apis.maximal import CASES, Mark

MOST = 5000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
CODING = st.sampled_from(sorted(CODINGS))
ANY_BODY = [json.dumps(build(Mark())).encode() for _, _, build in CASES]


def unpacked(body: bytes, coding: str) -> bytes | str:
    try:
        result = unpack(body, coding, MOST)
    except InvalidBody as error:
        return error.code
    assert len(result) <= MOST
    return result


@given(coding=CODING, body=st.binary(max_size=300))
def test_arbitrary_bytes_unpack_to_bounded_output_or_are_refused(coding: str, body: bytes) -> None:
    unpacked(body, coding)


@given(coding=CODING, text=st.binary(max_size=MOST + 10))
def test_what_is_packed_unpacks(coding: str, text: bytes) -> None:
    assert unpacked(PACK[coding](text), coding) == (text if len(text) <= MOST else "body_too_large")


@given(coding=CODING, text=st.binary(min_size=1, max_size=2000), data=st.data())
def test_a_cut_stream_is_refused(coding: str, text: bytes, data: st.DataObject) -> None:
    packed = PACK[coding](text)
    cut = data.draw(st.integers(1, len(packed) - 1))
    assert unpacked(packed[:cut], coding) == "body_undecodable"


@given(coding=CODING, text=st.binary(max_size=500), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_stream_raises_nothing_else(coding: str, text: bytes, at: int, flip: int) -> None:
    packed = bytearray(PACK[coding](text))
    packed[at % len(packed)] ^= flip
    unpacked(bytes(packed), coding)


@given(coding=CODING, texts=st.lists(st.binary(max_size=200), min_size=2, max_size=5))
def test_members_in_a_row_are_one_text_or_refused(coding: str, texts: list[bytes]) -> None:
    result = unpacked(b"".join(map(PACK[coding], texts)), coding)
    assert result == (b"".join(texts) if coding in ("gzip", "zstd") else "body_undecodable")


@given(coding=CODING, tail=st.binary(min_size=1, max_size=20))
def test_nothing_stands_behind_a_stream(coding: str, tail: bytes) -> None:
    result = unpacked(PACK[coding](b"text") + tail, coding)
    assert result == "body_undecodable" or (coding == "zstd" and result == b"text")  # an empty frame of its own


@pytest.mark.parametrize("coding", sorted(CODINGS))
@pytest.mark.parametrize("size", [MOST + 1, 1 << 20, 1 << 26])
def test_a_bomb_is_refused_before_it_goes_off(coding: str, size: int) -> None:
    assert unpacked(PACK[coding](bytes(size)), coding) == "body_too_large"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_thousands_of_members_are_refused(coding: str) -> None:
    assert unpacked(PACK[coding](b"") * 60, coding) == b""
    assert unpacked(PACK[coding](b"") * 65, coding) == "body_undecodable"


PARTS = [b"--X", b"--X--", b"\r\n", b"\n", b"\r", b"--", b"Content-Disposition: form-data; ", b'name="a"', b"name*=",
         b'; filename="b"', b"; filename*=utf-8''b", b"Content-Type: text/plain; charset=utf-8", b"Content-Length: 1",
         b"\xff", b"\0", b'"', b"\\", b" ", b"purpose", b"batch",
         b'{"url":"/v1/responses","body":{"input":"x"}}']  # fmt: skip
WELL_FORMED = (
    b'--X\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    b'{"method":"POST","url":"/v1/responses","body":{"input":"x"}}\n\r\n--X--\r\n'
)
FORM_PATHS = ["/v1/files", "/v1/audio/transcriptions", "/v1/images/edits", "/v1/nobody/knows"]


def read_form(body: bytes, content_type: str) -> None:
    for path in FORM_PATHS:
        try:
            match("POST", path).parse(body, content_type)
        except InvalidBody:
            continue


@given(body=st.lists(st.sampled_from(PARTS), max_size=25).map(b"".join))
def test_arbitrary_forms_raise_nothing_else(body: bytes) -> None:
    read_form(body, "multipart/form-data; boundary=X")


@given(at=st.integers(0, len(WELL_FORMED)), noise=st.binary(max_size=4) | st.sampled_from(PARTS), cut=st.integers(0, 4))
def test_damaged_forms_raise_nothing_else(at: int, noise: bytes, cut: int) -> None:
    read_form(WELL_FORMED[:at] + noise + WELL_FORMED[at + cut :], "multipart/form-data; boundary=X")


@given(content_type=st.text(max_size=40) | st.from_regex(r"multipart/form-data;( ?boundary=[X\"= ]{0,4};?){0,2}"))
def test_arbitrary_content_types_raise_nothing_else(content_type: str) -> None:
    read_form(WELL_FORMED, content_type)


@given(index=st.integers(0, len(CASES) - 1), data=st.data())
@settings(max_examples=400)
def test_a_mutated_body_raises_nothing_else(index: int, data: st.DataObject) -> None:
    body = bytearray(ANY_BODY[index])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 8))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"null", b"{}", b"[]", b"1", b'"x"', b"true", b",", b'":'])
        )
    try:
        match("POST", CASES[index][1]).parse(bytes(body))
    except InvalidBody:
        return


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside `value`."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pair for key, inner in entries for pair in [(value, key), *places(inner)]]


@given(
    index=st.integers(0, len(CASES) - 1),
    place=st.integers(0),
    other=st.sampled_from([None, True, 0, -1, 1.5, 1e300, 10**30, "", "x", [], {}, [1], ["x"], [[]], [{}], {"a": "x"}]),
)
@settings(max_examples=600)
def test_another_type_in_any_place_raises_nothing_else(index: int, place: int, other: object) -> None:
    body = copy.deepcopy(json.loads(ANY_BODY[index]))
    found = places(body)
    container, key = found[place % len(found)]
    container[key] = other
    try:
        match("POST", CASES[index][1]).parse(json.dumps(body).encode())
    except InvalidBody:
        return


@given(
    data=st.binary(max_size=200),
    text=st.text(max_size=100),
    media_type=st.sampled_from(["", "text/plain", "image/png"]),
)
def test_arbitrary_documents_raise_nothing(data: bytes, text: str, media_type: str) -> None:
    for read in (decode_text, guess_text):
        found = read(data)
        assert found is None or found.encode() is not None
    read_base64(text, media_type)
    read_data_url(f"data:{text}")


@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200), safe=st.booleans(), pad=st.booleans()
)
def test_text_in_base64_is_read_in_each_alphabet_padded_or_not(text: str, safe: bool, pad: bool) -> None:
    data = (base64.urlsafe_b64encode if safe else base64.b64encode)(text.encode()).decode()
    assert read_base64(data if pad else data.rstrip("="), "text/plain") == text


def seconds(run: Callable[[], object]) -> float:
    """The best of several runs: other work on the machine only ever adds."""
    best = float("inf")
    for _ in range(7):
        started = time.process_time()
        with suppress(InvalidBody):
            run()
        best = min(best, time.process_time() - started)
    return best


def form(content: bytes) -> bytes:
    return b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + content + b"\r\n--X--\r\n"


def grows_linearly(small: Callable[[], object], large: Callable[[], object]) -> bool:
    """Whether four times the size takes less than nine times as long; in proportion to the square it would be sixteen.

    A busy machine is given another chance.
    """
    return any(seconds(large) <= 9 * max(seconds(small), 1e-3) for _ in range(3))


CHAT = "/v1/chat/completions"
JSON = "application/json"
GROWING: dict[str, tuple[str, str, Callable[[int], bytes]]] = {
    "one string": (CHAT, JSON, lambda n: b'{"messages":[{"role":"user","content":"' + b"x" * n + b'"}]}'),
    "quotes": (CHAT, JSON, lambda n: b'{"messages":[{"role":"user","content":"' + b'\\"' * n + b'"}]}'),
    "false members": (CHAT, JSON, lambda n: b'{"messages":[{"role":"user","content":"' + b'\\":' * n + b'"}]}'),
    "backslashes": (CHAT, JSON, lambda n: b'{"messages":[{"role":"user","content":"' + b"\\\\" * n + b'"}]}'),
    "spaces": (CHAT, JSON, lambda n: b'{"messages":' + b" " * n + b'[{"role":"user","content":"x"}]}'),
    "quotes and spaces": (CHAT, JSON, lambda n: b'{"messages":[{"role":"user","content":"' + b'\\" ' * n + b'"}]}'),
    "messages": (CHAT, JSON, lambda n: b'{"messages":[' + b'{"role":"u","content":"x"},' * (n // 60) + b"{}]}"),
    "parts": (CHAT, JSON, lambda n: json.dumps(
        {"messages": [{"role": "user", "content": ["x"] * (n // 20)}]}).encode()),
    "members": (CHAT, JSON, lambda n: json.dumps(
        {"messages": [{"role": "user"}], "m": {str(i): "x" for i in range(n // 20)}}).encode()),
    "input ids": ("/v1/completions", JSON, lambda n: b'{"prompt":[' + b"1," * n + b"1]}"),
    "data": (CHAT, JSON, lambda n: json.dumps({"messages": [{"role": "user", "content": [
        {"type": "file", "file": {"file_data": "QUJD" * n}}]}]}).encode()),
    "open arrays": (CHAT, JSON, lambda n: b"[" * n),
    "unknown text": ("/x", "text/plain", lambda n: b"{" * n),
    "unknown lines": ("/x", "text/plain", lambda n: b'{"a":1}\n' * n),
    "unknown binary": ("/x", "", lambda n: b"\xff\x00" * n),
    "unknown form": ("/x", "application/x-www-form-urlencoded", lambda n: b"a=" + b"%41" * n),
    "unknown fields": ("/x", "application/x-www-form-urlencoded", lambda n: b"&" * n),
    "form text": ("/x", "multipart/form-data; boundary=X", lambda n: form(b"x" * n)),
    "form dashes": ("/x", "multipart/form-data; boundary=X", lambda n: form(b"\r\n--" * n)),
    "form delimiters": ("/x", "multipart/form-data; boundary=X", lambda n: form(b"\r\n--X\r\n" * n)),
    "form near delimiters": ("/x", "multipart/form-data; boundary=" + "-" * 60, lambda n: b"-" * n),
    "batch": ("/v1/files", "multipart/form-data; boundary=X", lambda n: WELL_FORMED.replace(
        b"\n\r\n--X--", b"\n" + b'{"url":"/v1/responses","body":{"input":"x"}}\n' * (n // 40) + b"\r\n--X--")),
}  # fmt: skip


@pytest.mark.parametrize("name", GROWING)
def test_reading_takes_time_in_proportion_to_the_size(name: str) -> None:
    path, content_type, grow = GROWING[name]
    api = match("POST", path)
    size = 100_000
    small, large = grow(size), grow(4 * size)
    assert grows_linearly(partial(api.parse, small, content_type), partial(api.parse, large, content_type))


@pytest.mark.parametrize("coding", sorted(CODINGS))
def test_unpacking_takes_time_in_proportion_to_the_size(coding: str) -> None:
    for text in (b"", b"x"):
        small = PACK[coding](text) * 10_000
        assert grows_linearly(partial(unpack, small, coding, 1 << 22), partial(unpack, small * 4, coding, 1 << 22))


PART = b'\r\n--X\r\nContent-Disposition: form-data; name="b"\r\n\r\n'


def test_forms_are_bounded_in_parts() -> None:
    with pytest.raises(InvalidBody, match="multipart_malformed"):
        parse(
            form(b"x" + b'\r\n--X\r\nContent-Disposition: form-data; name="b"\r\n\r\n' * 200),
            "multipart/form-data; boundary=X",
        )
