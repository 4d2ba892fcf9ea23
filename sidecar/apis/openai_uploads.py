"""OpenAI's endpoints that take a form with files: transcriptions, translations, edits of images."""

from __future__ import annotations

from functools import partial

from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.multipart import parse
from sidecar.apis.openai_chat import deployed
from sidecar.apis.parts import read_link
from sidecar.apis.strict import decode_object
from sidecar.apis.text import collect_rest, count, flag, is_word, read_name, refuse_lookalikes, string
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_PATHS = {
    "/audio/transcriptions": "openai.transcriptions",
    "/audio/translations": "openai.translations",
    "/images/edits": "openai.images",
    "/images/variations": "openai.images",
}
_PLAIN = frozenset(
    {"n", "stream", "size", "quality", "response_format", "temperature", "language", "user", "background",
     "output_format", "input_fidelity", "chunking_strategy"}
)  # fmt: skip
_JSON_IMAGES = ("image", "images", "mask")
_JSON_READ = frozenset({"model", "n", "stream", *_JSON_IMAGES})
_JSON_KNOWN = _JSON_READ | _PLAIN | {"prompt"}
_ONCE = frozenset({"model", "prompt", "n", "stream"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the path ends in one of these."""
    if method == "POST":
        for tail, api in _FORMATS:
            if ends(path, tail):
                return deployed(api, path)
    return None


def read(body: bytes, *, content_type: str, model: str | None, name: str) -> Prompt:
    """The form's fields, prompt included, and the names of its files. Of the files only those of text are read.

    Edits of images that are elsewhere may be asked for in JSON.
    """
    if name == "openai.images" and not content_type.lstrip().lower().startswith("multipart/"):
        return _read_json(body, model)
    form = parse(body, content_type)
    segments: list[Segment] = []
    single: dict[str, str] = {}
    parameters: dict[str, object] = {}
    for member, text in form.fields:
        folded = member.casefold()
        if folded in _ONCE:
            if member != folded or member in single:
                raise InvalidBody("ambiguous_key")
            single[member] = text
        parameters[member] = text
        read_name(member, Role.USER, "", segments)
        if text and member != "model" and not (member in _PLAIN and is_word(text)):
            segments.append(Segment(Role.USER, text, member))
    segments += [Segment(Role.USER, file_name, "filename") for file_name in form.file_names if file_name]
    segments += [Segment(Role.TOOL, text, "file") for text in form.documents]
    choices = single.get("n", "1")
    if not (choices.isascii() and choices.isdigit() and len(choices) < 10):
        raise InvalidBody("invalid_field", "n")
    return Prompt(
        api=name,
        model=single.get("model") if model is None else model,
        segments=tuple(segments),
        stream=single.get("stream", "").lower() in ("true", "1"),
        choices=int(choices),
        images=form.files if name == "openai.images" else 0,
        body_bytes=len(body),
        files=0 if name == "openai.images" else form.files,
        parameters=parameters,
    )


def _read_json(body: bytes, model: str | None) -> Prompt:
    fields = decode_object(body)
    refuse_lookalikes(fields, _JSON_KNOWN)
    segments: list[Segment] = []
    images = 0
    for member in _JSON_IMAGES:
        value = fields.get(member)
        images += len(value) if type(value) is list else value is not None
        read_link(value, Role.USER, member, segments, encoded=True)
    collect_rest(fields, segments, read=_JSON_READ, plain=_PLAIN)
    return Prompt(
        api="openai.images",
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        choices=count(fields, "n"),
        images=images,
        body_bytes=len(body),
        parameters=fields,
    )


_FORMATS = tuple((tail, ApiFormat(name, ErrorStyle.OPENAI, partial(read, name=name))) for tail, name in _PATHS.items())
