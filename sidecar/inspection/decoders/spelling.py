"""Misspelt words that a model reads as if they were right."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import re2

from sidecar.inspection.decoders.decoder import MOST_FOUND, Reading

_WORDS = (
    "ignore", "previous", "instructions", "disregard", "system", "prompt", "password", "reveal", "forget",
    "restrictions", "guidelines", "override", "everything", "unfiltered", "developer",
)  # fmt: skip


def _like(word: str) -> str:
    """The same ends, and between them the same letters, one more or one less."""
    return rf"{word[0]}[{''.join(sorted(set(word[1:-1])))}]{{{len(word) - 3},{len(word) - 1}}}{word[-1]}"


_ANY = re2.compile(rf"(?i)\b(?:{'|'.join(f'({_like(word)})' for word in _WORDS)})\b")


_KNOWN = frozenset(_WORDS)
_SUSPECT = re2.compile(rf"(?i)\b(?:{'|'.join(map(_like, _WORDS))})\b")  # without groups, which cost time


def _right(match: re2._Match) -> str:
    """The word that is meant, or what stands there."""
    word, found = _WORDS[(match.lastindex or 1) - 1], str(match[0])
    return word if len(set(word[1:-1]) ^ set(found.lower()[1:-1])) <= 1 else found


def _respelt(text: str) -> str | None:
    read = _ANY.sub(_right, text)
    return None if read.lower() == text.lower() else read


def _misspelt(text: str) -> Iterator[int]:
    found = islice(_SUSPECT.finditer(text), MOST_FOUND)
    return (match.start() for match in found if match[0].lower() not in _KNOWN)


SPELLING = (Reading("respelt", (), _respelt, local=True, find=_misspelt),)
