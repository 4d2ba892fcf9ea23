"""Anthropic's messages."""

from __future__ import annotations

from functools import partial

from sidecar.apis.documents import decode_base64, is_text
from sidecar.apis.format import ApiFormat
from sidecar.apis.parts import Attachments
from sidecar.apis.strict import decode_object
from sidecar.apis.text import Object, collect, collect_joined, flag, integer, objects, refuse_lookalikes, string
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
# What the outside world wrote, whoever's message carries it.
_OUTSIDE = frozenset({"tool_result", "document", "search_result", "web_search_tool_result", "mcp_tool_result"})
_READ = frozenset({"model", "system", "messages", "stream", "max_tokens", "tools"})
_PLAIN = frozenset(
    {"temperature", "top_p", "top_k", "service_tier", "inference_geo", "thinking", "anthropic_version", "betas"}
)
_KNOWN = _READ | _PLAIN
_MESSAGE = frozenset({"role", "content"})
_BLOCK = frozenset({"type", "text", "source", "content", "input", "name", "title", "context", "thinking", "citations"})
_BLOCK_READ = frozenset({"source", "content", "signature", "cache_control", "citations"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one for a message, or asks how many input tokens one would have."""
    if method != "POST":
        return None
    if path.endswith("/v1/messages"):
        return FORMAT
    return COUNT_TOKENS if path.endswith("/v1/messages/count_tokens") else None


def read(body: bytes, *, content_type: str, model: str | None, name: str) -> Prompt:  # noqa: ARG001
    """The system text, messages in order, tools, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    messages = objects(fields, "messages")
    if not messages:
        raise InvalidBody("missing_field", "messages")
    segments: list[Segment] = []
    attachments = Attachments()
    if "system" in fields:
        _read_content(fields["system"], Role.SYSTEM, "system", segments, attachments)
    for index, message in enumerate(messages):
        role = message.get("role")
        if type(role) is not str:
            raise InvalidBody("invalid_field", "messages.role")
        author = _ROLES.get(role, Role.USER)
        path = f"messages[{index}].content"
        if len(message) != 2 or "content" not in message:
            refuse_lookalikes(message, _MESSAGE)
            collect(message, author, f"messages[{index}]", segments, skip=_MESSAGE)
        _read_content(message.get("content"), author, path, segments, attachments)
    tools: list[Object] = []
    if "tools" in fields:
        tools = objects(fields, "tools")
        collect_joined(tools, Role.SYSTEM, "tools", segments)
    if not fields.keys() <= _KNOWN:
        collect(fields, Role.USER, "", segments, skip=_KNOWN)
    return Prompt(
        api=name,
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=integer(fields, "max_tokens"),
        messages=len(messages),
        images=attachments.images,
        tools=len(tools),
        body_bytes=len(body),
        files=attachments.files,
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
            if type(text) is str and len(block) == 2 and "type" in block:
                into.append(Segment(role, text, f"{path}[{index}].text"))
            else:
                _read_block(block, role, f"{path}[{index}]", into, attachments)
    elif content is not None:
        raise InvalidBody("invalid_field", "content")


def _read_block(block: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    refuse_lookalikes(block, _BLOCK)
    kind = block.get("type")
    if kind in _OUTSIDE:
        role = Role.TOOL
    if kind == "image":
        attachments.images += 1
    elif kind == "document":
        attachments.files += 1
    collect(block, role, path, into, skip=_BLOCK_READ)
    source = block.get("source")
    if type(source) is dict:
        data, media_type = source.get("data"), source.get("media_type")
        if source.get("type") != "base64" or type(data) is not str:
            collect(source, role, f"{path}.source", into)
        else:
            if type(media_type) is str and is_text(media_type):
                into.append(Segment(Role.TOOL, decode_base64(data), f"{path}.source.data"))
            collect(source, role, f"{path}.source", into, skip=_DATA)
    elif type(source) is str:
        into.append(Segment(role, source, f"{path}.source"))
    inner = block.get("content")
    if type(inner) is dict:
        collect(inner, role, f"{path}.content", into)
    else:
        _read_content(inner, role, f"{path}.content", into, attachments)


_DATA = frozenset({"data"})

FORMAT = ApiFormat("anthropic.messages", ErrorStyle.ANTHROPIC, partial(read, name="anthropic.messages"))
COUNT_TOKENS = ApiFormat("anthropic.count_tokens", ErrorStyle.ANTHROPIC, partial(read, name="anthropic.count_tokens"))
