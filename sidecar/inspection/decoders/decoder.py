"""What a decoder is, and the one way of rewriting places of a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sidecar.inspection.characters import Edits

Rewritten = tuple[str, Edits]
MOST_FOUND = 1 << 12
"""Places that `find` looks at: each costs microseconds, and harmless ones may stand in front."""


@dataclass(frozen=True, slots=True)
class Replacer:
    """Takes a disguise off where it stands. `decode` gives the new text and its edits, or None.

    It is worth trying where one of its `triggers` is found. One that can `find` is worth trying around the characters
    that this gives, in a text that shows a trigger, if it has any.
    """

    name: str
    triggers: tuple[str, ...]
    decode: Callable[[str], Rewritten | None]
    find: Callable[[str], Iterator[int]] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the whole text another way; places in the result have no place of their own in the text.

    `triggers` and `find` are as for a Replacer. `certain`: the result holds all that the text says, so that nothing is
    lost by judging the result alone. `local`: it changes words here and there, so that it is tried together with all
    others that do, too.
    """

    name: str
    triggers: tuple[str, ...]
    read: Callable[[str], str | None]
    certain: bool = False
    local: bool = False
    find: Callable[[str], Iterator[int]] | None = None


def substitute(pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None], text: str) -> Rewritten | None:
    """Replace what `pattern` finds; a `replace` that returns None leaves the place as it is. None: nothing changed."""
    pieces: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    last = size = 0
    for match in pattern.finditer(text):
        new = replace(match)
        if new is None:
            continue
        start, end = match.span()
        pieces += (text[last:start], new)
        size += start - last
        edits.append((size, size + len(new), start, end))
        size += len(new)
        last = end
    if not edits:
        return None
    pieces.append(text[last:])
    return "".join(pieces), tuple(edits)


def readable(data: bytes) -> str | None:
    """The text that some decoded bytes are: UTF-8, or UTF-16 as PowerShell encodes it. None: no text."""
    if len(data) >= 4 and data.count(0) * 3 > len(data):
        encoding = "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"
    else:
        encoding = "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    odd = sum(map(text.count, _CONTROLS))
    return text if text and odd * 10 <= len(text) else None


_CONTROLS = tuple(chr(code) for code in (*range(9), *range(14, 32), 0x7F))
