"""Words of many languages -> what they mean to an attack, so that a model learns from one language about the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidecar.inspection.model.tokens import GRAM, STEMS, Hashes, grams, hash_tokens

MOST: Final = 127
"""The largest number of a concept."""
_BITS: Final = 20
_TAG_BITS: Final = 9
_CONCEPT_BITS: Final = 7
_ROWS: Final = len(STEMS) + GRAM  # a token, its beginnings, two tokens and more
_random = np.random.default_rng(20261127)
SALTS = _random.integers(1 << 62, 1 << 63, (_ROWS, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SLOT = np.uint64(64 - _BITS)
_TAG = np.uint64(64 - _BITS - _TAG_BITS)
_TAG_MASK = np.uint64((1 << _TAG_BITS) - 1)
_SHIFT = np.uint16(_CONCEPT_BITS)
_MASK = np.uint16(MOST)

Numbers = NDArray[np.uint16]


class Concepts:
    """A hashed dictionary: words, phrases of up to GRAM tokens and beginnings of words, each with its concept.

    Immutable. Of 40 000 entries about 1 % are lost to others that have their place; one of 2000 unknown words is taken
    for a known one.
    """

    __slots__ = ("table",)

    def __init__(self, slots: NDArray[np.uint32], values: Numbers) -> None:
        self.table = np.zeros(1 << _BITS, np.uint16)
        self.table[slots] = values

    @classmethod
    def of(cls, entries: Iterable[tuple[str, int]]) -> Concepts:
        """Each entry is a word, a phrase, or a beginning of 5 to 8 letters with `*` behind it, and its concept (from 1
        to MOST). The first of equal ones counts. Raises ValueError for an entry that is none of these."""
        found: dict[int, int] = {}
        for entry, concept in entries:
            hashes, starts = hash_tokens(entry)
            count = len(starts)
            if not 1 <= count <= GRAM or not 1 <= concept <= MOST:
                raise ValueError(f"{entry!r}: {count} tokens, concept {concept}")
            if entry.endswith("*"):
                row, value = STEMS.index(len(entry) - 1) + 1, hashes[0, 0]
            else:
                row, value = (len(STEMS) + count - 1 if count > 1 else 0), hashes[0, 0]
                value = grams(hashes[0])[count - 1, -1] if count > 1 else value
            key = int(value) * int(SALTS[row, 0]) & 0xFFFF_FFFF_FFFF_FFFF
            tag = key >> (64 - _BITS - _TAG_BITS) & ((1 << _TAG_BITS) - 1)
            found.setdefault(key >> (64 - _BITS), tag << _CONCEPT_BITS | concept)
        return cls(np.array(list(found), np.uint32), np.array(list(found.values()), np.uint16))

    def arrays(self) -> tuple[NDArray[np.uint32], Numbers]:
        """What the constructor takes."""
        slots = np.flatnonzero(self.table).astype(np.uint32)
        return slots, self.table[slots]

    def find(self, hashes: Hashes, joined: Hashes) -> Numbers:
        """The concept of the words that end at each token, 0 for none; of one token and several that of the several.

        `hashes` are of tokens and their beginnings, `joined` of two to GRAM tokens.
        """
        keys = np.concatenate((hashes, joined))
        keys *= SALTS
        keys = keys.ravel()
        found = self.table.take((keys >> _SLOT).view(np.int64))
        at = np.flatnonzero(found)
        found, keys = found[at], keys[at]
        true = (found >> _SHIFT) == ((keys >> _TAG) & _TAG_MASK)
        concepts = np.zeros(hashes.shape[1], np.uint16)
        concepts[at[true] % len(concepts)] = found[true] & _MASK  # phrases come last and count
        return concepts
