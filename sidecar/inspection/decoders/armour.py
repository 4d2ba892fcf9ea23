"""Bytes written in letters and digits: base64, base32, base85, base58, hexadecimal, binary, code points."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

import re2

from sidecar.inspection.decoders.decoder import MOST_FOUND, Replacer, Rewritten, readable, substitute

_INFLATED = 1 << 18  # most bytes that one compressed piece may become
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]+)*"
    r"|(?:[A-Za-z0-9+/]{4} ){5,}[A-Za-z0-9+/]{2,4})={0,3}"
)
_LONG = re2.compile(r"[A-Za-z0-9+/_\-]{16,}|(?:[A-Za-z0-9+/]{4} ){5}")
_BASE32 = re.compile(r"(?<![A-Za-z2-7])(?:[A-Z2-7]{16,}(?:\r?\n[A-Z2-7]{8,})*|[a-z2-7]{16,})={0,6}")
_HEX = re.compile(
    r"(?<![0-9a-zA-Z])(?:0x)?[0-9a-fA-F]{2}(?:[ ,:;\-\n]{0,3}(?:0x|\\x)?[0-9a-fA-F]{2}){6,}(?![0-9a-zA-Z])"
)
_BINARY = re.compile(r"(?<![0-9])[01]{7,8}(?:[ ,\n\-|/]{0,2}[01]{7,8}){3,}(?![0-9])")
_CODES = re.compile(r"(?<![0-9.])(?:0o?)?[0-9]{2,3}(?:[ ,;\n|\-]{1,2}(?:0o?)?[0-9]{2,3}){6,}(?![0-9.])")
_BASE85 = re.compile(r"<~[!-uz\s]{8,}~>")
_BASE58 = re.compile(r"(?<![A-Za-z0-9])[1-9A-HJ-NP-Za-km-z]{20,200}(?![A-Za-z0-9])")
_SPACE = re.compile(r"\s+")
_DIGITS = re.compile(r"[0-9]+")
_HEX_FILL = re.compile(r"0x|\\x|[^0-9a-fA-F]")
_ABOVE_SEVEN = re.compile("[89]")
_ALPHABET58 = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}


def _spaced(found: str | None) -> str | None:
    return None if found is None else f" {found} "


def _inflated(data: bytes) -> bytes:
    """What compressed bytes hold, as far as the bound allows; others as they are."""
    if data[:2] == b"\x1f\x8b" or data[:1] == b"\x78":
        try:
            return zlib.decompressobj(wbits=47).decompress(data, _INFLATED)
        except zlib.error:
            return data
    return data


def _mixed(text: str) -> Iterator[int]:
    found = islice(_LONG.finditer(text), MOST_FOUND)
    return (match.start() for match in found if not _one_case(match[0]))


def _one_case(letters: str) -> bool:
    """Of a word, a name or a path; base64 of a text has both cases."""
    return letters.islower() or letters.isupper()


def _base64(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        found = _base64_text(_SPACE.sub("", match[0]))
        if found is None and "\n" in match[0]:  # words may follow on the next line
            lines = match[0].split("\n")
            decoded = [_base64_text(line.strip()) for line in lines]
            if any(decoded):
                found = " ".join(new or old for new, old in zip(decoded, lines, strict=True))
        return _spaced(found)

    return substitute(_BASE64, decode, text)


def _base64_text(letters: str) -> str | None:
    letters = letters.rstrip("=").replace("-", "+").replace("_", "/")
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    if _one_case(letters):
        return None
    try:
        data = base64.b64decode(letters + "=" * (-len(letters) % 4))
    except binascii.Error:
        return None
    return _plausible(readable(_inflated(data)))


def _plausible(text: str | None) -> str | None:
    """A short piece that decodes by chance has few letters and spaces; a text is made of them."""
    if text is None or len(text) < 6:
        return None
    letters = sum(map(str.isalnum, text)) + text.count(" ")
    return text if letters * 4 >= len(text) * 3 or len(text) >= 64 else None


def _base32(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        letters = _SPACE.sub("", match[0]).rstrip("=").upper()
        if match[0].islower() and letters.isalpha():
            return None  # a word
        if len(letters) % 8 in (1, 3, 6):
            letters = letters[:-1]
        try:
            data = base64.b32decode(letters + "=" * (-len(letters) % 8))
        except binascii.Error:
            return None
        return _spaced(_plausible(readable(data)))

    return substitute(_BASE32, decode, text)


def _hex(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        digits = _HEX_FILL.sub("", match[0])
        return _spaced(_plausible(readable(_inflated(bytes.fromhex(digits[: len(digits) & ~1])))))

    return substitute(_HEX, decode, text)


def _binary(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        groups = _DIGITS.findall(match[0])
        if len(groups) == 1:
            bits = groups[0]
            width = 8 if len(bits) % 8 == 0 else 7
            groups = [bits[at : at + width] for at in range(0, len(bits), width)]
        return _codes(int(group, 2) for group in groups if len(group) <= 8)

    return substitute(_BINARY, decode, text)


def _codes(codes: Iterable[int]) -> str | None:
    listed = list(codes)
    if not listed or not all(32 <= code < 127 or code in (9, 10, 13) for code in listed):
        return None
    return _spaced(_plausible("".join(map(chr, listed))))


def _decimal(text: str) -> Rewritten | None:
    """Code points of ASCII, in tens or in eights."""

    def decode(match: re.Match[str]) -> str | None:
        numbers = _DIGITS.findall(match[0])
        tens = _codes(map(int, numbers))
        if tens is None and not _ABOVE_SEVEN.search(match[0]):
            return _codes(int(number, 8) for number in numbers)
        return tens

    return substitute(_CODES, decode, text)


def _base85(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        try:
            return _spaced(readable(base64.a85decode(match[0], adobe=True)))
        except ValueError:
            return None

    return substitute(_BASE85, decode, text)


def _base58(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        if match[0].isalpha() and (match[0].islower() or match[0].isupper()):
            return None
        number = 0
        for letter in match[0]:
            number = number * 58 + _ALPHABET58[letter]
        return _spaced(_plausible(readable(number.to_bytes((number.bit_length() + 7) // 8, "big"))))

    return substitute(_BASE58, decode, text)


ARMOUR = (
    Replacer("binary", (r"[01]{7,8}(?:[ ,\n\-|/]{0,2}[01]{7,8}){3}",), _binary),
    Replacer("hex", (r"[0-9a-f]{2}(?:[ ,:;\-\n]{0,3}(?:0x|\\x)?[0-9a-f]{2}){6}",), _hex),
    Replacer("codes", (r"[0-9]{2,3}(?:[ ,;\n|\-]{1,2}(?:0o?)?[0-9]{2,3}){6}",), _decimal),
    Replacer("base32", (r"[a-z2-7]{16}",), _base32),
    Replacer("base85", (r"<~[^~]{8}",), _base85),
    Replacer("base64", (r"[a-z0-9+/_\-]{16}", r"(?:[a-z0-9+/]{4} ){5}"), _base64, find=_mixed),
    Replacer("base58", (r"[1-9a-z]{20}",), _base58),
)
