"""Ollama's own API: chat, generate, embed. Its OpenAI-compatible paths are OpenAI's."""

from __future__ import annotations

from functools import partial

from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.inputs import read_inputs
from sidecar.apis.openai_chat import ROLES
from sidecar.apis.parts import Attachments, read_link
from sidecar.apis.strict import decode_object
from sidecar.apis.text import (
    Object,
    author,
    collect,
    collect_joined,
    collect_rest,
    integer,
    objects,
    refuse_lookalikes,
    string,
)
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_TEXT = {
    "system": Role.SYSTEM,
    "template": Role.SYSTEM,
    "prompt": Role.USER,
    "suffix": Role.USER,
}
_PLAIN = frozenset({"keep_alive", "raw", "think", "truncate", "dimensions", "logprobs", "top_logprobs", "format"})
_READ = frozenset({"model", "messages", "tools", "stream", "options", "images", "context", "input", *_TEXT})
_KNOWN = _READ | _PLAIN
_MESSAGE = frozenset({"role", "content", "images", "thinking", "tool_calls", "tool_name"})
_OPTIONS = frozenset({"num_predict"})
_PATHS = {
    "/api/chat": "ollama.chat",
    "/api/generate": "ollama.generate",
    "/api/embed": "ollama.embed",
    "/api/embeddings": "ollama.embed",
}


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the path ends in one of Ollama's."""
    if method == "POST":
        for tail, api in _FORMATS:
            if ends(path, tail):
                return api
    return None


def read(body: bytes, *, content_type: str, model: str | None, name: str) -> Prompt:  # noqa: ARG001
    """System text and prompt, messages in order, tools, then whatever other text the body holds.

    Ollama is written in Go, whose JSON matches names in any case: a look-alike name is always refused. `context` is
    an earlier conversation as numbers.
    """
    fields = decode_object(body)
    refuse_lookalikes(fields, _KNOWN)
    segments: list[Segment] = []
    attachments = Attachments()
    _read_images(fields, "", segments, attachments)
    for member, role in _TEXT.items():
        text = string(fields, member)
        if text:
            segments.append(Segment(role, text, member))
    messages = objects(fields, "messages")
    last: Role | None = None
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        refuse_lookalikes(message, _MESSAGE)
        last = author(message, ROLES, path, segments)
        collect(message, last, path, segments, skip=_MESSAGE_SKIPPED)
        _read_images(message, f"{path}.", segments, attachments)
    input_ids = read_inputs(fields.get("input"), Role.USER, "input", segments, attachments)
    input_ids += len(_list(fields, "context"))
    tools = objects(fields, "tools")
    collect_joined(tools, Role.SYSTEM, "tools", segments)
    options = fields.get("options")
    if type(options) is dict:
        refuse_lookalikes(options, _OPTIONS)
        collect(options, Role.USER, "options", segments)
    collect_rest(fields, segments, read=_READ, plain=_PLAIN)
    return Prompt(
        api=name,
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=fields.get("stream") is not False and name != "ollama.embed",
        max_output_tokens=_limit(options) if type(options) is dict else None,
        messages=len(messages),
        images=attachments.images,
        tools=len(tools),
        body_bytes=len(body),
        files=attachments.files,
        prefilled=last is Role.ASSISTANT,
        input_ids=input_ids,
        parameters=fields,
    )


_MESSAGE_SKIPPED = frozenset({"role", "images"})


def _limit(options: Object) -> int | None:
    value = options.get("num_predict")
    if type(value) is int and value < 0:  # -1 generates without end, -2 until the context is full
        return None
    return integer(options, "num_predict")


def _read_images(fields: Object, path: str, into: list[Segment], attachments: Attachments) -> None:
    images = _list(fields, "images")
    attachments.images += len(images)
    for index, image in enumerate(images):
        read_link(image, Role.TOOL, f"{path}images[{index}]", into, encoded=True)


def _list(fields: Object, name: str) -> list[object]:
    value = fields.get(name)
    if value is None:
        return []
    if type(value) is not list:
        raise InvalidBody("invalid_field", name)
    return value


_FORMATS = tuple((tail, ApiFormat(name, ErrorStyle.OPENAI, partial(read, name=name))) for tail, name in _PATHS.items())
