"""Strict JSON: one reading of a body that every upstream shares, or none at all.

What two JSON parsers may read differently is refused: duplicate names (RFC 8259, section 4, leaves their meaning
open), NaN and infinities, byte order marks, UTF-16 and UTF-32, invalid UTF-8, lone surrogates, numbers out of range.

msgspec reads the text; it keeps the last of two equal names. A second parser with a hook per object would find them at
several times the cost, so they are counted instead: a JSON text has as many members as colons outside strings, and
a decoded value has as many as its dicts have entries. Where the two differ, a name was repeated.
"""

from __future__ import annotations

import re

import msgspec

from sidecar.errors import InvalidBody

MAX_DEPTH = 64
"""Levels of nested arrays and objects that a body may have. The deepest known API uses about twenty."""

MAX_VALUES = 20_000
"""Members and elements that a body may have, long lists of numbers aside. A thousand messages have 5,000."""

# Every member has a name that ends so. Inside a string the same bytes can stand only behind a backslash.
_NAME_END = re.compile(rb'"[ \t\r\n]*:')
_SMALL = 128 << 10  # bytes; above, a body made of quotes would make the cheap count the dearer one
_LONG_LIST = 64
_CONTAINERS = frozenset({dict, list})
_NUMBERS = frozenset({int, float})

_decode = msgspec.json.Decoder().decode


def decode(body: bytes) -> object:
    """The value of a JSON text.

    Raises InvalidBody: `json_malformed`, `json_too_deep`, `json_too_many_values` or `json_duplicate_key`. Takes linear
    time.
    """
    try:
        value = _decode(body)
    except RecursionError:
        raise InvalidBody("json_too_deep") from None
    except ValueError:  # msgspec's own errors, and UnicodeDecodeError
        raise InvalidBody("json_malformed") from None
    members = _census(value)
    # The cheap count is never too low, so equality is proof. It is too high when a string holds an escaped `":`.
    if len(body) <= _SMALL and len(_NAME_END.findall(body)) == members:
        return value
    if _count_members(body) != members:
        raise InvalidBody("json_duplicate_key")
    return value


def decode_object(body: bytes) -> dict[str, object]:
    """The object that a JSON text holds; raises InvalidBody like `decode`, and `json_not_object`."""
    value = decode(body)
    if type(value) is not dict:
        raise InvalidBody("json_not_object")
    return value


def _census(value: object) -> int:
    """Members in `value`, level by level."""
    members = depth = values = 0
    level = [value] if type(value) in _CONTAINERS else []
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise InvalidBody("json_too_deep")
        below: list[object] = []
        for node in level:
            if type(node) is dict:
                members += len(node)
                values += len(node)
                below += [inner for inner in node.values() if type(inner) in _CONTAINERS]
            elif type(node) is list and (len(node) < _LONG_LIST or not _NUMBERS.issuperset(map(type, node))):
                # A prompt of input ids is one long list of numbers: not worth a look each.
                values += len(node)
                below += [inner for inner in node if type(inner) in _CONTAINERS]
        if values > MAX_VALUES:
            raise InvalidBody("json_too_many_values")
        level = below
    return members


def _count_members(body: bytes) -> int:
    """Colons outside strings in a valid JSON text."""
    if b"\\" in body:
        # Pairs of backslashes first: what then stands before a quote escapes it.
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.split(b'"')[::2]).count(b":")
