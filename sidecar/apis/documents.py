"""Documents and media inside a body: which of them are text, and what it says."""

from __future__ import annotations

import binascii
from base64 import b64decode
from urllib.parse import unquote

_OPAQUE = ("image/", "audio/", "video/", "font/", "application/")
_TEXT = ("text/", "message/", "application/json", "application/xml", "application/yaml", "application/x-")
_TEXT_ENDINGS = ("+xml", "+json", "+yaml")


def is_text(media_type: str) -> bool:
    """Whether a document of this media type can be read as text. Unknown types are tried."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith(_TEXT) or kind.endswith(_TEXT_ENDINGS) or not kind.startswith(_OPAQUE)


def decode_base64(data: str) -> str:
    """The text in `data`; `data` itself when it is no base64."""
    try:
        return b64decode(data, validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return data


def read_data_url(url: str) -> str | None:
    """The text that a `data:` URL (RFC 2397) holds; None for a picture, a sound or another medium."""
    head, _, data = url[5:].partition(",")
    if not is_text(head):
        return None
    return decode_base64(data) if head.lower().endswith(";base64") else unquote(data)
