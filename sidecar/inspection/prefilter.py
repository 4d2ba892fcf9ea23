"""Which of many patterns are worth trying on a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources

from sidecar.inspection.pieces import Piece, pieces
from sidecar.inspection.scanner import Scanner

_SIGNS = re.compile("[^a-z0-9\x80-\U0010ffff]+")


@cache
def _ordinary() -> tuple[str, ...]:
    """Paragraphs in which rarity is measured, with single spaces for all signs."""
    text = resources.files(__package__).joinpath("ordinary.txt").read_text("utf-8")
    return tuple(_words(f" {paragraph} ") for paragraph in text.split("\n\n"))


def _words(text: str) -> str:
    return _SIGNS.sub(" ", text.lower())


class Prefilter:
    """Finds, in one pass over a text, the patterns that might match it: those whose rarest piece it has.

    Patterns match lower-case bytes. One that has no piece is always worth trying. Raises `hyperscan.error`.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._always: list[int] = []
        owners: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            if found := pieces(pattern):
                rarest = min(found, key=_share)
                owners.setdefault(f"{rarest.before}{rarest.text}{rarest.after}", []).append(index)
            else:
                self._always.append(index)
        self._owners = list(owners.values())
        self._scanner = Scanner([text.encode() for text in owners]) if owners else None

    def candidates(self, data: bytes) -> list[int]:
        """Indices of the patterns that may match the data. No other does."""
        found = self._always.copy()
        if self._scanner is None:
            return found
        for index, _ in self._scanner.scan(b"\n%b\n" % data):
            found += self._owners[index]
        return found


@lru_cache(maxsize=4)
def prefilter(patterns: tuple[str, ...]) -> Prefilter:
    """One for these patterns, compiled once: it takes most of a second, and most reloads change other things."""
    return Prefilter(patterns)


@cache
def _share(piece: Piece) -> float:
    """In what share of ordinary paragraphs the piece is found: it decides nothing but speed."""
    before, after = (" " if border else "" for border in (piece.before, piece.after))
    readings = {_words(f"{before}{reading}{after}") for reading in piece.readings}
    paragraphs = _ordinary()
    return sum(any(reading in one for reading in readings) for one in paragraphs) / len(paragraphs)
