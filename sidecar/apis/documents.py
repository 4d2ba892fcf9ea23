"""Documents and media inside a body: which of them are text, and what it says."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from json import detect_encoding
from urllib.parse import unquote

_TEXT = ("text/", "message/", "application/json", "application/xml", "application/yaml")
_TEXT_ENDINGS = ("+xml", "+json", "+yaml")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]*\Z")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\f\r"))
_MOST_CONTROLS = 0.05  # of all bytes; a picture, a sound or an archive has about 0.1
_MOST_STRANGE = 0.3  # of all characters, when read as UTF-8
_HEAD = 4096


def is_text(media_type: str) -> bool:
    """Whether a document of this media type says that it is text."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith(_TEXT) or kind.endswith(_TEXT_ENDINGS)


def decode_text(data: bytes) -> str | None:
    """The text in `data`, or None: UTF-8, UTF-16 or UTF-32, told apart as Python's `json` does."""
    try:
        text = data.decode(detect_encoding(data), "surrogatepass")
    except UnicodeDecodeError:
        return None
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def guess_text(data: bytes) -> str | None:
    """The text in `data` that may be anything; None for a picture, a sound or another medium.

    Text in another charset is read as far as it is ASCII, and so is text with a few bytes of something else.
    """
    text = decode_text(data)
    if text is None:
        text = data.decode("utf-8", "replace")
        if text.count("\ufffd") > _MOST_STRANGE * len(text):
            return None
    encoded = text.encode()
    controls = len(encoded) - len(encoded.translate(None, _CONTROLS))
    return text if controls <= _MOST_CONTROLS * len(encoded) else None


def read_base64(data: str, media_type: str = "") -> str | None:
    """The text in `data`, whatever its media type says; None for another medium. What is no base64 is text itself."""
    head = data[:_HEAD]
    if not _BASE64.match(head):
        return data
    declared = is_text(media_type)
    try:
        head = "".join(head.split())
        if not declared and guess_text(_decode(head[: len(head) & ~3])) is None:
            return None
        decoded = _decode(data)
    except binascii.Error:
        return data
    if not declared:
        return guess_text(decoded)
    text = decode_text(decoded)
    return decoded.decode("utf-8", "replace") if text is None else text


def _decode(data: str) -> bytes:
    """Base64 in either alphabet, padded or not, as lenient decoders take it."""
    return b64decode(data.encode("ascii", "ignore").translate(_URL_SAFE).rstrip(b"=\n") + b"==", validate=False)


def read_data_url(url: str) -> str | None:
    """The text that a `data:` URL (RFC 2397) holds; None for a picture, a sound or another medium."""
    head, _, data = url.partition(":")[2].partition(",")
    if "%" in data:
        data = unquote(data)
    return read_base64(data, head) if "base64" in head.lower() else data


def is_data_url(text: str) -> bool:
    """Whether `text` is a `data:` URL; the name of the scheme may be written in any case."""
    return text[:16].lstrip()[:5].lower() == "data:"
