"""Google's Gemini: generateContent, its stream, countTokens, embedContent."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

from sidecar.apis.documents import decode_base64, is_text
from sidecar.apis.format import ApiFormat
from sidecar.apis.parts import Attachments
from sidecar.apis.strict import decode_object
from sidecar.apis.text import Object, collect, collect_joined, integer, objects, refuse_lookalikes
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_PATH = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+):([A-Za-z]+)\Z")
_ROLES = {"model": Role.ASSISTANT, "function": Role.TOOL, "tool": Role.TOOL, "system": Role.SYSTEM}
_CAMEL = re.compile(r"_([a-z])")
_FIELDS = frozenset(
    {"contents", "content", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "model",
     "cachedContent", "generateContentRequest", "requests", "labels", "taskType", "outputDimensionality"}
)  # fmt: skip
_PLAIN = frozenset({"toolConfig", "safetySettings", "model", "cachedContent", "taskType", "outputDimensionality"})
_READ = _PLAIN | {"contents", "content", "systemInstruction", "tools", "generationConfig"}
_CONTENT = frozenset({"role", "parts"})
_PART = frozenset(
    {"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
     "thought", "thoughtSignature", "videoMetadata"}
)  # fmt: skip
_MEDIA_SKIPPED = frozenset({"data", "mimeType"})
_PART_SKIPPED = frozenset({"inlineData", "fileData", "functionResponse", "codeExecutionResult", "thoughtSignature"})


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a model. Everything that it is asked to read has the same shape."""

    name: str
    stream: bool = False


METHODS = {
    "generateContent": Method("gemini.generate_content"),
    "streamGenerateContent": Method("gemini.generate_content", stream=True),
    "countTokens": Method("gemini.count_tokens"),
    "embedContent": Method("gemini.embed_content"),
    "batchEmbedContents": Method("gemini.embed_content"),
}


def match(method: str, path: str) -> ApiFormat | None:
    """The format, with the model that the path names."""
    found = _PATH.search(path) if method == "POST" else None
    if found is None:
        return None
    api = _FORMATS.get(found[2])
    return None if api is None else replace(api, model=found[1])


def read(body: bytes, *, content_type: str, model: str | None, method: Method) -> Prompt:  # noqa: ARG001
    """The system instruction, contents in order, tools, then whatever other text the body holds."""
    fields = _canonical(decode_object(body), _FIELDS)
    segments: list[Segment] = []
    attachments = Attachments()
    system = fields.get("systemInstruction")
    if type(system) is str:
        segments.append(Segment(Role.SYSTEM, system, "systemInstruction"))
    elif system is not None:
        _read_content(system, "systemInstruction", segments, attachments, Role.SYSTEM)
    contents = _contents(fields)
    for index, content in enumerate(contents):
        _read_content(content, f"contents[{index}]", segments, attachments)
    tools = objects(fields, "tools")
    collect_joined(tools, Role.SYSTEM, "tools", segments)
    generation = fields.get("generationConfig")
    options = (
        {} if generation is None else _canonical(_object(generation), frozenset({"maxOutputTokens", "candidateCount"}))
    )
    collect(options, Role.USER, "generationConfig", segments)
    collect(fields, Role.USER, "", segments, skip=_READ)
    choices = integer(options, "candidateCount")
    return Prompt(
        api=method.name,
        model=model,
        segments=tuple(segments),
        stream=method.stream,
        max_output_tokens=integer(options, "maxOutputTokens"),
        choices=1 if choices is None else choices,
        messages=len(contents),
        images=attachments.images,
        tools=len(tools),
        body_bytes=len(body),
        files=attachments.files,
        parameters=fields,
    )


def _contents(fields: Object) -> list[Object]:
    value = fields.get("contents", fields.get("content"))
    if type(value) is dict:
        return [value]
    if value is None:
        return []
    if type(value) is not list:
        raise InvalidBody("invalid_field", "contents")
    return [_object(one) for one in value]


def _read_content(
    value: object, path: str, into: list[Segment], attachments: Attachments, role: Role | None = None
) -> None:
    content = _canonical(_object(value), _CONTENT)
    author = content.get("role")
    if author is not None and type(author) is not str:
        raise InvalidBody("invalid_field", "role")
    role = role or _ROLES.get(author or "", Role.USER)
    parts = content.get("parts")
    if type(parts) is dict:  # the JSON of protocol buffers has lists here; the SDKs' servers are known to be lenient
        parts = [parts]
    if type(parts) is not list:
        raise InvalidBody("invalid_field", "parts")
    for index, part in enumerate(parts):
        where = f"{path}.parts[{index}]"
        if type(part) is str:
            into.append(Segment(role, part, where))
        else:
            _read_part(_canonical(_object(part), _PART), role, where, into, attachments)
    collect(content, role, path, into, skip=_CONTENT)


def _read_part(part: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    for name in ("inlineData", "fileData"):
        if name in part:
            data = _canonical(_object(part[name]), frozenset({"mimeType", "data", "fileUri"}))
            kind, encoded = data.get("mimeType"), data.get("data")
            if type(kind) is str and kind.startswith("image/"):
                attachments.images += 1
            else:
                attachments.files += 1
            if type(kind) is str and type(encoded) is str and is_text(kind):
                into.append(Segment(Role.TOOL, decode_base64(encoded), f"{path}.{name}.data"))
            collect(data, role, f"{path}.{name}", into, skip=_MEDIA_SKIPPED)
    for name in ("functionResponse", "codeExecutionResult"):
        if name in part:
            collect(part[name], Role.TOOL, f"{path}.{name}", into)
    collect(part, role, path, into, skip=_PART_SKIPPED)


def _object(value: object) -> Object:
    if type(value) is not dict:
        raise InvalidBody("invalid_field")
    return value


def _canonical(fields: Object, known: frozenset[str]) -> Object:
    """The members under their lowerCamelCase names; the JSON of protocol buffers takes the original ones as well.

    Raises InvalidBody(`ambiguous_key`) when both spellings of a member are there, or one that only looks like it.
    """
    if not fields.keys() <= known:
        renamed: Object = {}
        for name, value in fields.items():
            camel = _CAMEL.sub(lambda letter: letter[1].upper(), name) if "_" in name else name
            name_to_use = camel if camel in known else name
            if name_to_use in renamed:
                raise InvalidBody("ambiguous_key")
            renamed[name_to_use] = value
        fields = renamed
        refuse_lookalikes(fields, known)
    return fields


_FORMATS = {
    name: ApiFormat(method.name, ErrorStyle.GEMINI, partial(read, method=method)) for name, method in METHODS.items()
}
