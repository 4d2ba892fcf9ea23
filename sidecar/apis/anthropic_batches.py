"""Anthropic's batches of messages."""

from __future__ import annotations

from sidecar.apis import anthropic_messages
from sidecar.apis.batch import combine
from sidecar.apis.format import ApiFormat, ends
from sidecar.apis.strict import decode_object
from sidecar.apis.text import collect, collect_rest, objects, refuse_lookalikes
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_NAME = "anthropic.batches"
_BODY = frozenset({"requests"})
_REQUEST = frozenset({"custom_id", "params"})
_PARAMS = frozenset({"params"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request makes a batch."""
    return FORMAT if method == "POST" and ends(path, "/v1/messages/batches") else None


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - JSON says its own charset
    """What each request asks for, then whatever other text the body holds."""
    fields = decode_object(body)
    refuse_lookalikes(fields, _BODY)
    requests = objects(fields, "requests")
    if not requests:
        raise InvalidBody("missing_field", "requests")
    prompts: list[tuple[str, Prompt]] = []
    rest: list[Segment] = []
    for index, request in enumerate(requests):
        refuse_lookalikes(request, _REQUEST)
        params = request.get("params")
        if type(params) is not dict:
            raise InvalidBody("missing_field", "params")
        path = f"requests[{index}]"
        prompts.append((f"{path}.params", anthropic_messages.read_fields(params, model, _NAME, 0)))
        collect(request, Role.USER, path, rest, skip=_PARAMS)
    collect_rest(fields, rest, read=_BODY)
    return combine(_NAME, prompts, rest, body_bytes=len(body), parameters=fields)


FORMAT = ApiFormat(_NAME, ErrorStyle.ANTHROPIC, read)
