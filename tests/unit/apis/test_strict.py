"""Strict JSON: what is read, what is refused, and that nothing else comes out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.apis.strict import MAX_DEPTH, MAX_VALUES, decode, decode_object
from sidecar.errors import InvalidBody

ACCEPTED = [
    (b"{}", {}),
    (b'{"a":1}', {"a": 1}),
    (b' \t\r\n{"a" : [1 , 2]}\n', {"a": [1, 2]}),
    (b'{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
    (b'{"a":"\\":","b":1}', {"a": '":', "b": 1}),
    (b'{"a\\\\":1,"b":2}', {"a\\": 1, "b": 2}),
    (b'{"a":"say \\"x\\": y","b":"\\\\"}', {"a": 'say "x": y', "b": "\\"}),
    (b'{"a":"{[:"}', {"a": "{[:"}),
    (b'["\\ud83d\\ude00","\\u0000"]', ["😀", "\0"]),
    ('{"ключ":"значение"}'.encode(), {"ключ": "значение"}),
    (b"[-0, 1e5, 123456789012345678901234567890]", [0, 1e5, 123456789012345678901234567890]),
    (b"null", None),
    (b'[{"a":1},{"a":1}]', [{"a": 1}, {"a": 1}]),
]

REFUSED = [
    (b"", "json_malformed"),
    (b" ", "json_malformed"),
    (b"{", "json_malformed"),
    (b"{}{}", "json_malformed"),
    (b"{}x", "json_malformed"),
    (b"{}\x00", "json_malformed"),
    (b"[1,]", "json_malformed"),
    (b'{"a":1,}', "json_malformed"),
    (b"{'a':1}", "json_malformed"),
    (b"{a:1}", "json_malformed"),
    (b'{"a" 1}', "json_malformed"),
    (b'{"a":1 "b":2}', "json_malformed"),
    (b"// x\n{}", "json_malformed"),
    (b"[NaN]", "json_malformed"),
    (b"[Infinity]", "json_malformed"),
    (b"[-Infinity]", "json_malformed"),
    (b"[01]", "json_malformed"),
    (b"[+1]", "json_malformed"),
    (b"[1.]", "json_malformed"),
    (b"[.5]", "json_malformed"),
    (b"[0x10]", "json_malformed"),
    (b"[1e999]", "json_malformed"),
    (b"[" + b"9" * 5000 + b"]", "json_malformed"),
    (b'"\x00"', "json_malformed"),
    (b'"\x1f"', "json_malformed"),
    (b'"\\x41"', "json_malformed"),
    (b'"\\u00g0"', "json_malformed"),
    (b'"\\ud800"', "json_malformed"),
    (b'["\\ude00"]', "json_malformed"),
    (b'["\\ud800\\u0041"]', "json_malformed"),
    (b'{"\\ud800":1}', "json_malformed"),
    (b'"\xff"', "json_malformed"),
    (b'"\xc0\xaf"', "json_malformed"),
    (b'"\xed\xa0\x80"', "json_malformed"),
    (b'"\xf4\x90\x80\x80"', "json_malformed"),
    (b'{"\xff":1}', "json_malformed"),
    (b"\xef\xbb\xbf{}", "json_malformed"),
    ('{"a":1}'.encode("utf-16"), "json_malformed"),
    ('{"a":1}'.encode("utf-16-le"), "json_malformed"),
    ('{"a":1}'.encode("utf-32"), "json_malformed"),
    (b"+ADw-", "json_malformed"),
    (b'{"a":1,"a":1}', "json_duplicate_key"),
    (b'{"a":1,"\\u0061":1}', "json_duplicate_key"),
    (b'{"a":1,"b":{"c":1,"c":2}}', "json_duplicate_key"),
    (b'{"a":1,"a" :1}', "json_duplicate_key"),
    (b'{"a" :1,"a"\n:1}', "json_duplicate_key"),
    (b'{"a\\\\":1,"a\\\\":2}', "json_duplicate_key"),
    (b'{"a\\\\":1,"m":1,"m" :2}', "json_duplicate_key"),
    (b'{"x":"\\":","m":1,"m":2}', "json_duplicate_key"),
    (b'{"a":[{"x":1}],"a":[]}', "json_duplicate_key"),
    (b'{"":1,"":2}', "json_duplicate_key"),
    (b"[" * 100_000, "json_too_deep"),
    (b"[" * 500 + b"]" * 500, "json_too_deep"),
    (b'{"a":' * 100_000, "json_too_deep"),
    (b'[{"":' * 50_000, "json_too_deep"),
    (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "json_too_deep"),
    (b"[" + b"[]," * MAX_VALUES + b"1]", "json_too_many_values"),
    (b"[" + b'"",' * MAX_VALUES + b"1]", "json_too_many_values"),
]


@pytest.mark.parametrize(("body", "value"), ACCEPTED)
def test_valid_json_is_read(body: bytes, value: object) -> None:
    assert decode(body) == value


@pytest.mark.parametrize(("body", "code"), REFUSED, ids=[f"{body[:24]!r}" for body, _ in REFUSED])
def test_ambiguous_or_malformed_json_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        decode(body)
    assert refused.value.code == code


def test_deepest_accepted_nesting() -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None


def test_duplicates_are_found_among_thousands_of_names() -> None:
    names = [f'"n{index}":{index}' for index in range(10_000)]
    assert len(decode_object(f"{{{','.join(names)}}}".encode())) == 10_000
    with pytest.raises(InvalidBody, match="json_duplicate_key"):
        decode(f"{{{','.join([*names, names[77]])}}}".encode())


def test_a_prompt_of_input_ids_may_be_long() -> None:
    assert decode_object(b'{"prompt":[' + b"1," * 100_000 + b"1]}")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody, match="json_not_object"):
        decode_object(body)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.sampled_from(['":', "\\", '\\":']),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(['":', "\\", '"']), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_whatever_json_writes_is_read_back(value: object, indent: int | None, ascii_only: bool) -> None:
    try:
        body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    if "\\ud" not in json.dumps(value):
        assert decode(body) == value


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    gap=st.sampled_from(["", " ", "\n", "\t \r"]),
    others=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), st.integers(), max_size=5),
    ascii_only=st.booleans(),
)
def test_a_repeated_name_is_always_found(name: str, gap: str, others: dict[str, int], ascii_only: bool) -> None:
    others.pop(name, None)
    members = [f"{json.dumps(key)}:{value}" for key, value in others.items()]
    twice = [f"{json.dumps(name, ensure_ascii=ascii_only)}{gap}:0", *members, f"{json.dumps(name)}:1"]
    with pytest.raises(InvalidBody, match="json_duplicate_key"):
        decode(f"{{{','.join(twice)}}}".encode())


@given(body=st.binary(max_size=64) | st.text('{}[]":,\\u0 \n1eE.-+tfn', max_size=40).map(str.encode))
def test_arbitrary_bytes_raise_nothing_else(body: bytes) -> None:
    try:
        value = decode(body)
    except InvalidBody:
        return
    assert value == json.loads(body)
