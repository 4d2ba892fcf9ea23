"""Any other API: every string of a JSON body, or the body itself when it is plain text."""

from __future__ import annotations

import re
from json import detect_encoding

from sidecar.apis.format import ApiFormat
from sidecar.apis.strict import decode
from sidecar.apis.text import collect
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_JSON_TYPE = re.compile(r"\s*(?:application|text)/(?:[a-z0-9.+-]*\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_JSON_START = re.compile(r'[ \t\r\n]*[\[{"]')


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:
    """Strings in order, all as the user's. What looks like JSON is read as JSON, whatever its content type says.

    A body that is neither JSON nor text has no segments and counts as one file.
    """
    value: object = None
    segments: list[Segment] = []
    files = 0
    if _JSON_TYPE.match(content_type):
        value = decode(body)
    elif body:
        text = _decode_text(body)
        if text is None:
            files = 1
        elif _JSON_START.match(text):
            value = _decode_if_json(text)
        if text and value is None:
            segments.append(Segment(Role.USER, text, ""))
    if value is not None:
        collect(value, Role.USER, "", segments)
    fields = value if type(value) is dict else {}
    named = fields.get("model")
    return Prompt(
        api="unknown",
        model=named if model is None and type(named) is str else model,
        segments=tuple(segments),
        stream=fields.get("stream") is True,
        body_bytes=len(body),
        files=files,
        parameters=fields,
    )


def _decode_text(body: bytes) -> str | None:
    """The text in UTF-8, UTF-16 or UTF-32, told apart as Python's own `json` does for the servers built on it."""
    try:
        return body.decode(detect_encoding(body))
    except UnicodeDecodeError:
        return None


def _decode_if_json(text: str) -> object:
    """The value, or None when it is text that only begins like JSON. An ambiguous value is still refused."""
    try:
        return decode(text.encode())
    except InvalidBody as error:
        if error.code == "json_malformed":
            return None
        raise


FORMAT = ApiFormat("unknown", ErrorStyle.PROBLEM, read)
