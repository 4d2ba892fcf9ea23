"""Text -> pieces and their hashed features, for the model that knows token soup from text. numpy alone, no loop.

A piece is what a tokeniser would roughly cut: a run of letters (split before the capital of `camelCase`), of digits, or
of signs. White space belongs to the piece that follows it. Everything is done on UTF-8 bytes; those beyond ASCII count
as one small letter, so that a language is not soup for being new. Each piece has a bucket for each row of features that
end at it, and each byte two more, which count for the piece that it is in: all are places in one table of weights
(feature hashing, Weinberger et al. 2009).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 17
WINDOW: Final = 16
"""Pieces scored together."""
STRIDE: Final = 4
DAMPING: Final = 4.0
"""Added to a window's length, so that a few pieces alone are never conclusive."""
ROWS: Final = 12
"""Features of a piece."""

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]

_SPACE, _LOWER, _UPPER, _DIGIT, _SIGN = range(5)
_GROUP = np.full(256, _LOWER, np.uint8)
_GROUP[:128] = _SIGN
_GROUP[:33] = _SPACE
_GROUP[ord("a") : ord("z") + 1] = _LOWER
_GROUP[ord("A") : ord("Z") + 1] = _UPPER
_GROUP[ord("0") : ord("9") + 1] = _DIGIT
GROUPS: Final = _GROUP.tobytes()
_ALIKE: Final = bytes(range(128)) + bytes([128] * 128)
LENGTHS = np.array([0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5] + [6] * 20 + [7], np.uint64)
DISTANCES = np.array([0, 1, 2, 3, 4, 4, 4, 4] + [5] * 24 + [6] * 96 + [7], np.uint64)
_FAR: Final = len(DISTANCES) - 1
_NEVER: Final = 7
_NEWLINE: Final = 10

