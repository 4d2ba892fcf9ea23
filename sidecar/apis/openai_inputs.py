"""OpenAI's endpoints that take one input or a list of them: completions, embeddings, moderations, images, speech."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sidecar.apis.format import ApiFormat
from sidecar.apis.inputs import read_inputs
from sidecar.apis.openai_chat import deployed
from sidecar.apis.parts import Attachments
from sidecar.apis.strict import decode_object
from sidecar.apis.text import collect, flag, integer, refuse_lookalikes, string
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an endpoint has its text. `text` names further members that are text of the user, `system` the operator's.

    `plain` are values from closed sets, or nothing that a model is shown. `limits` names its count of output tokens.
    """

    name: str
    path: str
    input: str
    text: frozenset[str] = frozenset()
    system: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    limit: str = ""


_COMPLETION = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "logprobs", "echo", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "logit_bias", "seed", "stream_options", "ignore_eos", "min_tokens", "service_tier",
        "best_of",
    }
)  # fmt: skip

ENDPOINTS = (
    Endpoint(
        "openai.completions",
        "/completions",
        "prompt",
        frozenset({"suffix"}),
        plain=_COMPLETION,
        limit="max_tokens",
    ),
    Endpoint("openai.embeddings", "/embeddings", "input", plain=frozenset({"encoding_format", "dimensions"})),
    Endpoint("openai.moderations", "/moderations", "input"),
    Endpoint(
        "openai.images",
        "/images/generations",
        "prompt",
        frozenset({"negative_prompt"}),
        plain=frozenset({"size", "quality", "style", "response_format", "background", "output_format", "moderation"}),
    ),
    Endpoint(
        "openai.speech",
        "/audio/speech",
        "input",
        system=frozenset({"instructions"}),
        plain=frozenset({"voice", "response_format", "speed", "stream_format"}),
    ),
)
_SHARED = frozenset({"model", "stream", "n"})
# vLLM takes a prompt as serialised tensors, too. Nobody can read those either.
_TENSORS = "prompt_embeds"


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request is one of the table's."""
    if method == "POST":
        for tail, api in _FORMATS:
            if path.endswith(tail):
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
    if endpoint.input not in fields and _TENSORS not in fields:
        raise InvalidBody("missing_field", endpoint.input)
    segments: list[Segment] = []
    attachments = Attachments()
    input_ids = read_inputs(fields.get(endpoint.input), Role.USER, endpoint.input, segments, attachments)
    for name in endpoint.system:
        collect(fields.get(name), Role.SYSTEM, name, segments)
    for name in endpoint.text:
        collect(fields.get(name), Role.USER, name, segments)
    skipped = known
    if _TENSORS in fields:
        input_ids += 1
        skipped = known | {_TENSORS}
    collect(fields, Role.USER, "", segments, skip=skipped)
    choices = integer(fields, "n")
    return Prompt(
        api=endpoint.name,
        model=string(fields, "model") if model is None else model,
        segments=tuple(segments),
        stream=flag(fields, "stream"),
        max_output_tokens=integer(fields, endpoint.limit) if endpoint.limit else None,
        choices=1 if choices is None else choices,
        images=attachments.images,
        body_bytes=len(body),
        files=attachments.files,
        input_ids=input_ids,
        parameters=fields,
    )


def _format(endpoint: Endpoint) -> ApiFormat:
    known = _SHARED | {endpoint.input, endpoint.limit} | endpoint.text | endpoint.system | endpoint.plain
    return ApiFormat(endpoint.name, ErrorStyle.OPENAI, partial(read, endpoint=endpoint, known=known))


_FORMATS = tuple((endpoint.path, _format(endpoint)) for endpoint in ENDPOINTS)
