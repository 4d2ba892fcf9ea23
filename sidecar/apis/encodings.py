"""Content encodings, undone within a bound."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import brotli

from sidecar.errors import InvalidBody

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

_LARGEST_WINDOW: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB, which every decoder must support and no encoder should exceed (RFC 8878, section 3.1.1.1.2)."""

_MAX_MEMBERS = 64
"""Each copies what is behind it, so thousands of empty ones would take time in proportion to the square of the size."""


class _Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def unpack(body: bytes, coding: str, most: int) -> bytes:
    """What `body` holds. Raises InvalidBody: `body_too_large` for more than `most` bytes, `body_undecodable`.

    `coding` is a name of `CODINGS`. Time and memory are in proportion to `most`.
    """
    try:
        return CODINGS[coding](body, most)
    except (zlib.error, zstd.ZstdError, brotli.error):
        raise InvalidBody("body_undecodable") from None


def _members(new: Callable[[], _Decompressor], *, several: bool) -> Callable[[bytes, int], bytes]:
    """Of streams that say where they end; `several` of them may stand one behind the other."""

    def unpack(body: bytes, most: int) -> bytes:
        unpacked = bytearray()
        rest = body
        members = 0
        while rest:
            members += 1
            if members > _MAX_MEMBERS:
                raise InvalidBody("body_undecodable")
            stream = new()
            unpacked += stream.decompress(rest, most + 1 - len(unpacked))
            if len(unpacked) > most:
                raise InvalidBody("body_too_large")
            rest = stream.unused_data
            if not stream.eof or (rest and not several):
                raise InvalidBody("body_undecodable")
        return bytes(unpacked)

    return unpack


def _brotli(body: bytes, most: int) -> bytes:
    stream = brotli.Decompressor()
    unpacked = bytearray(stream.process(body, output_buffer_limit=most + 1))
    while len(unpacked) <= most and not stream.is_finished():
        more = stream.process(b"", output_buffer_limit=most + 1 - len(unpacked))
        if not more:
            raise InvalidBody("body_undecodable")  # cut off
        unpacked += more
    if len(unpacked) > most:
        raise InvalidBody("body_too_large")
    return bytes(unpacked)


# gzip and zstd allow several members in a row (RFC 1952, section 2.2; RFC 8878, section 3.1).
CODINGS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _members(lambda: zlib.decompressobj(31), several=True),
    "deflate": _members(lambda: zlib.decompressobj(15), several=False),
    "br": _brotli,
    "zstd": _members(lambda: zstd.ZstdDecompressor(options=_LARGEST_WINDOW), several=True),
}
"""From the name of a content encoding (RFC 9110, section 8.4.1) to what undoes it."""
