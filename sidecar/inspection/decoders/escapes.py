"""Escapes for single characters: HTML entities, percent, backslash, quoted-printable, code points."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote_to_bytes

from sidecar.inspection.decoders.decoder import Replacer, Rewritten, substitute

_ENTITY = re.compile(r"(?:&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});?){1,64}")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){1,64}")
_PERCENT_U = re.compile(r"%u([0-9a-fA-F]{4})")
_BACKSLASH = re.compile(
    r"(?:\\+(?:u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]{1,6}\}|[0-7]{3})){1,256}"
)
_ONE_BACKSLASH = re.compile(r"\\+(?:([0-7]{3})|[uUx]\{?([0-9a-fA-F]+)\}?)")
_BYTES = re.compile(r"(?:\\+x[0-9a-fA-F]{2})+")
_QUOTED_PRINTABLE = re.compile(r"(?:=[0-9A-F]{2}){1,64}|=\r?\n")
_CODE_POINTS = re.compile(r"(?:\b[uU]\+[0-9a-fA-F]{4,6}[ ,;]{0,2}){3,}")
_CODE_POINT = re.compile(r"[uU]\+([0-9a-fA-F]{4,6})")


def _character(code: int) -> str:
    return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else ""


def _entities(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        found = html.unescape(match[0])
        return None if found == match[0] else found

    return substitute(_ENTITY, decode, text)


def _percent(text: str) -> Rewritten | None:
    if "%u" in text.lower() and (wide := substitute(_PERCENT_U, lambda match: _character(int(match[1], 16)), text)):
        return wide
    return substitute(_PERCENT, lambda match: unquote_to_bytes(match[0]).decode("utf-8", "replace"), text)


def _backslash(text: str) -> Rewritten | None:
    def one(match: re.Match[str]) -> str:
        return _character(int(match[1], 8) if match[1] else int(match[2], 16))

    def several(match: re.Match[str]) -> str:
        if _BYTES.fullmatch(match[0]):
            data = bytes.fromhex(match[0].replace("\\", "").replace("x", ""))
            try:
                return data.decode()
            except UnicodeDecodeError:
                return data.decode("latin-1")
        return _ONE_BACKSLASH.sub(one, match[0])

    return substitute(_BACKSLASH, several, text)


def _quoted_printable(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str:
        digits = match[0].replace("=", "")
        return bytes.fromhex(digits).decode("utf-8", "replace") if digits.strip() else ""

    return substitute(_QUOTED_PRINTABLE, decode, text)


def _code_points(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str:
        return "".join(_character(int(code, 16)) for code in _CODE_POINT.findall(match[0])) + " "

    return substitute(_CODE_POINTS, decode, text)


ESCAPES = (
    Replacer("html_entities", (r"&(?:#[0-9x]|[a-z]{2,8};)",), _entities),
    Replacer("percent", (r"(?:%[0-9a-f]{2}.{0,12}){3}", r"%u[0-9a-f]{4}"), _percent),
    Replacer("backslash", (r"\\(?:u\{?[0-9a-f]{2}|x\{?[0-9a-f]{2}|[0-7]{3})",), _backslash),
    Replacer("quoted_printable", (r"(?:=[0-9a-f]{2}.{0,12}){4}",), _quoted_printable),
    Replacer("code_points", (r"(?:u\+[0-9a-f]{4,6}[ ,;]{0,2}){3}",), _code_points),
)
