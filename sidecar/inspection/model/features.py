"""Tokens -> hashed features: what a text says, word by word and in concepts.

Each token gives a row of `ORDERS` features that end at it: the word, the pair of words, and the pair of stems (first
five characters) next to each other and around a word. Longer n-grams only made the model learn its sources by heart.
Each token that carries a concept gives six more: the concept, and with the concepts before it pairs, triples and
fours, nearly all regardless of their order, which differs between languages. Every feature is one of `BUCKETS` places
in a table of weights (feature hashing, Weinberger et al. 2009).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from sidecar.inspection.model.concepts import MOST, Concepts, Numbers
from sidecar.inspection.model.tokens import Hashes, Indices, behind, grams

_BITS: Final = 20
_MEANING_BITS: Final = 17
WORDS: Final = 1 << _BITS
"""Buckets of words; those of concepts follow."""
BUCKETS: Final = WORDS + (1 << _MEANING_BITS)
WINDOW: Final = 32
"""Tokens scored together: an attack buried in a long document is judged by its own surroundings."""
STRIDE: Final = 16
DAMPING: Final = 4.0
"""Added to a window's length, so that two words alone are never conclusive."""

ORDERS: Final = ((0,), (0, 1), (0, 1), (0, 2))
"""Which tokens each row joins, counted back from the one where it ends: words in the first two, then stems."""
MEANINGS: Final = ((0,), (0, 1), (0, 1), (0, 1, 2), (0, 2), (0, 1, 2, 3))
"""The same of the further rows, among the tokens that carry a concept. Of the two pairs the first minds their order."""
ROWS: Final = len(ORDERS) + len(MEANINGS)
_REACH: Final = (0, 6, 10, 10)
"""How many tokens a concept may lie behind the one that so many places before it in the row."""

_random = np.random.default_rng(20261126)
PLACES = _random.integers(1 << 62, 1 << 63, 2, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
SALTS = _random.integers(1 << 62, 1 << 63, (ROWS, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
CONCEPTS = _random.integers(1 << 62, 1 << 63, MOST + 1, dtype=np.uint64)
_JOINS = np.array([[offsets.count(place) for place in range(len(_REACH))] for offsets in MEANINGS], np.uint64)
_JOINS[1, 0] = 3  # so that the order counts
_FARTHEST: Final = (slice(1, 3), slice(3, 5), slice(5, 6))  # rows by how far back they go: one, two, three
_SHIFT = np.uint64(64 - _BITS)
_MEANING_SHIFT = np.uint64(64 - _MEANING_BITS)


def features(hashes: Hashes, concepts: Concepts) -> Indices:
    """Buckets, shape (ROWS, tokens), of what `hash_tokens` gives. Bucket 0 is 'nothing here'."""
    count = hashes.shape[1]
    table = np.zeros((ROWS, count), np.uint64)
    joined = grams(hashes[0])
    table[:2] = joined[:2]
    stems = hashes[1]
    if count > 1:
        np.multiply(stems[:-1], PLACES[0], out=table[2, 1:])
        table[2, 1:] += stems[1:]
    if count > 2:
        np.multiply(stems[:-2], PLACES[1], out=table[3, 2:])
        table[3, 2:] += stems[2:]
    meant = concepts.find(hashes, joined[1:])
    words = table[: len(ORDERS)]
    words *= SALTS[: len(ORDERS)]
    words >>= _SHIFT
    at = np.flatnonzero(meant)
    if len(at):
        rows = _meanings(meant[at], at)
        rows *= SALTS[len(ORDERS) :]
        rows >>= _MEANING_SHIFT
        rows[rows > 0] += np.uint64(WORDS)
        table[len(ORDERS) :, at] = rows
    return table.view(np.int64)


def _meanings(meant: Numbers, at: Indices) -> Hashes:
    """Of each concept itself, and what it makes with those before it, as far as they are near; 0 for nothing."""
    joined: Hashes = _JOINS @ behind(CONCEPTS.take(meant), len(_REACH))
    for back, rows in enumerate(_FARTHEST, 1):
        joined[rows, :back] = 0
        joined[rows, back:] *= at[back:] - at[:-back] <= _REACH[back]
    return joined


@lru_cache(maxsize=1024)
def windows(count: int) -> tuple[Indices, Indices]:
    """First token and end of each window over `count` tokens; one window when the text is short."""
    first = np.arange(0, max(count - WINDOW, 0) + STRIDE, STRIDE) if count > WINDOW else np.zeros(1, np.int64)
    end = np.minimum(first + WINDOW, count)
    first.flags.writeable = end.flags.writeable = False
    return first, end
