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

# (is a stem, offsets of the tokens that it joins), newest first
ORDERS: Final[tuple[tuple[bool, tuple[int, ...]], ...]] = (
    (False, (0,)),
    (False, (0, 1)),
    (False, (0, 1, 2)),
    (False, (0, 1, 2, 3)),
    (True, (0, 1)),
    (True, (0, 1, 2)),
    (True, (0, 2)),
)
_STEM = 5
_LONGEST = 32
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


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Kind (0 separator, 1 part of a word, 2 a token by itself) and folded value of every BMP character."""
    kind = np.zeros(0x10000, np.uint8)
    fold = np.zeros(0x10000, np.uint64)
    for code in range(0x10000):
        character = chr(code)
        category = unicodedata.category(character)
        if category[0] not in "LM":
            continue
        kind[code] = 1
        fold[code] = code if category == "Mn" else ord(unicodedata.normalize("NFD", character.lower())[0])
    for first, last in _UNSPACED:
        written = kind[first : last + 1] > 0
        kind[first : last + 1] = 2 * written
        fold[first : last + 1] = np.arange(first, last + 1) * written
    return kind, fold


_KIND, _FOLD = _tables()
_ASCII_KIND, _ASCII_FOLD = _KIND[:128].copy(), _FOLD[:128].copy()
_random = np.random.default_rng(20261123)
_POWERS = _random.integers(1 << 62, 1 << 63, _LONGEST, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SALTS = _random.integers(1 << 62, 1 << 63, (len(ORDERS), 4), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SHIFT = np.uint64(64 - BITS)
_MIX = np.uint64(32)


def hash_tokens(text: str) -> tuple[Hashes, Hashes, Indices]:
    """The text's tokens as hashes of the whole word, hashes of the stem, and where each starts (characters)."""
    kind, fold = _characters(text)
    word = kind == 1
    start = kind == 2
    start[0:1] |= word[0:1]
    start[1:] |= word[1:] > word[:-1]
    starts = np.flatnonzero(start)
    if not len(starts):
        empty = np.empty(0, np.uint64)
        return empty, empty, starts
    first = int(starts[0])
    lengths = np.diff(starts, append=len(kind))
    position = np.arange(first, len(kind)) - np.repeat(starts, lengths)
    parts = fold[first:] * _POWERS[position & (_LONGEST - 1)]
    words = np.add.reduceat(parts, starts - first)
    parts *= position < _STEM
    stems = np.add.reduceat(parts, starts - first)
    return words ^ (words >> _MIX), stems ^ (stems >> _MIX), starts


def _characters(text: str) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Kind and folded value of each character; a separator's value is 0, so that it adds nothing to a hash."""
    if text.isascii():
        octets = np.frombuffer(text.encode("ascii"), np.uint8)
        return _ASCII_KIND[octets], _ASCII_FOLD[octets]
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = np.minimum(codes, np.uint32(0xFFFF))
    return _KIND[codes], _FOLD[codes]


def features(words: Hashes, stems: Hashes) -> Indices:
    """Buckets, shape (len(ORDERS), tokens). Bucket 0 is 'nothing here': an n-gram that would begin before the text.

    Multiply-shift hashing: the upper bits of a sum of products with random odd numbers (Dietzfelbinger et al. 1997).
    """
    count = len(words)
    table = np.empty((len(ORDERS), count), np.uint64)
    for row, (stem, offsets) in enumerate(ORDERS):
        source = stems if stem else words
        out = table[row]
        np.multiply(source, _SALTS[row, 0], out=out)
        for salt, offset in enumerate(offsets[1:], 1):
            # One number for each place in the n-gram, so that the order of its words counts.
            out[offset:] += source[: count - offset] * _SALTS[row, salt]
    table >>= _SHIFT
    for row, (_, offsets) in enumerate(ORDERS):
        table[row, : offsets[-1]] = 0
    return table.view(np.int64)


def windows(count: int) -> tuple[Indices, Indices]:
    """First token and end of each window over `count` tokens; one window when the text is short."""
    first = np.arange(0, max(count - WINDOW, 0) + STRIDE, STRIDE) if count > WINDOW else np.zeros(1, np.int64)
    return first, np.minimum(first + WINDOW, count)
