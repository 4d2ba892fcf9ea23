"""OpenAI's upload of files: documents, training data, and the requests of a batch, one a line."""

from __future__ import annotations

from msgspec import json

from sidecar.apis import openai_chat, openai_inputs, openai_responses, unknown
from sidecar.apis.batch import combine
from sidecar.apis.format import ApiFormat, Matcher, ends
from sidecar.apis.multipart import parse
from sidecar.apis.strict import decode_object
from sidecar.apis.text import Object, collect, collect_rest
from sidecar.decision import ErrorStyle
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role, Segment

_NAME = "openai.files"
_MATCHERS: tuple[Matcher, ...] = (openai_chat.match, openai_responses.match, openai_inputs.match)
_REQUEST = frozenset({"method", "url", "body"})
_NO_OBJECT = frozenset({"json_malformed", "json_not_object"})
_FIELDS = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})


def match(method: str, path: str) -> ApiFormat | None:
    """The format when the request uploads a file, or starts a batch of requests in an uploaded file."""
    return FORMAT if method == "POST" and ends(path, "/v1/files", "/openai/files") else None


def read(body: bytes, *, content_type: str, model: str | None) -> Prompt:  # noqa: ARG001 - the lines name models
    """The requests in a file of lines of JSON, each as its endpoint reads it; any other file's text as a tool's."""
    form = parse(body, content_type)
    prompts: list[tuple[str, Prompt]] = []
    rest: list[Segment] = []
    collect_rest(dict(form.fields), rest, read=_FIELDS)
    rest += [Segment(Role.USER, name, "filename") for name in form.file_names if name]
    for index, document in enumerate(form.documents):
        path = f"file[{index}]"
        lines = _read_lines(document, strict=("purpose", "batch") in form.fields)
        if lines is None:
            rest.append(Segment(Role.TOOL, document, path))
            continue
        for number, line in enumerate(lines):
            _read_line(line, f"{path}[{number}]", prompts, rest)
    return combine(_NAME, prompts, rest, body_bytes=len(body), files=form.files, parameters=dict(form.fields))


def _read_lines(document: str, *, strict: bool) -> list[Object] | None:
    """The objects, one a line; None when a line is none. Raises InvalidBody for that if `strict`, or if ambiguous."""
    try:
        return [decode_object(line.encode()) for line in document.split("\n") if line.strip()]
    except InvalidBody as error:
        if strict or error.code not in _NO_OBJECT:
            raise
        return None


def _read_line(line: Object, path: str, prompts: list[tuple[str, Prompt]], rest: list[Segment]) -> None:
    """Append what a request of a batch asks for; of any other line, all strings to `rest`."""
    url, body = line.get("url"), line.get("body")
    if type(url) is not str or type(body) is not dict:
        collect(line, Role.USER, path, rest)
        return
    collect(line, Role.USER, path, rest, skip=_REQUEST)
    api = next((found for matcher in _MATCHERS if (found := matcher("POST", url))), unknown.FORMAT)
    prompts.append((f"{path}.body", api.parse(json.encode(body), "application/json")))


FORMAT = ApiFormat(_NAME, ErrorStyle.OPENAI, read)
