"""OpenAI's endpoints that take one input or a list of them: completions, embeddings, moderations, images, speech."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.inputs import count_inputs, read_inputs
from sidecar.apis.openai_chat import deployed, read_messages
from sidecar.apis.parts import Attachments
from sidecar.apis.strict import decode_object
from sidecar.apis.text import collect_rest, count, flag, integer, objects, refuse_lookalikes, string
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an endpoint has its text. `plain` are values from closed sets.

    `chat`: some servers take messages in place of the input. `limit` names its count of output tokens; an endpoint that
    has one answers each of several inputs.
    """

    name: str
    path: str
    input: str
    plain: frozenset[str] = frozenset()
    chat: bool = False
    limit: str = ""


_COMPLETION = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "logprobs", "echo", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "logit_bias", "seed", "stream_options", "ignore_eos", "min_tokens", "service_tier",
        "best_of", "use_beam_search", "length_penalty", "skip_special_tokens",
    }
)  # fmt: skip

ENDPOINTS = (
    Endpoint("openai.completions", "/completions", "prompt", _COMPLETION, limit="max_tokens"),
    Endpoint("openai.embeddings", "/embeddings", "input", frozenset({"encoding_format", "dimensions"}), chat=True),
    Endpoint("openai.moderations", "/moderations", "input"),
    Endpoint(
        "openai.images",
        "/images/generations",
        "prompt",
        frozenset({"size", "quality", "style", "response_format", "background", "output_format", "moderation"}),
    ),
    Endpoint(
        "openai.speech",
        "/audio/speech",
        "input",
        frozenset({"voice", "response_format", "speed", "stream_format"}),
    ),
)
# vLLM takes a prompt as serialised tensors, too. Nobody can read those either.
_TENSORS = "prompt_embeds"


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one of the table's."""
    if method == "POST":
        for tail, api in _FORMATS:
            if ends(path, tail):
                return deployed(api, path)
    return None


def read(
    body: bytes,
    *,
    content_type: str,  # noqa: ARG001 - JSON says its own charset
    model: str | None,
    endpoint: Endpoint,
    known: frozenset[str],
) -> Prompt:
    """The inputs in order, then the other text."""
    fields = decode_object(body)
    refuse_lookalikes(fields, known)
    messages = objects(fields, "messages") if endpoint.chat else []
    if endpoint.input not in fields and _TENSORS not in fields and not messages:
        raise InvalidBody("missing_field", endpoint.input)
    segments: list[Segment] = []
    attachments = Attachments()
    last = read_messages(messages, segments, attachments)
    given = fields.get(endpoint.input)
    input_ids = read_inputs(given, Role.USER, endpoint.input, segments, attachments) + attachments.input_ids
    if _TENSORS in fields:
        input_ids += len(tensors) if type(tensors := fields[_TENSORS]) is list else 1
    collect_rest(fields, segments, read=known - endpoint.plain, plain=endpoint.plain)
    choices = max(count(fields, "n"), count(fields, "best_of"))
    if endpoint.limit:
        choices *= max(count_inputs(given), 1)
    return Prompt(
        api=endpoint.name,
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=integer(fields, endpoint.limit) if endpoint.limit else None,
        choices=choices,
        messages=len(messages),
        images=attachments.images,
        body_bytes=len(body),
        files=attachments.files,
        input_ids=input_ids,
        prefilled=last is Role.ASSISTANT,
        parameters=fields,
    )


def _format(endpoint: Endpoint) -> ApiFormat:
    known = frozenset({"model", "stream", "n", _TENSORS, endpoint.input, endpoint.limit}) | endpoint.plain
    if endpoint.chat:
        known |= {"messages"}
    return ApiFormat(endpoint.name, ErrorStyle.OPENAI, partial(read, endpoint=endpoint, known=known))


_FORMATS = tuple((endpoint.path, _format(endpoint)) for endpoint in ENDPOINTS)
