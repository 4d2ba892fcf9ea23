"""Text -> hashed tokens, in numpy alone: no Python loop over words.

A token is a run of letters and marks, or one character of a script that writes no spaces (Han, kana, Hangul, Thai,
Lao, Khmer, Burmese). Characters are folded first: lower case, no accents. Numbers say nothing.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import numpy as np
from numpy.typing import NDArray

GRAM: Final = 4
"""Most tokens that are hashed together."""
STEMS: Final = (5, 6, 7, 8)
"""Characters of a token's beginnings that are hashed besides the whole of it."""
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


def _tables() -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
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


ALONE, FOLD = _tables()
"""Of every BMP character: whether it is a token by itself, and its folded value; 0 is a separator."""
_ASCII = bytes(FOLD[:128].astype(np.uint8)) + bytes(128)
_random = np.random.default_rng(20261123)
BASE: Final = int(_random.integers(1 << 62, 1 << 63, dtype=np.uint64)) * 2 + 1
_POWERS, _INVERSES = _powers(BASE), _powers(pow(BASE, -1, 1 << 64))
_MIX = np.uint64(32)
SALTS = _random.integers(1 << 62, 1 << 63, (GRAM, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_LENGTHS = np.array([[_CHUNK], *([length] for length in STEMS)])


def hash_tokens(text: str) -> tuple[Hashes, Indices]:
    """Hashes of the text's tokens, and where each starts (characters).

    Hashes have shape (1 + len(STEMS), tokens): the whole token first, then its beginnings. A token that a chunk's end
    cuts counts as two.
    """
    if len(text) <= _CHUNK:
        return _hash_chunk(text)
    parts = [_hash_chunk(text[at : at + _CHUNK]) for at in range(0, len(text), _CHUNK)]
    hashes = np.concatenate([part[0] for part in parts], axis=1)
    return hashes, np.concatenate([part[1] + number * _CHUNK for number, part in enumerate(parts)])


def _hash_chunk(text: str) -> tuple[Hashes, Indices]:
    """A polynomial over each token's characters: the powers run through the chunk, and are divided out by place."""
    framed, starts, ends = _ascii_tokens(text) if text.isascii() else _unicode_tokens(text)
    if not len(starts):
        return np.empty((1 + len(STEMS), 0), np.uint64), starts
    sums = np.cumsum(framed * _POWERS[: len(framed)])
    hashes = sums[np.minimum(starts + _LENGTHS, ends)]
    hashes -= sums[starts]
    hashes *= _INVERSES[starts]
    hashes ^= hashes >> _MIX
    return hashes, starts


def _ascii_tokens(text: str) -> tuple[NDArray[np.uint8], Indices, Indices]:
    """Folded characters between two zeros, and where each token starts and ends in the text."""
    framed = np.frombuffer(b"\0" + text.encode("ascii").translate(_ASCII) + b"\0", np.uint8)
    word = framed != 0
    edges = np.flatnonzero(word[1:] != word[:-1])
    return framed, edges[::2], edges[1::2]


def _unicode_tokens(text: str) -> tuple[NDArray[np.uint16], Indices, Indices]:
    codes = np.frombuffer(f"\0{text}\0".encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = np.minimum(codes, np.uint32(0xFFFF))
    framed = FOLD[codes]
    alone = ALONE[codes]
    word = (framed != 0) & ~alone
    starts = np.flatnonzero(alone[1:] | (word[1:] & ~word[:-1]))
    ends = np.flatnonzero(alone[:-1] | (word[:-1] & ~word[1:]))
    return framed, starts, ends


def grams(words: Hashes) -> Hashes:
    """Hashes of one to GRAM tokens that end at each token, shape (GRAM, tokens); 0 where they would begin before all.

    Multiply-shift hashing: sums of products with random odd numbers (Dietzfelbinger et al. 1997), one number for each
    place, so that the order of words counts. The upper bits are the good ones.
    """
    table = behind(words, GRAM)
    table *= SALTS
    np.add.accumulate(table, axis=0, out=table)
    for row in range(1, GRAM):
        table[row, :row] = 0
    return table


def behind(values: Hashes, count: int) -> Hashes:
    """Each value and those before it, shape (count, len(values)); 0 where there is none."""
    table = np.zeros((count, len(values)), np.uint64)
    table[0] = values
    for row in range(1, min(count, len(values))):
        table[row, row:] = values[:-row]
    return table
