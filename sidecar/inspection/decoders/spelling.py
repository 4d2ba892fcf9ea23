"""Misspelt words that a model reads as if they were right."""

from __future__ import annotations

import re

from sidecar.inspection.decoders.decoder import Reading

_WORDS = (
    "ignore", "previous", "instructions", "disregard", "system", "prompt", "password", "reveal", "forget",
    "restrictions", "guidelines", "override", "everything", "unfiltered", "developer",
)  # fmt: skip


def _like(word: str) -> str:
    """The same ends, and between them the same letters, one more or one less."""
    return rf"{word[0]}[{''.join(sorted(set(word[1:-1])))}]{{{len(word) - 3},{len(word) - 1}}}{word[-1]}"


# The look-ahead turns nearly every word away before the words are tried one by one.
_FIRST = "".join(sorted({word[0] for word in _WORDS}))
_ANY = re.compile(
    rf"\b(?=[{_FIRST}][a-z]{{4,13}}\b)(?:{'|'.join(f'({_like(word)})' for word in _WORDS)})\b", re.IGNORECASE
)


def _right(match: re.Match[str]) -> str:
    word = _WORDS[(match.lastindex or 1) - 1]
    return word if len(set(word[1:-1]) ^ set(match[0].lower()[1:-1])) <= 1 else match[0]


def _respelt(text: str) -> str | None:
    read = _ANY.sub(_right, text)
    return None if read.lower() == text.lower() else read


SPELLING = (Reading("respelt", tuple(rf"\b{_like(word)}\b" for word in _WORDS), _respelt),)
