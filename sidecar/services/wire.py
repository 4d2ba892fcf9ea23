"""Bytes that are appended to a serialized CheckResponse, where building it anew would cost several times as much.

Messages that follow each other on the wire merge into one: the lists of the second go behind those of the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

# Keys of length-delimited fields: number * 8 + 2. The numbers are those of protos/authorization.proto and core.proto.
_OK_RESPONSE = b"\x1a"
_RESPONSE_HEADERS_TO_ADD = b"\x32"
_HEADER = b"\x0a"
_VALUE = b"\x12"
# `append` false, for Envoys that look at it first, then `append_action` OVERWRITE_IF_EXISTS_OR_ADD.
_REPLACE = b"\x12\x00\x18\x02"


def response_headers(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers for the client of a request that may pass, each replacing what the upstream sends under its name."""
    return _sized(_OK_RESPONSE, b"".join([_option(name, value) for name, value in headers]))


def _option(name: str, value: str) -> bytes:
    text = value.encode()
    header = _name(name) + _sized(_VALUE, text)
    return _sized(_RESPONSE_HEADERS_TO_ADD, _sized(_HEADER, header) + _REPLACE)


@lru_cache(maxsize=64)
def _name(name: str) -> bytes:
    return _sized(b"\x0a", name.encode())


def _sized(key: bytes, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return key + bytes((size,)) + content
    sizes = []
    while size >= 128:
        sizes.append(size & 127 | 128)
        size >>= 7
    return key + bytes((*sizes, size)) + content
