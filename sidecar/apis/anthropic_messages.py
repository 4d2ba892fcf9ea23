"""Anthropic's messages."""

from __future__ import annotations

import re
from dataclasses import replace
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
    flag,
    integer,
    objects,
    refuse_lookalikes,
    string,
)
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
# What the outside world wrote, whoever's message carries it; so is every `..._tool_result`.
_OUTSIDE = frozenset({"tool_result", "document", "search_result"})
_READ = frozenset(
    {
        "model", "system", "messages", "stream", "max_tokens", "tools",
        # Nothing that a model is shown.
        "anthropic_version", "anthropic_beta", "betas",
    }
)  # fmt: skip
_PLAIN = frozenset({"temperature", "top_p", "top_k", "service_tier", "inference_geo", "thinking"})
_KNOWN = _READ | _PLAIN
_MESSAGE = frozenset({"role", "content"})
_BLOCK = frozenset({"type", "text", "source", "content", "input", "name", "title", "context", "thinking", "citations"})
_BLOCK_READ = frozenset({"source", "content", "signature"})
_FILES = frozenset({"document", "container_upload"})
_TAILS = {
    "/v1/messages": "anthropic.messages",
    "/v1/messages/count_tokens": "anthropic.count_tokens",
}
_VERTEX = re.compile(r"/publishers/anthropic/models/([^/:]+):(streamR|r)awPredict\Z", re.IGNORECASE)
_BEDROCK = re.compile(r"/model/([^/]*anthropic\.[^/]+)/(invoke|invoke-with-response-stream)\Z", re.IGNORECASE)


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one for a message, or asks how many input tokens one would have.

    Vertex AI and Bedrock name the model in the path.
    """
    if method != "POST":
        return None
    for tail, api in _FORMATS:
        if ends(path, tail):
            return api
    found = _VERTEX.search(path) or _BEDROCK.search(path)
    if found is None:
        return None
    return replace(_STREAM if "stream" in found[2].lower() else FORMAT, model=found[1])


def read(
    body: bytes,
    *,
    content_type: str,  # noqa: ARG001 - JSON says its own charset
    model: str | None,
    name: str,
    stream: bool = False,
) -> Prompt:
    """The system text, messages in order, tools, then whatever other text the body holds."""
    return read_fields(decode_object(body), model, name, len(body), stream=stream)


def read_fields(fields: Object, model: str | None, name: str, body_bytes: int, *, stream: bool = False) -> Prompt:
    """The same of a body that is decoded already."""
    refuse_lookalikes(fields, _KNOWN)
    messages = objects(fields, "messages")
    if not messages:
        raise InvalidBody("missing_field", "messages")
    segments: list[Segment] = []
    attachments = Attachments()
    if "system" in fields:
        _read_content(fields["system"], Role.SYSTEM, "system", segments, attachments)
    role = None
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        role = author(message, _ROLES, path, segments)
        if len(message) != 2 or "content" not in message:
            refuse_lookalikes(message, _MESSAGE)
            collect(message, role, path, segments, skip=_MESSAGE)
        _read_content(message.get("content"), role, f"{path}.content", segments, attachments)
    tools: list[Object] = []
    if "tools" in fields:
        tools = objects(fields, "tools")
        collect_joined(tools, Role.SYSTEM, "tools", segments)
    servers = fields.get("mcp_servers")  # whose tools the model is given, too
    collect_rest(fields, segments, read=_READ, plain=_PLAIN)
    return Prompt(
        api=name,
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=stream or flag(fields, "stream"),
        max_output_tokens=integer(fields, "max_tokens"),
        messages=len(messages),
        images=attachments.images,
        tools=len(tools) + (len(servers) if type(servers) is list else 0),
        body_bytes=body_bytes,
        files=attachments.files,
        prefilled=role is Role.ASSISTANT,
        parameters=fields,
    )


def _read_content(content: object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    if type(content) is str:
        into.append(Segment(role, content, path))
    elif type(content) is list:
        for index, block in enumerate(content):
            if type(block) is not dict:
                raise InvalidBody("invalid_field", "content")
            text = block.get("text")
            if type(text) is str and len(block) == 2 and block.get("type") == "text":
                into.append(Segment(role, text, f"{path}[{index}].text"))
            else:
                _read_block(block, role, f"{path}[{index}]", into, attachments)
    elif content is not None:
        raise InvalidBody("invalid_field", "content")


def _read_block(block: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    refuse_lookalikes(block, _BLOCK)
    kind = block.get("type")
    if type(kind) is str:
        if kind in _OUTSIDE or kind.endswith("_tool_result"):
            role = Role.TOOL
        attachments.images += kind == "image"
        attachments.files += kind in _FILES
    collect(block, role, path, into, skip=_BLOCK_READ)
    source = block.get("source")
    if type(source) is dict:
        _read_source(source, role, f"{path}.source", into, attachments)
    else:
        collect(source, role, f"{path}.source", into)
    inner = block.get("content")
    if type(inner) is dict:
        _read_block(inner, role, f"{path}.content", into, attachments)
    else:
        _read_content(inner, role, f"{path}.content", into, attachments)


def _read_source(source: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    data, media_type, inner = source.get("data"), source.get("media_type"), source.get("content")
    if type(inner) is list:
        _read_content(inner, role, f"{path}.content", into, attachments)
        collect(source, role, path, into, skip=_CONTENT)
    elif source.get("type") == "base64" and type(data) is str:
        text = read_base64(data, media_type if type(media_type) is str else "")
        if text:
            into.append(Segment(Role.TOOL, text, f"{path}.data"))
        collect(source, role, path, into, skip=_DATA)
    else:
        collect(source, role, path, into)


_CONTENT = frozenset({"content"})
_DATA = frozenset({"data"})

_FORMATS = tuple(
    (tail, ApiFormat(name, ErrorStyle.ANTHROPIC, partial(read, name=name))) for tail, name in _TAILS.items()
)
FORMAT = _FORMATS[0][1]
_STREAM = replace(FORMAT, read=partial(read, name=FORMAT.name, stream=True))
