"""Cohere's chat, versions 1 and 2."""

from __future__ import annotations

from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.openai_chat import ROLES
from sidecar.apis.parts import Attachments, read_content
from sidecar.apis.strict import decode_object
from sidecar.apis.text import (
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
from sidecar.prompt import Prompt, Role, Segment

_ROLES = ROLES | {"chatbot": Role.ASSISTANT}
_PLAIN = frozenset(
    {"temperature", "p", "k", "seed", "frequency_penalty", "presence_penalty", "safety_mode", "citation_options",
     "prompt_truncation", "citation_quality", "logprobs", "raw_prompting", "strict_tools"}
)  # fmt: skip
_READ = frozenset(
    {"model", "messages", "message", "chat_history", "tools", "stream", "max_tokens", "preamble", "conversation_id"}
)
_KNOWN = _READ | _PLAIN | {"documents", "tool_results"}
_MESSAGE = frozenset(
    {"role", "content", "message", "tool_calls", "tool_call_id", "tool_plan", "tool_results", "citations"}
)
_MESSAGE_READ = frozenset({"role", "content"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the path is Cohere's, behind whatever prefix."""
    return FORMAT if method == "POST" and ends(path, "/v1/chat", "/v2/chat") else None


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - JSON says its own charset
    """The preamble, the conversation in order, documents and tool results, tools, then the other text."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    segments: list[Segment] = []
    attachments = Attachments()
    collect(fields.get("preamble"), Role.SYSTEM, "preamble", segments)
    messages = objects(fields, "chat_history") + objects(fields, "messages")
    role = None
    for index, message in enumerate(messages):
        refuse_lookalikes(message, _MESSAGE)
        named = string(message, "role") or ""  # version 1 has it in upper case, and its examples in other ones
        role = author(message | {"role": named.lower()}, _ROLES, f"messages[{index}]", segments)
        read_content(message.get("content"), role, f"messages[{index}].content", segments, attachments)
        collect(message, role, f"messages[{index}]", segments, skip=_MESSAGE_READ)
    collect(fields.get("message"), Role.USER, "message", segments)
    tools = objects(fields, "tools")
    collect_joined(tools, Role.SYSTEM, "tools", segments)
    collect_rest(fields, segments, read=_READ, plain=_PLAIN)
    return Prompt(
        api="cohere.chat",
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=integer(fields, "max_tokens"),
        messages=len(messages) + ("message" in fields),
        images=attachments.images,
        tools=len(tools),
        body_bytes=len(body),
        files=attachments.files,
        prefilled=role is Role.ASSISTANT and "message" not in fields,
        parameters=fields,
    )


FORMAT = ApiFormat("cohere.chat", ErrorStyle.PROBLEM, read)
