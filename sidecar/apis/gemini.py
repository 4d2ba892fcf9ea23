"""Google's Gemini: generateContent, its stream, countTokens, embedContent, and what is cached for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

from sidecar.apis.documents import read_base64
from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.parts import Attachments
from sidecar.apis.strict import decode_object
from sidecar.apis.text import (
    Object,
    author,
    collect,
    collect_joined,
    collect_rest,
    count,
    integer,
    objects,
    refuse_lookalikes,
    string,
)
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_PATH = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+):([A-Za-z]+)\Z", re.IGNORECASE)
_ROLES = {
    "user": Role.USER, "model": Role.ASSISTANT, "function": Role.TOOL, "tool": Role.TOOL, "system": Role.SYSTEM,
}  # fmt: skip
_CAMEL = re.compile(r"_([a-z])")
_PLAIN = frozenset({"toolConfig", "safetySettings", "taskType", "outputDimensionality", "autoTruncate", "ttl"})
_READ = frozenset(
    {"contents", "content", "systemInstruction", "tools", "generationConfig", "model", "cachedContent",
     "generateContentRequest", "requests"}
)  # fmt: skip
_FIELDS = _PLAIN | _READ | {"labels", "title", "displayName"}
_GENERATION = frozenset(
    {"maxOutputTokens", "candidateCount", "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema",
     "responseModalities", "temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty", "logprobs",
     "responseLogprobs", "speechConfig", "thinkingConfig", "imageConfig", "mediaResolution", "audioTimestamp",
     "routingConfig"}
)  # fmt: skip
_WORDS = frozenset({"responseMimeType", "responseModalities", "mediaResolution"})
_CONTENT = frozenset({"role", "parts"})
_PART = frozenset(
    {"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
     "thought", "thoughtSignature", "videoMetadata"}
)  # fmt: skip
_TOOL = frozenset({"functionDeclarations"})
_NOTHING: frozenset[str] = frozenset()
_MEDIA_SKIPPED = frozenset({"data", "mimeType"})
_PART_SKIPPED = frozenset({"inlineData", "fileData", "functionResponse", "codeExecutionResult", "thoughtSignature"})


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a model. Everything that it is asked to read has the same shape."""

    name: str
    stream: bool = False


METHODS = {
    "generatecontent": Method("gemini.generate_content"),
    "streamgeneratecontent": Method("gemini.generate_content", stream=True),
    "counttokens": Method("gemini.count_tokens"),
    "embedcontent": Method("gemini.embed_content"),
    "batchembedcontents": Method("gemini.embed_content"),
}
_CACHE = Method("gemini.cached_contents")


def match(method: str, path: str) -> ApiFormat | None:
    """The format, with the model that the path names. What is put into a cache becomes a part of later prompts."""
    if method != "POST":
        return None
    if ends(path, "/cachedcontents"):
        return _CACHED
    found = _PATH.search(path)
    api = None if found is None else _FORMATS.get(found[2].lower())
    return None if api is None or found is None else replace(api, model=found[1])


def read(body: bytes, *, content_type: str, model: str | None, method: Method) -> Prompt:  # noqa: ARG001
    """The system instruction, contents in order, tools, then whatever other text the body holds."""
    fields = _canonical(decode_object(body), _FIELDS)
    segments: list[Segment] = []
    attachments = Attachments()
    asked = _read_request(fields, "", segments, attachments)
    for index, request in enumerate(objects(fields, "requests")):
        inner = _read_request(_canonical(request, _FIELDS), f"requests[{index}].", segments, attachments)
        asked.messages += inner.messages
    if method is _CACHE:
        name = string(fields, "model")
        model = name and name.rpartition("/")[2]
    return Prompt(
        api=method.name,
        model=model,
        segments=tuple(segments),
        stream=method.stream,
        max_output_tokens=asked.max_output_tokens,
        choices=asked.choices,
        messages=asked.messages,
        images=attachments.images,
        tools=asked.tools,
        body_bytes=len(body),
        files=attachments.files,
        prefilled=asked.prefilled,
        parameters=fields,
    )


@dataclass(slots=True)
class _Asked:
    """The fields of the same names in Prompt."""

    max_output_tokens: int | None
    choices: int
    messages: int
    tools: int
    prefilled: bool


def _read_request(fields: Object, path: str, into: list[Segment], attachments: Attachments) -> _Asked:
    """Append the text of one request, a nested one included; return what it asks for."""
    system = fields.get("systemInstruction")
    if type(system) is str:
        into.append(Segment(Role.SYSTEM, system, f"{path}systemInstruction"))
    elif system is not None:
        _read_content(system, f"{path}systemInstruction", into, attachments, Role.SYSTEM)
    contents = _contents(fields)
    role = None
    for index, content in enumerate(contents):
        role = _read_content(content, f"{path}contents[{index}]", into, attachments)
    tools = [_canonical(tool, _TOOL) for tool in objects(fields, "tools")]
    collect_joined(tools, Role.SYSTEM, f"{path}tools", into)
    options: Object = {}
    if fields.get("generationConfig") is not None:
        options = fields["generationConfig"] = _canonical(_object(fields["generationConfig"]), _GENERATION)
    inner: list[Segment] = []
    collect_rest(options, inner, read=_NOTHING, plain=_WORDS)
    into += [Segment(one.role, one.text, f"{path}generationConfig.{one.path}") for one in inner]
    collect_rest(fields, into, read=_READ, plain=_PLAIN)
    asked = _Asked(
        max_output_tokens=integer(options, "maxOutputTokens"),
        choices=count(options, "candidateCount"),
        messages=len(contents),
        tools=sum(_count_functions(tool) for tool in tools),
        prefilled=role is Role.ASSISTANT,
    )
    nested = fields.get("generateContentRequest")
    if nested is not None:
        within = _read_request(_canonical(_object(nested), _FIELDS), "generateContentRequest.", into, attachments)
        asked.messages += within.messages
        asked.tools += within.tools
    return asked


def _count_functions(tool: Object) -> int:
    functions = tool.get("functionDeclarations")
    return len(functions) if type(functions) is list else 1


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
) -> Role:
    content = _canonical(_object(value), _CONTENT)
    named = Role.USER if content.get("role") is None else author(content, _ROLES, path, into)
    role = role or named
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
    return role


def _read_part(part: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    for name in ("inlineData", "fileData"):
        if name in part:
            data = _canonical(_object(part[name]), frozenset({"mimeType", "data", "fileUri"}))
            kind, encoded = data.get("mimeType"), data.get("data")
            if type(kind) is str and kind.lower().startswith("image/"):
                attachments.images += 1
            else:
                attachments.files += 1
            text = read_base64(encoded, kind if type(kind) is str else "") if type(encoded) is str else None
            if text:
                into.append(Segment(Role.TOOL, text, f"{path}.{name}.data"))
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


_CACHED = ApiFormat(_CACHE.name, ErrorStyle.GEMINI, partial(read, method=_CACHE))
_FORMATS = {
    name: ApiFormat(method.name, ErrorStyle.GEMINI, partial(read, method=method)) for name, method in METHODS.items()
}
