"""OpenAI's chat completions, as OpenAI, Azure, vLLM and Ollama serve them."""

from __future__ import annotations

import re
from dataclasses import replace

from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.parts import Attachments, read_content
from sidecar.apis.strict import decode_object
from sidecar.apis.text import (
    Object,
    author,
    collect,
    collect_joined,
    collect_rest,
    count,
    flag,
    integer,
    objects,
    refuse_lookalikes,
    string,
)
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
"""The role of a message's author."""

_READ = frozenset(
    {
        "model", "messages", "stream", "max_tokens", "max_completion_tokens", "n", "tools", "functions",
        # Nothing that a model is shown.
        "prompt_cache_key", "safety_identifier",
    }
)  # fmt: skip
# Numbers, and words from closed sets. Some templates print them.
_PLAIN = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "seed", "logprobs", "top_logprobs", "logit_bias", "presence_penalty",
        "frequency_penalty", "repetition_penalty", "parallel_tool_calls", "reasoning_effort", "verbosity", "modalities",
        "service_tier", "store", "stream_options", "best_of", "ignore_eos", "min_tokens", "keep_alive", "think",
        "prompt_cache_retention",
    }
)  # fmt: skip
_KNOWN = _READ | _PLAIN
_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"})
_MESSAGE_READ = frozenset({"role", "content"})
_DEPLOYMENT = re.compile(r".*/openai/deployments/([^/]+)/", re.IGNORECASE)


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one for a chat completion; Azure names the model (its deployment) in the path."""
    return deployed(FORMAT, path) if method == "POST" and ends(path, "/chat/completions") else None


def deployed(api: ApiFormat, path: str) -> ApiFormat:
    """`api`, with the model that an Azure path names, if it names one."""
    found = _DEPLOYMENT.match(path)
    return api if found is None else replace(api, model=found[1])


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - JSON says its own charset
    """Messages in order, then tools, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    segments: list[Segment] = []
    attachments = Attachments()
    messages = objects(fields, "messages")
    if not messages:
        raise InvalidBody("missing_field", "messages")
    last = read_messages(messages, segments, attachments)
    tools = 0
    for name in ("tools", "functions"):
        if name in fields:
            definitions = objects(fields, name)
            tools += len(definitions)
            collect_joined(definitions, Role.SYSTEM, name, segments)
    limit = integer(fields, "max_completion_tokens")
    older_limit = integer(fields, "max_tokens")
    if limit is None or (older_limit is not None and older_limit > limit):
        limit = older_limit  # a server reads one of the two: count on the larger
    collect_rest(fields, segments, read=_READ, plain=_PLAIN)
    return Prompt(
        api="openai.chat",
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=limit,
        choices=max(count(fields, "n"), count(fields, "best_of")),
        messages=len(messages),
        images=attachments.images,
        tools=tools,
        body_bytes=len(body),
        files=attachments.files,
        input_ids=attachments.input_ids,
        prefilled=last is Role.ASSISTANT,
        parameters=fields,
    )


def read_messages(messages: list[Object], into: list[Segment], attachments: Attachments) -> Role | None:
    """Append the text of messages in OpenAI's form; return the role of the last one's author."""
    role = None
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        role = author(message, ROLES, path, into)
        content = message.get("content")
        if type(content) is str and len(message) == 2:
            into.append(Segment(role, content, f"{path}.content"))
        else:
            refuse_lookalikes(message, _MESSAGE)
            read_content(content, role, f"{path}.content", into, attachments)
            collect(message, role, path, into, skip=_MESSAGE_READ)
    return role


FORMAT = ApiFormat("openai.chat", ErrorStyle.OPENAI, read)
