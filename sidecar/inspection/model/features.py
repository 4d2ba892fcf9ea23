"""Text -> hashed word features, in numpy alone: no Python loop over words, so 1 kB costs tens of microseconds.

A token is a run of letters and marks, or one character of a script that writes no spaces (Han, kana, Hangul, Thai,
Lao, Khmer, Burmese). Characters are folded first: lower case, no accents. Numbers say nothing. Each token gives a
row of `ORDERS` features that end at it: words of one to four, and stems (first five characters) of two and three and
with a gap. Every feature is a bucket of a table of `2 ** BITS` weights (feature hashing, Weinberger et al. 2009).
"""

from __future__ import annotations

import unicodedata
from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 20
WINDOW: Final = 32
"""Tokens scored together: an attack buried in a long document is judged by its own surroundings."""
STRIDE: Final = 16
DAMPING: Final = 4.0
"""Added to a window's length, so that two words alone are never conclusive."""

# (is a stem, offsets of the tokens that it joins, the order that this one continues), newest token first
ORDERS: Final[tuple[tuple[bool, tuple[int, ...], int | None], ...]] = (
    (False, (0,), None),
    (False, (0, 1), 0),
    (False, (0, 1, 2), 1),
    (False, (0, 1, 2, 3), 2),
    (True, (0, 1), None),
    (True, (0, 1, 2), 4),
    (True, (0, 2), None),
)
_STEM = 5
_CHUNK: Final = 1 << 15
"""Characters hashed at a time, which bounds memory and keeps the work inside a processor's cache."""
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul jamo
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xAC00, 0xD7AF),  # Hangul
    (0xF900, 0xFAFF),  # Han, compatibility
)

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
_Units = NDArray[np.uint8] | NDArray[np.uint16]


def _tables() -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
    """Of every BMP character: whether it is a token by itself, and its folded value; 0 is a separator."""
    alone = np.zeros(0x10000, np.bool_)
    fold = np.zeros(0x10000, np.uint16)
    for code in range(0x10000):
        character = chr(code)
        category = unicodedata.category(character)
        if category[0] not in "LM":
            continue
        folded = code if category == "Mn" else ord(unicodedata.normalize("NFD", character.lower())[0])
        fold[code] = folded if folded < 0x10000 else code
    for first, last in _UNSPACED:
        alone[first : last + 1] = fold[first : last + 1] > 0
        fold[first : last + 1] = np.arange(first, last + 1) * alone[first : last + 1]
    return alone, fold


def _powers(base: int) -> Hashes:
    """`base ** i` modulo 2**64."""
    factors = np.full(_CHUNK + 2, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)


_ALONE, _FOLD = _tables()
_ASCII = bytes(_FOLD[:128].astype(np.uint8)) + bytes(128)
_random = np.random.default_rng(20261123)
_BASE = int(_random.integers(1 << 62, 1 << 63, dtype=np.uint64)) * 2 + 1
_POWERS, _INVERSES = _powers(_BASE), _powers(pow(_BASE, -1, 1 << 64))
_SALTS = _random.integers(1 << 62, 1 << 63, (2, 4, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_ORDER_SALTS = _random.integers(1 << 62, 1 << 63, (len(ORDERS), 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SHIFT = np.uint64(64 - BITS)
_MIX = np.uint64(32)


def hash_tokens(text: str) -> tuple[Hashes, Hashes, Indices]:
    """The text's tokens as hashes of the whole word, hashes of the stem, and where each starts (characters).

    A token that a chunk's end cuts counts as two.
    """
    if len(text) <= _CHUNK:
        return _hash_chunk(text)
    parts = [_hash_chunk(text[at : at + _CHUNK]) for at in range(0, len(text), _CHUNK)]
    words, stems = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    return words, stems, np.concatenate([part[2] + number * _CHUNK for number, part in enumerate(parts)])


def _hash_chunk(text: str) -> tuple[Hashes, Hashes, Indices]:
    """A polynomial over each token's characters: the powers run through the chunk, and are divided out by place."""
    framed, starts, ends = _ascii_tokens(text) if text.isascii() else _unicode_tokens(text)
    if not len(starts):
        empty = np.empty(0, np.uint64)
        return empty, empty, starts
    sums = np.cumsum(framed * _POWERS[: len(framed)])
    inverses, before = _INVERSES[starts], sums[starts]
    words = (sums[ends] - before) * inverses
    stems = (sums[np.minimum(ends, starts + _STEM)] - before) * inverses
    words ^= words >> _MIX
    stems ^= stems >> _MIX
    return words, stems, starts


def _ascii_tokens(text: str) -> tuple[NDArray[np.uint8], Indices, Indices]:
    """Folded characters between two zeros, and where each token starts and ends in the text."""
    framed = np.frombuffer(b"\0" + text.encode("ascii").translate(_ASCII) + b"\0", np.uint8)
    word = framed != 0
    edges = np.flatnonzero(word[1:] != word[:-1])
    return framed, edges[::2], edges[1::2]


def _unicode_tokens(text: str) -> tuple[NDArray[np.uint16], Indices, Indices]:
    codes = np.frombuffer(f"\0{text}\0".encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = np.minimum(codes, np.uint32(0xFFFF))
    framed = _FOLD[codes]
    alone = _ALONE[codes]
    word = (framed != 0) & ~alone
    starts = np.flatnonzero(alone[1:] | (word[1:] & ~word[:-1]))
    ends = np.flatnonzero(alone[:-1] | (word[:-1] & ~word[1:]))
    return framed, starts, ends


def features(words: Hashes, stems: Hashes) -> Indices:
    """Buckets, shape (len(ORDERS), tokens). Bucket 0 is 'nothing here': an n-gram that would begin before the text.

    Multiply-shift hashing: the upper bits of a sum of products with random odd numbers (Dietzfelbinger et al. 1997),
    one number for each place in the n-gram, so that the order of its words counts, and one for each kind of n-gram.
    """
    count = len(words)
    table = np.zeros((len(ORDERS), count), np.uint64)
    products = words * _SALTS[0], stems * _SALTS[1]
    for row, (stem, offsets, continued) in enumerate(ORDERS):
        last = offsets[-1]
        if last >= count:
            continue
        source = products[stem]
        before = source[0] if continued is None else table[continued]
        if last:
            np.add(before[last:], source[last, : count - last], out=table[row, last:])
        else:
            table[row] = before
    table *= _ORDER_SALTS
    table >>= _SHIFT
    return table.view(np.int64)


def windows(count: int) -> tuple[Indices, Indices]:
    """First token and end of each window over `count` tokens; one window when the text is short."""
    first = np.arange(0, max(count - WINDOW, 0) + STRIDE, STRIDE) if count > WINDOW else np.zeros(1, np.int64)
    return first, np.minimum(first + WINDOW, count)
