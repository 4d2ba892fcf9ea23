"""OpenAI's endpoints that take a form with files: transcriptions, translations, edits of images."""

from __future__ import annotations

from functools import partial

from sidecar.apis.format import ApiFormat
from sidecar.apis.multipart import parse
from sidecar.apis.openai_chat import deployed
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
    {"model", "n", "stream", "size", "quality", "response_format", "temperature", "language", "user", "background",
     "output_format", "input_fidelity", "chunking_strategy"}
)  # fmt: skip
_ONCE = frozenset({"model", "prompt", "n", "stream"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the path ends in one of these."""
    if method == "POST":
        for tail, api in _FORMATS:
            if path.endswith(tail):
                return deployed(api, path)
    return None


def read(body: bytes, *, content_type: str, model: str | None, name: str) -> Prompt:
    """The form's fields, prompt included, and the names of its files. Of the files only those of text are read."""
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
        if member not in _PLAIN and text:
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


_FORMATS = tuple((tail, ApiFormat(name, ErrorStyle.OPENAI, partial(read, name=name))) for tail, name in _PATHS.items())
