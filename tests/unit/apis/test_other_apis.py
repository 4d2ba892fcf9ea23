"""The other APIs, each as its clients write it: what is read, by whom, and what is asked for."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.apis import match
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role
from tests.unit.apis.examples import CASES


def parse(path: str, body: object) -> Prompt:
    return match("POST", path).parse(json.dumps(body).encode())


@pytest.mark.parametrize(("api", "path", "body", "texts", "fields"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_a_body_is_read_as_its_clients_write_it(
    api: str, path: str, body: object, texts: list[tuple[Role, str]], fields: dict[str, Any]
) -> None:
    prompt = parse(path, body)
    assert prompt.api == api
    assert [(segment.role, segment.text) for segment in prompt.segments] == texts
    assert {name: getattr(prompt, name) for name in fields} == fields


@pytest.mark.parametrize(("api", "path", "body", "texts", "fields"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_text_in_an_unknown_member_is_read(
    api: str, path: str, body: dict[str, Any], texts: list[tuple[Role, str]], fields: dict[str, Any]
) -> None:
    prompt = parse(path, body | {"x_new": {"deep": ["a marker"]}})
    assert "a marker" in [segment.text for segment in prompt.segments]


# What no model is shown: who speaks, of what kind a thing is, what it is called in another member, and raw media.
HIDDEN = frozenset(
    {
        "role",
        "type",
        "model",
        "call_id",
        "id",
        "mimeType",
        "data",
        "bytes",
        "format",
        "images",
        "size",
        "voice",
        "toolUseId",
    }
    | {"prompt_embeds", "image_url"}
)


def leaves(value: object, name: str = "") -> Iterator[tuple[list[Any] | dict[Any, Any], Any]]:
    """(container, key) of every string in `value` that a model may be shown."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        here = key if isinstance(key, str) else name
        if isinstance(inner, str):
            if here not in HIDDEN:
                yield value, key  # type: ignore[misc]
        else:
            yield from leaves(inner, here)


@pytest.mark.parametrize(("api", "path", "body", "texts", "fields"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_no_string_that_a_model_is_shown_escapes(
    api: str, path: str, body: dict[str, Any], texts: list[tuple[Role, str]], fields: dict[str, Any]
) -> None:
    body = copy.deepcopy(body)
    for container, key in leaves(body):
        before = container[key]
        container[key] = "a marker"
        assert any("a marker" in segment.text for segment in parse(path, body).segments), key
        container[key] = before


REFUSED: list[tuple[str, Any, str]] = [
    ("/v1/responses", {"input": 5}, "invalid_field"),
    ("/v1/responses", {"input": ["x"]}, "invalid_field"),
    ("/v1/responses", {"input": "x", "Instructions": "y"}, "ambiguous_key"),
    ("/v1/responses", {"input": [{"role": "user", "content": "x", "Role": "system"}]}, "ambiguous_key"),
    ("/v1/completions", {"model": "m"}, "missing_field"),
    ("/v1/completions", {"prompt": {"a": 1}}, "invalid_field"),
    ("/v1/completions", {"prompt": [1, "a"]}, "invalid_field"),
    ("/v1/completions", {"prompt": "x", "Prompt": "y"}, "ambiguous_key"),
    ("/v1/embeddings", {"input": [True]}, "invalid_field"),
    ("/v1beta/models/g:generateContent", {"contents": "x"}, "invalid_field"),
    ("/v1beta/models/g:generateContent", {"contents": [{"parts": 5}]}, "invalid_field"),
    ("/v1beta/models/g:generateContent", {"contents": [{"parts": [5]}]}, "invalid_field"),
    ("/v1beta/models/g:generateContent", {"contents": [{"role": 5, "parts": []}]}, "invalid_field"),
    (
        "/v1beta/models/g:generateContent",
        {"systemInstruction": {"parts": []}, "system_instruction": {"parts": []}},
        "ambiguous_key",
    ),
    ("/v1beta/models/g:generateContent", {"SystemInstruction": {"parts": []}}, "ambiguous_key"),
    ("/v1beta/models/g:generateContent", {"contents": [{"parts": [{"inline_data": 1}]}]}, "invalid_field"),
    ("/api/chat", {"messages": [{"content": "x"}]}, "invalid_field"),
    ("/api/chat", {"model": "a", "MODEL": "b", "messages": []}, "ambiguous_key"),
    ("/api/chat", {"messages": [{"role": "user", "content": "x", "Content": "y"}]}, "ambiguous_key"),
    ("/api/chat", {"messages": [], "options": {"Num_Predict": 9}}, "ambiguous_key"),
    ("/api/generate", {"prompt": ["x"]}, "invalid_field"),
    ("/v2/chat", {"messages": [{"role": 1}]}, "invalid_field"),
    ("/model/m/converse", {"messages": [{"role": "user", "content": "x"}]}, "invalid_field"),
    ("/model/m/converse", {"messages": [{"role": "user", "content": [{"image": "x"}]}]}, "invalid_field"),
    ("/model/m/converse", {"messages": [{"role": "user", "content": [{"toolResult": 1}]}]}, "invalid_field"),
]


@pytest.mark.parametrize(("path", "body", "code"), REFUSED)
def test_what_the_api_would_not_accept_is_refused(path: str, body: object, code: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        parse(path, body)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "path",
    [
        "/v1/threads/t/messages",
        "/v1/batches",
        "/model/m/invoke",
        "/v1beta/models/g:tune",
        "/v1/rerank",
        "/v1/chat/completions/x",
    ],
)
def test_other_paths_are_read_as_unknown(path: str) -> None:
    prompt = parse(path, {"a": {"b": ["x"]}})
    assert (prompt.api, [s.text for s in prompt.segments]) == ("unknown", ["x"])


def test_other_methods_are_unknown() -> None:
    for _, path, *_ in CASES:
        assert match("GET", path).name == "unknown"


NAMES = st.sampled_from(
    ["messages", "content", "role", "text", "type", "input", "prompt", "parts", "contents", "system", "tools", "model",
     "functionResponse", "inlineData", "toolResult", "source", "image_url", "output", "options", "n", "stream", "Model"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.just("x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(path=st.sampled_from(sorted({case[1] for case in CASES})), body=st.dictionaries(NAMES, VALUES, max_size=5))
def test_arbitrary_shapes_raise_nothing_else(path: str, body: dict[str, object]) -> None:
    try:
        parse(path, body)
    except InvalidBody:
        return
