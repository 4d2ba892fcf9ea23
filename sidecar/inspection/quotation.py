"""Whether a place in a text is inside a quotation: words that are talked about rather than said."""

from __future__ import annotations

import re
from typing import Final

_REACH: Final = 400  # bytes on either side within which a quotation begins and ends
_TRIES: Final = 16  # marks looked at, so that a text of nothing but marks costs no more
_LEAST: Final = 12  # letters and digits that a text must have outside the quotation to be about it
_CLOSING: Final[dict[bytes, bytes]] = {
    opening.encode(): "|".join(map(re.escape, closing)).encode()
    for opening, closing in {
        '"': '"',
        "`": "`",
        "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}",
        "\N{DOUBLE LOW-9 QUOTATION MARK}": "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}",
        "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}",
        "\N{LEFT CORNER BRACKET}": "\N{RIGHT CORNER BRACKET}",
        "\N{LEFT WHITE CORNER BRACKET}": "\N{RIGHT WHITE CORNER BRACKET}",
    }.items()
}
_APOSTROPHES: Final = {
    mark.encode(): b"(?:'|\\xe2\\x80\\x99)(?![a-z0-9])" for mark in "'\N{LEFT SINGLE QUOTATION MARK}"
}
_ENDS: Final = {opening: re.compile(closing) for opening, closing in (_CLOSING | _APOSTROPHES).items()}
_LONGEST: Final = max(map(len, _ENDS)) + 1
_OPENING: Final = re.compile(rb"(?<![a-z0-9.,!?)\]])(" + b"|".join(map(re.escape, _ENDS)) + rb")(?=\S)")
_LETTER: Final = re.compile(rb"[a-z0-9\x80-\xff]")


def quoted(data: bytes, start: int, end: int) -> bool:
    """Whether the bytes from `start` to `end` of a lower-case text stand between quotation marks, with words outside.

    A mark opens a quotation when it follows a space or a sign and a word follows it. A text that is nothing but a
    quotation is not about one.
    """
    position = max(0, start - _REACH)
    for _ in range(_TRIES):
        opening = _OPENING.search(data, position, start + _LONGEST)
        if opening is None or opening.start() > start:
            return False
        position = opening.end()
        closing = _ENDS[opening[1]].search(data, position, end + _REACH)
        if closing is not None and closing.start() >= end - 1:
            return _says_more(data, opening.start(), closing.end())
        if closing is not None and closing.start() < start:
            position = closing.end()
    return False


def _says_more(data: bytes, start: int, end: int) -> bool:
    outside = data[max(0, start - _REACH) : start] + data[end : end + _REACH]
    return len(_LETTER.findall(outside)) >= _LEAST
