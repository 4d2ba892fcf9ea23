"""Characters as a reader sees them: compatibility forms, invisibles, accents, look-alikes."""

from __future__ import annotations

import re
import unicodedata
from importlib import resources

Edits = tuple[tuple[int, int, int, int], ...]
"""Places where a text was rewritten: (start, end) in the new text, (start, end) in the old one; the rest is equal."""

_PLAIN = bytes((*range(9, 14), *range(32, 127)))
_RUN = re.compile(r"[^\t-\r\x20-\x7e\u3041-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{1,64}")
_CHUNK = re.compile(r".{1,64}", re.DOTALL)
_DENSE = 2048  # characters from which a text that is mostly not ASCII is folded in chunks
_NAMED = re.compile(
    r"LATIN (?:SMALL|CAPITAL) LETTER (?:DOTLESS )?([A-Z])(?: WITH .*)?\Z"
    r"|LATIN LETTER SMALL CAPITAL ([A-Z])\Z"
    r"|NEGATIVE (?:SQUARED|CIRCLED) LATIN CAPITAL LETTER ([A-Z])\Z"
    r"|REGIONAL INDICATOR SYMBOL LETTER ([A-Z])\Z"
)
_BRAILLE = dict(
    zip(
        (0x2800 + dots for dots in (1, 3, 9, 25, 17, 11, 27, 19, 10, 26, 5, 7, 13, 29, 21, 15, 31, 23, 14, 30)),
        "abcdefghijklmnopqrst",
        strict=True,
    )
) | {0x2825: "u", 0x2827: "v", 0x283A: "w", 0x282D: "x", 0x283D: "y", 0x2835: "z", 0x2800: " "}
_PUNCTUATION = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2215\u2044\u00b7\u2022\u2219\u22c5",
    "''''\"\"\"\"\"\"''-------//....",
)
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\ufe20-\ufe2f]"
)


def _letters() -> dict[str, str]:
    table = resources.files(__package__).joinpath("homoglyphs.txt").read_text("utf-8")
    pairs = (line.split(" ") for line in table.splitlines() if not line.startswith("#"))
    return {seen: letter for letter, alike in pairs for seen in alike}


_LOOKALIKES = _letters()
_LOOKALIKE_TABLE = str.maketrans(_LOOKALIKES)
_ALIKE = "[" + "".join(_LOOKALIKES) + "]"
_ANY_ALIKE = re.compile(_ALIKE)
_MIXED = re.compile(f"[a-zA-Z]{_ALIKE}|{_ALIKE}[a-zA-Z]")
_WORD = re.compile(r"\w{1,64}")
_ASCII_LETTER = re.compile("[a-zA-Z]")
_OWN_LETTER = re.compile(
    "".join(
        chr(code)
        for first, last in ((0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x586), (0x13A0, 0x13FF))
        for code in range(first, last + 1)
        if chr(code).isalpha() and chr(code) not in _LOOKALIKES
    ).join("[]")
)


_KNOWN = 1 << 15


class _Fold(dict[int, str | None]):
    """What a character becomes; remembered for the first that are met."""

    def __missing__(self, code: int) -> str | None:
        folded = _fold(chr(code))
        if len(self) < _KNOWN:
            self[code] = folded
        return folded


def _fold(character: str) -> str | None:
    code = ord(character)
    if code in _BRAILLE:
        return _BRAILLE[code]
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp", "Cs", "Cc"):
        return " "
    if category in ("Cf", "Co", "Cn") or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code in _FILLERS:
        return None
    if match := _NAMED.match(unicodedata.name(character, "")):
        letter = match[match.lastindex or 0]
        return letter if "CAPITAL LETTER" in unicodedata.name(character) else letter.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFD", character))
    return unicodedata.normalize("NFC", bare).translate(_PUNCTUATION) or None


_FILLERS = frozenset((0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2060, 0x3164, 0xFFA0, 0xFFFC))
_FOLD = _Fold()


def clean(text: str) -> tuple[str, Edits]:
    """The text in NFKC, without invisible characters, accents or look-alikes, and how to find the way back.

    Bidirectional controls, tag characters, variation selectors, private and unassigned characters go; every space is
    a space; control characters and lone surrogates become spaces. A look-alike letter (a Cyrillic one, say) becomes
    Latin inside a word that has Latin letters, or when no letter of the text is unmistakably of its own script; Russian
    or Greek stays what it is. Linear in the text.
    """
    if text.isascii() and not text.encode("ascii").translate(None, _PLAIN):
        return text, ()
    pieces: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    last = size = 0
    dense = len(text) > _DENSE and len(text.encode("utf-8", "replace")) * 10 > len(text) * 11
    for match in (_CHUNK if dense else _RUN).finditer(text):
        start, end = match.span()
        folded = unicodedata.normalize("NFKC", match[0]).translate(_FOLD)
        size += start - last
        pieces.append(text[last:start])
        pieces.append(folded)
        if len(folded) != end - start:
            edits.append((size, size + len(folded), start, end))
        size += len(folded)
        last = end
    pieces.append(text[last:])
    return _unmask("".join(pieces)), tuple(edits)


def fold(pattern: str) -> str:
    """The same for a pattern that will be matched against cleaned text; ASCII and look-alikes stay as they are."""
    return _RUN.sub(lambda match: unicodedata.normalize("NFKC", match[0].lower()).translate(_FOLD), pattern)


def _unmask(text: str) -> str:
    """Replace look-alike letters one for one, where they pose as Latin."""
    if text.isascii() or not _ANY_ALIKE.search(text):
        return text
    if not _OWN_LETTER.search(text):
        return text.translate(_LOOKALIKE_TABLE)
    if _MIXED.search(text):
        return _WORD.sub(_unmask_word, text)
    return text


def _unmask_word(match: re.Match[str]) -> str:
    word = match[0]
    return word.translate(_LOOKALIKE_TABLE) if _ASCII_LETTER.search(word) else word
