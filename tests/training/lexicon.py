"""The words that stand for each concept, by language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from sidecar.inspection.characters import clean
from sidecar.inspection.model.concepts import Concepts

_FOLDER: Final = Path(__file__).parent / "concepts"
_FIRST: Final = "en"  # what means something in English means that everywhere
_ENTRY: Final = re.compile(r'"([^"]+)"|(\S+)')


@cache
def concepts() -> Concepts:
    """All of them. Raises ValueError for an entry that can't be used."""
    numbers: dict[str, int] = {}
    return Concepts.of((clean(entry)[0], numbers.setdefault(name, len(numbers) + 1)) for name, entry in entries())


def entries() -> Iterator[tuple[str, str]]:
    """Every concept and a word that stands for it, a phrase, or a beginning with `*`."""
    for file in sorted(_FOLDER.glob("*.txt"), key=lambda file: (file.stem != _FIRST, file.stem)):
        for line in file.read_text("utf-8").splitlines():
            name, _, words = line.partition(":")
            for phrase, word in _ENTRY.findall(words):
                yield name, phrase or word
