"""Any other API: every string of a JSON body, or the body itself when it is plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import parse_qsl

from sidecar.apis import multipart
from sidecar.apis.documents import decode_text
from sidecar.apis.format import ApiFormat
from sidecar.apis.strict import decode
from sidecar.apis.survey import survey
from sidecar.apis.text import Object, below, collect, read_name
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_JSON_TYPE = re.compile(r"\s*(?:application|text)/(?:[a-z0-9.+-]*\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_FORM = re.compile(r"\s*multipart/form-data\s*;", re.IGNORECASE)
_URLENCODED = re.compile(r"\s*application/x-www-form-urlencoded\s*(?:;|\Z)", re.IGNORECASE)
_MAX_FIELDS = 1000
_JSON_START = re.compile(r'[ \t\r\n]*[\[{"]')
_PATH_MODEL = re.compile(r"/(?:models?|tunedModels|endpoints|engines|deployments)/([^/:]+)")


def match(path: str) -> ApiFormat:
    """The format, with the model that the path names where APIs have one."""
    found = _PATH_MODEL.search(path)
    return FORMAT if found is None else replace(FORMAT, model=found[1])


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:
    """Strings in order, all as the user's. What looks like JSON is read as JSON, whatever its content type says.

    A form is read field by field, other text as one segment. A body that is no text counts as a file, and what can be
    made out in it is read all the same.
    """
    if _FORM.match(content_type):
        form = multipart.parse(body, content_type)
        fields: Object = dict(form.fields)
        segments = _read_pairs(form.fields)
        segments += [Segment(Role.USER, name, "filename") for name in form.file_names]
        segments += [Segment(Role.USER, text, "file") for text in form.documents]
        return _prompt(body, model, segments, fields, form.files)
    if _JSON_TYPE.match(content_type):
        value: object = decode(body)
    else:
        text = decode_text(body)
        if text is None:
            noise = Segment(Role.USER, body.decode(errors="replace"), "")
            return _prompt(body, model, [noise], {}, files=1)
        value = _decode_if_json(text) if _JSON_START.match(text) else None
        if value is None:
            return _read_plain(body, text, content_type, model)
    segments = []
    collect(value, Role.USER, "", segments)
    return _prompt(body, model, segments, value)


def _prompt(body: bytes, model: str | None, segments: list[Segment], value: object, files: int = 0) -> Prompt:
    fields: Object = value if type(value) is dict else {}
    asked = survey(value)
    return Prompt(
        api="unknown",
        model=_only_model(segments, model),
        segments=tuple(segments),
        stream=fields.get("stream") is True,
        max_output_tokens=asked.max_output_tokens,
        choices=asked.choices,
        messages=asked.messages,
        images=asked.images,
        tools=asked.tools,
        body_bytes=len(body),
        files=files,
        input_ids=asked.input_ids,
        claims_system=asked.claims_system,
        parameters=fields,
    )


def _only_model(segments: list[Segment], model: str | None) -> str | None:
    """The model that path and body name, wherever they do (a batch has one in each request); None for several."""
    named = {one.text for one in segments if one.path.rpartition(".")[2].casefold() == "model"}
    if model is not None:
        named.add(model)
    return named.pop() if len(named) == 1 else None


def _read_plain(body: bytes, text: str, content_type: str, model: str | None) -> Prompt:
    if not _URLENCODED.match(content_type):
        return _prompt(body, model, [Segment(Role.USER, text, "")] if text else [], {})
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidBody("form_malformed") from None
    return _prompt(body, model, _read_pairs(pairs), dict(pairs))


def _read_pairs(pairs: Iterable[tuple[str, str]]) -> list[Segment]:
    segments: list[Segment] = []
    for name, text in pairs:
        read_name(name, Role.USER, "", segments)
        if text:
            segments.append(Segment(Role.USER, text, below("", name)))
    return segments


def _decode_if_json(text: str) -> object:
    """The value, or None when it is text that only begins like JSON. An ambiguous value is still refused."""
    try:
        return decode(text.encode())
    except InvalidBody as error:
        if error.code == "json_malformed":
            return None
        raise


FORMAT = ApiFormat("unknown", ErrorStyle.PROBLEM, read)
