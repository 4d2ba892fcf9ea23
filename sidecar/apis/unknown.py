"""Any other API: every string of a JSON body, or the body itself when it is plain text."""

from __future__ import annotations

import re
from json import detect_encoding
from urllib.parse import parse_qsl

from sidecar.apis import multipart
from sidecar.apis.format import ApiFormat
from sidecar.apis.strict import decode
from sidecar.apis.text import Object, collect
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_JSON_TYPE = re.compile(r"\s*(?:application|text)/(?:[a-z0-9.+-]*\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_FORM = re.compile(r"\s*multipart/form-data\s*;", re.IGNORECASE)
_URLENCODED = re.compile(r"\s*application/x-www-form-urlencoded\s*(?:;|\Z)", re.IGNORECASE)
_MAX_FIELDS = 1000
_JSON_START = re.compile(r'[ \t\r\n]*[\[{"]')


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:
    """Strings in order, all as the user's. What looks like JSON is read as JSON, whatever its content type says.

    A form is read field by field, other text as one segment. A body that is no text counts as a file, and what can be
    made out in it is read all the same.
    """
    if _FORM.match(content_type):
        form = multipart.parse(body, content_type)
        fields: Object = dict(form.fields)
        segments = [Segment(Role.USER, text, name) for name, text in form.fields]
        segments += [Segment(Role.USER, name, "filename") for name in form.file_names]
        segments += [Segment(Role.USER, text, "file") for text in form.documents]
        return _prompt(body, model, segments, fields, form.files)
    if _JSON_TYPE.match(content_type):
        value: object = decode(body)
    else:
        text = _decode_text(body)
        if text is None:
            noise = Segment(Role.USER, body.decode(errors="replace"), "")
            return _prompt(body, model, [noise], {}, files=1)
        value = _decode_if_json(text) if _JSON_START.match(text) else None
        if value is None:
            return _prompt(body, model, _read_plain(text, content_type), {})
    segments = []
    collect(value, Role.USER, "", segments)
    return _prompt(body, model, segments, value if type(value) is dict else {})


def _prompt(body: bytes, model: str | None, segments: list[Segment], fields: Object, files: int = 0) -> Prompt:
    return Prompt(
        api="unknown",
        model=_only_model(segments) if model is None else model,
        segments=tuple(segments),
        stream=fields.get("stream") is True,
        body_bytes=len(body),
        files=files,
        parameters=fields,
    )


def _only_model(segments: list[Segment]) -> str | None:
    """The model that the body names, wherever it does (a batch has one in each request); None when it names several."""
    named = {one.text for one in segments if one.path.rpartition(".")[2].casefold() == "model"}
    return named.pop() if len(named) == 1 else None


def _read_plain(text: str, content_type: str) -> list[Segment]:
    if _URLENCODED.match(content_type):
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise InvalidBody("form_malformed") from None
        return [Segment(Role.USER, value, name) for name, value in pairs if value]
    return [Segment(Role.USER, text, "")] if text else []


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
