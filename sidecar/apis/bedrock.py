"""Amazon Bedrock's Converse."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from sidecar.apis.documents import read_base64
from sidecar.apis.format import ApiFormat
from sidecar.apis.parts import Attachments
from sidecar.apis.strict import decode_object
from sidecar.apis.text import Object, author, collect, collect_rest, integer, objects, refuse_lookalikes
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream)\Z", re.IGNORECASE)
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_KNOWN = frozenset(
    {"messages", "system", "toolConfig", "inferenceConfig", "guardrailConfig", "additionalModelRequestFields",
     "additionalModelResponseFieldPaths", "promptVariables", "requestMetadata", "performanceConfig"}
)  # fmt: skip
_READ = frozenset({"messages", "system", "toolConfig", "inferenceConfig", "guardrailConfig", "performanceConfig"})
_MESSAGE = frozenset({"role", "content"})
_BLOCK = frozenset(
    {
        "text",
        "image",
        "document",
        "video",
        "audio",
        "toolUse",
        "toolResult",
        "guardContent",
        "reasoningContent",
        "searchResult",
        "cachePoint",
    }
)
_MEDIA = {"image": True, "document": False, "video": False, "audio": False}
_BLOCK_READ = frozenset({*_MEDIA, "toolResult", "searchResult"})
_BYTES = frozenset({"bytes", "format", "s3Location"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format, with the model that the path names."""
    found = _PATH.search(path) if method == "POST" else None
    if found is None:
        return None
    return replace(_STREAM if found[2].lower() == "converse-stream" else _WHOLE, model=found[1])


def read(body: bytes, *, content_type: str, model: str | None, stream: bool) -> Prompt:  # noqa: ARG001
    """System text, messages in order, tools, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    segments: list[Segment] = []
    attachments = Attachments()
    for index, block in enumerate(objects(fields, "system")):
        _read_block(block, Role.SYSTEM, f"system[{index}]", segments, attachments)
    messages = objects(fields, "messages")
    role = None
    for index, message in enumerate(messages):
        refuse_lookalikes(message, _MESSAGE)
        role = author(message, _ROLES, f"messages[{index}]", segments)
        for place, block in enumerate(objects(message, "content")):
            _read_block(block, role, f"messages[{index}].content[{place}]", segments, attachments)
        collect(message, role, f"messages[{index}]", segments, skip=_MESSAGE)
    tools = _member(fields, "toolConfig").get("tools")
    collect(tools, Role.SYSTEM, "toolConfig.tools", segments)
    inference = _member(fields, "inferenceConfig")
    collect(inference, Role.USER, "inferenceConfig", segments)
    collect_rest(fields, segments, read=_READ)
    return Prompt(
        api="bedrock.converse",
        model=model,
        segments=tuple(segments),
        stream=stream,
        max_output_tokens=integer(inference, "maxTokens"),
        messages=len(messages),
        images=attachments.images,
        tools=len(tools) if type(tools) is list else 0,
        body_bytes=len(body),
        files=attachments.files,
        prefilled=role is Role.ASSISTANT,
        parameters=fields,
    )


def _read_block(block: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    refuse_lookalikes(block, _BLOCK)
    collect(block, role, path, into, skip=_BLOCK_READ)
    for name, is_image in _MEDIA.items():
        if name in block:
            if is_image:
                attachments.images += 1
            else:
                attachments.files += 1
            media = _member(block, name)
            collect(media, Role.TOOL, f"{path}.{name}", into, skip=frozenset({"source", "format"}))
            source = media.get("source")
            collect(source, Role.TOOL, f"{path}.{name}.source", into, skip=_BYTES)
            data = source.get("bytes") if type(source) is dict else None
            text = read_base64(data) if type(data) is str else None
            if text:
                into.append(Segment(Role.TOOL, text, f"{path}.{name}.source.bytes"))
    collect(block.get("searchResult"), Role.TOOL, f"{path}.searchResult", into)
    if "toolResult" in block:
        result = _member(block, "toolResult")
        for index, inner in enumerate(objects(result, "content")):
            _read_block(inner, Role.TOOL, f"{path}.toolResult.content[{index}]", into, attachments)
        collect(result, Role.TOOL, f"{path}.toolResult", into, skip=frozenset({"content", "toolUseId", "status"}))


def _member(fields: Object, name: str) -> Object:
    value = fields.get(name)
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidBody("invalid_field", name)
    return value


_WHOLE = ApiFormat("bedrock.converse", ErrorStyle.PROBLEM, partial(read, stream=False))
_STREAM = ApiFormat("bedrock.converse", ErrorStyle.PROBLEM, partial(read, stream=True))