_random = np.random.default_rng(20261126)
SALTS = _random.integers(1 << 62, 1 << 63, 32, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
ROW_SALTS = _random.integers(1 << 62, 1 << 63, (ROWS + 2, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SHIFT = np.uint64(64 - BITS)
_MIX = np.uint64(29)
_EIGHT = np.uint64(8)
_BASE: Final = int(SALTS[0])
_LONGEST: Final = 1 << 16


def _powers(base: int) -> Hashes:
    """`base ** i` modulo 2**64."""
    factors = np.full(_LONGEST, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)


_POWERS, _INVERSES = _powers(_BASE), _powers(pow(_BASE, -1, 1 << 64))


class Soup:
    """The pieces of some bytes, 64 kB at most: where each starts and ends, and the buckets of all features.

    `begin` is where the white space before a piece starts. `pieces` has shape (ROWS, pieces), `bytes` (2, bytes).
    """

    __slots__ = ("begin", "bytes", "end", "pieces", "start")

    def __init__(self, data: bytes) -> None:
        group = np.frombuffer(b"\0" + data.translate(GROUPS) + b"\0", np.uint8)
        before, here, after = group[:-2], group[1:-1], group[2:]
        edge = (before != here) & ((before != _UPPER) | (here != _LOWER))
        edge |= (before == _UPPER) & (here == _UPPER) & (after == _LOWER)
        edges = np.flatnonzero(edge)
        solid = here[edges] != _SPACE
        self.start, self.end = edges[solid], np.append(edges[1:], len(data))[solid]
        self.begin = np.concatenate((np.zeros(1, np.int64), self.end))[:-1]
        raw = np.frombuffer(data.translate(_ALIKE), np.uint8)
        low = np.frombuffer(data.translate(_ALIKE).lower(), np.uint8)
        self.pieces = _piece_features(raw, low, self.begin, self.start, self.end)
        self.bytes = _byte_features(raw, low)


def _piece_features(raw: Bytes, low: Bytes, begin: Indices, start: Indices, end: Indices) -> Indices:
    """Buckets of what a piece is, of what stands before it, and of how far away the same stands again."""
    table = np.zeros((ROWS, len(start)), np.uint64)
    if not len(start):
        return table.view(np.int64)
    kind = _GROUP[raw[start]].astype(np.uint64)
    signs = kind == _SIGN
    sums = np.zeros(len(raw) + 1, np.uint64)
    np.cumsum(low * _POWERS[: len(low)], out=sums[1:])
    word = (sums[end] - sums[start]) * _INVERSES[start]
    word ^= word >> _MIX
    gap = start - begin
    space = np.minimum(gap, 2).astype(np.uint64)
    space[(gap > 0) & (raw[start - 1] == _NEWLINE)] = 3
    length = LENGTHS[np.minimum(end - start, len(LENGTHS) - 1)]
    last = raw[end - 1]
    outline = kind * _EIGHT + _GROUP[last] + np.uint64(1)  # the first letter's kind and the last one's
    shape = (outline * np.uint64(2) + (last >> np.uint8(7))) * _EIGHT + length
    named = word + space * SALTS[1]
    shape = np.where(signs, word, shape * SALTS[2]) + space * SALTS[3]
    rough = np.where(signs, word, outline * SALTS[4]) + space * SALTS[5]
    table[0] = word
    table[1] = named
    table[2, 1:] = named[1:] * SALTS[6] + word[:-1]
    table[3, 2:] = word[2:] * SALTS[7] + word[:-2]
    table[4] = shape
    table[4, 1:] += shape[:-1] * SALTS[8]
    table[5, 2:] = table[4, 2:] + shape[:-2] * SALTS[9]
    table[6, 3:] = table[5, 3:] + shape[:-3] * SALTS[10]
    three = rough.copy()
    three[1:] += rough[:-1] * SALTS[11]
    three[2:] += rough[:-2] * SALTS[12]
    table[7, 3:] = three[3:] + three[:-3] * SALTS[13]
    table[8, 1:] = three[1:] + rough[:-1] * SALTS[14]
    (seen, coming), (again, anew) = _distances(word), _distances(three)
    table[9] = ((seen * _EIGHT + coming) * _EIGHT + kind) * _EIGHT + length
    table[10] = (again * _EIGHT + anew) * _EIGHT + kind
    table[11, 1:] = ((again[1:] * _EIGHT + again[:-1]) * _EIGHT + seen[1:]) * _EIGHT + seen[:-1]
    return _buckets(table, ROW_SALTS[:ROWS])


def _distances(values: Hashes) -> tuple[Hashes, Hashes]:
    """How far before and behind each piece the same one stands next, in eight steps; the last stands for never.

    Text repeats its words and its layout within a few lines; soup repeats neither.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    same = ordered[1:] == ordered[:-1]
    gap = DISTANCES[np.minimum((order[1:] - order[:-1])[same], _FAR)]
    before, behind = np.full((2, len(values)), _NEVER, np.uint64)
    before[order[1:][same]] = gap
    behind[order[:-1][same]] = gap
    return before, behind


def _byte_features(raw: Bytes, low: Bytes) -> Indices:
    """Three bytes as they are and four without case, each ending at a byte."""
    table = np.zeros((2, len(raw)), np.uint64)
    for row, (data, size) in enumerate(((raw, 3), (low, 4))):
        for back in range(min(size, len(data))):
            table[row, back:] |= data[: len(data) - back].astype(np.uint64) << np.uint64(8 * back)
    return _buckets(table, ROW_SALTS[ROWS:])


def _buckets(table: Hashes, salts: Hashes) -> Indices:
    table *= salts
    table ^= table >> _MIX
    table *= SALTS[15]
    table >>= _SHIFT
    return table.view(np.int64)


def windows(count: int) -> tuple[Indices, Indices]:
    """First piece and end of each window over `count` pieces; one window when there are few."""
    first = np.arange(0, max(count - WINDOW, 0) + STRIDE, STRIDE) if count > WINDOW else np.zeros(1, np.int64)
    return first, np.minimum(first + WINDOW, count)
