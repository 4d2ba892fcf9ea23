"""OpenAI's responses."""

from __future__ import annotations

import re

from sidecar.apis.documents import read_base64
from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.openai_chat import ROLES, deployed
from sidecar.apis.parts import Attachments, read_content, read_part
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

_READ = frozenset(
    {
        "model", "input", "items", "instructions", "stream", "max_output_tokens", "tools",
        # Nothing that a model is shown.
        "include", "previous_response_id", "prompt_cache_key", "safety_identifier",
    }
)  # fmt: skip
_PLAIN = frozenset(
    {
        "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier", "store", "stream_options",
        "truncation", "background", "max_tool_calls", "prompt_cache_retention",
    }
)  # fmt: skip
_KNOWN = _READ | _PLAIN
_PATHS = ("/responses", "/responses/input_tokens", "/responses/compact", "/conversations")
_ITEMS = re.compile(r"/conversations/[^/]+/items\Z", re.IGNORECASE)
_RESULTS = ("output", "outputs", "result", "results")
_ITEM = frozenset({"type", "role", "content", "name", "arguments", "output", "summary", "status", "id", "call_id"})
_ITEM_READ = frozenset({"role", "content", "status", "encrypted_content", *_RESULTS})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one for a response, or puts items into a conversation."""
    if method == "POST" and (ends(path, *_PATHS) or _ITEMS.search(path)):
        return deployed(FORMAT, path)
    return None


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - JSON says its own charset
    """Instructions, the input's items in order, tools, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    segments: list[Segment] = []
    attachments = Attachments()
    if "instructions" in fields:
        collect(fields["instructions"], Role.SYSTEM, "instructions", segments)
    messages, last = 0, None
    for name in ("input", "items"):
        if name in fields:
            read, last = _read_input(fields[name], name, segments, attachments)
            messages += read
    tools = objects(fields, "tools")
    collect_joined(tools, Role.SYSTEM, "tools", segments)
    collect_rest(fields, segments, read=_READ, plain=_PLAIN)
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
        input_ids=attachments.input_ids,
        prefilled=last is Role.ASSISTANT,
        parameters=fields,
    )


def _read_input(value: object, name: str, into: list[Segment], attachments: Attachments) -> tuple[int, Role | None]:
    """Append the text of the input; return how many items it has and the role of the last one."""
    if value is None:  # a stored prompt (`prompt.id`) or a conversation may stand in for it
        return 0, None
    if type(value) is str:
        into.append(Segment(Role.USER, value, name))
        return 1, Role.USER
    if type(value) is not list:
        raise InvalidBody("invalid_field", name)
    role = None
    for index, item in enumerate(value):
        if type(item) is not dict:
            raise InvalidBody("invalid_field", name)
        role = _read_item(item, f"{name}[{index}]", into, attachments)
    return len(value), role


def _read_item(item: Object, path: str, into: list[Segment], attachments: Attachments) -> Role:
    refuse_lookalikes(item, _ITEM)
    kind = string(item, "type") or "message"
    if item.get("role") is not None:
        role = author(item, ROLES, path, into)
    elif kind.endswith("_output") or kind == "mcp_list_tools":
        role = Role.TOOL
    elif kind.endswith("_call") or kind == "reasoning":
        role = Role.ASSISTANT
    else:
        role = Role.USER
    read_content(item.get("content"), role, f"{path}.content", into, attachments)
    for name in _RESULTS:
        if name in item:
            _read_result(item[name], f"{path}.{name}", into, attachments)
    collect(item, role, path, into, skip=_ITEM_READ)
    return role


def _read_result(value: object, path: str, into: list[Segment], attachments: Attachments) -> None:
    """What came of a call, whoever's item reports it: text, parts, or a picture in base64."""
    if type(value) is dict:
        read_part(value, Role.TOOL, path, into, attachments)
    elif type(value) is list:
        read_content(value, Role.TOOL, path, into, attachments)
    elif type(value) is str and path.endswith(".result"):
        attachments.images += 1
        text = read_base64(value)
        if text:
            into.append(Segment(Role.TOOL, text, path))
    else:
        collect(value, Role.TOOL, path, into)


FORMAT = ApiFormat("openai.responses", ErrorStyle.OPENAI, read)
