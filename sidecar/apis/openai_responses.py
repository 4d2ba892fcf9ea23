"""OpenAI's responses."""

from __future__ import annotations

from sidecar.apis.format import ApiFormat
from sidecar.apis.openai_chat import ROLES, deployed
from sidecar.apis.parts import Attachments, read_content
from sidecar.apis.strict import decode_object
from sidecar.apis.text import Object, collect, collect_joined, flag, integer, objects, refuse_lookalikes, string
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_READ = frozenset({"model", "input", "instructions", "stream", "max_output_tokens", "tools"})
_PLAIN = frozenset(
    {
        "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier", "store", "stream_options",
        "truncation", "background", "include", "previous_response_id", "max_tool_calls", "prompt_cache_key",
        "prompt_cache_retention", "safety_identifier",
    }
)  # fmt: skip
_KNOWN = _READ | _PLAIN
_ITEM = frozenset({"type", "role", "content", "name", "arguments", "output", "summary", "status", "id", "call_id"})
_ITEM_READ = frozenset({"role", "content", "status", "encrypted_content"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one for a response."""
    return deployed(FORMAT, path) if method == "POST" and path.endswith("/responses") else None


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - JSON says its own charset
    """Instructions, the input's items in order, tools, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    segments: list[Segment] = []
    attachments = Attachments()
    if "instructions" in fields:
        collect(fields["instructions"], Role.SYSTEM, "instructions", segments)
    messages = _read_input(fields.get("input"), segments, attachments)
    tools = objects(fields, "tools")
    collect_joined(tools, Role.SYSTEM, "tools", segments)
    if not fields.keys() <= _KNOWN:
        collect(fields, Role.USER, "", segments, skip=_KNOWN)
    return Prompt(
        api="openai.responses",
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=integer(fields, "max_output_tokens"),
        messages=messages,
        images=attachments.images,
        tools=len(tools),
        body_bytes=len(body),
        files=attachments.files,
        parameters=fields,
    )


def _read_input(value: object, into: list[Segment], attachments: Attachments) -> int:
    """Append the text of the input; return how many items it has."""
    if value is None:  # a stored prompt (`prompt.id`) or a conversation may stand in for it
        return 0
    if type(value) is str:
        into.append(Segment(Role.USER, value, "input"))
        return 1
    if type(value) is not list:
        raise InvalidBody("invalid_field", "input")
    for index, item in enumerate(value):
        if type(item) is not dict:
            raise InvalidBody("invalid_field", "input")
        _read_item(item, f"input[{index}]", into, attachments)
    return len(value)


def _read_item(item: Object, path: str, into: list[Segment], attachments: Attachments) -> None:
    refuse_lookalikes(item, _ITEM)
    kind = string(item, "type") or "message"
    author = string(item, "role")
    if author is not None:
        role = ROLES.get(author, Role.USER)
    elif kind.endswith("_output"):
        role = Role.TOOL
    elif kind.endswith("_call") or kind == "reasoning":
        role = Role.ASSISTANT
    else:
        role = Role.USER
    read_content(item.get("content"), role, f"{path}.content", into, attachments)
    if kind.endswith("_output") and type(item.get("output")) is list:
        read_content(item["output"], Role.TOOL, f"{path}.output", into, attachments)
        collect(item, role, path, into, skip=_ITEM_READ | {"output"})
    else:
        collect(item, role, path, into, skip=_ITEM_READ)


FORMAT = ApiFormat("openai.responses", ErrorStyle.OPENAI, read)
