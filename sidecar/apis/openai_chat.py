"""OpenAI's chat completions, as OpenAI, Azure, vLLM and Ollama serve them."""

from __future__ import annotations

from dataclasses import replace

from sidecar.apis.format import ApiFormat
from sidecar.apis.parts import Attachments, read_content
from sidecar.apis.strict import decode_object
from sidecar.apis.text import Object, collect, collect_joined, flag, integer, objects, refuse_lookalikes, string
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
"""The role of a message's author. Whatever else a server accepts is as little trusted as a user."""

_READ = frozenset({"model", "messages", "stream", "max_tokens", "max_completion_tokens", "n", "tools", "functions"})
# Values from closed sets, or nothing that a model is shown.
_PLAIN = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "seed", "logprobs", "top_logprobs", "logit_bias", "presence_penalty",
        "frequency_penalty", "repetition_penalty", "parallel_tool_calls", "reasoning_effort", "verbosity", "modalities",
        "service_tier", "store", "stream_options", "best_of", "ignore_eos", "min_tokens", "keep_alive", "think",
        "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
    }
)  # fmt: skip
_KNOWN = _READ | _PLAIN
_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"})
_MESSAGE_READ = frozenset({"role", "content", "tool_call_id"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one for a chat completion; Azure names the model (its deployment) in the path."""
    if method != "POST" or not path.endswith("/chat/completions"):
        return None
    return deployed(FORMAT, path)


def deployed(api: ApiFormat, path: str) -> ApiFormat:
    """`api`, with the model that an Azure path names, if it names one."""
    _, found, rest = path.partition("/deployments/")
    return replace(api, model=rest.partition("/")[0]) if found else api


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - JSON says its own charset
    """Messages in order, then tools, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    messages = objects(fields, "messages")
    if not messages:
        raise InvalidBody("missing_field", "messages")
    segments: list[Segment] = []
    attachments = Attachments()
    for index, message in enumerate(messages):
        content = message.get("content")
        role = message.get("role")
        if type(role) is not str:
            raise InvalidBody("invalid_field", "messages.role")
        if type(content) is str and len(message) == 2:
            segments.append(Segment(ROLES.get(role, Role.USER), content, f"messages[{index}].content"))
        else:
            _read_message(message, ROLES.get(role, Role.USER), f"messages[{index}]", segments, attachments)
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
    if not fields.keys() <= _KNOWN:
        collect(fields, Role.USER, "", segments, skip=_KNOWN)
    choices = integer(fields, "n")
    return Prompt(
        api="openai.chat",
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=limit,
        choices=1 if choices is None else choices,
        messages=len(messages),
        images=attachments.images,
        tools=tools,
        body_bytes=len(body),
        files=attachments.files,
        parameters=fields,
    )


def _read_message(message: Object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> None:
    refuse_lookalikes(message, _MESSAGE)
    read_content(message.get("content"), role, f"{path}.content", into, attachments)
    collect(message, role, path, into, skip=_MESSAGE_READ)


FORMAT = ApiFormat("openai.chat", ErrorStyle.OPENAI, read)
