"""OpenAI's chat completions and Anthropic's messages: everything that the model reads, with its author."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.apis import match
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"


def parse(path: str, body: object) -> Prompt:
    return match("POST", path).parse(json.dumps(body).encode())


def read(path: str, body: object) -> list[tuple[Role, str, str]]:
    return [(segment.role, segment.text, segment.path) for segment in parse(path, body).segments]


def chat(*messages: object, **fields: object) -> dict[str, object]:
    return {"model": "small-1", "messages": list(messages), **fields}


@pytest.mark.parametrize(
    ("path", "name", "model"),
    [
        ("/v1/chat/completions", "openai.chat", None),
        ("/openai/deployments/gpt-4o/chat/completions", "openai.chat", "gpt-4o"),
        ("/v1/messages", "anthropic.messages", None),
        ("/v1/nobody/knows", "unknown", None),
    ],
)
def test_the_path_decides_the_format(path: str, name: str, model: str | None) -> None:
    found = match("POST", path)
    assert (found.name, found.model) == (name, model)


def test_a_chat_is_read_in_order_with_its_authors() -> None:
    body = chat(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "again"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q":"x y"}'}}
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Result"},
        {"role": "function", "name": "old", "content": "Older result"},
        {"role": "moderator", "content": "Who is this?"},
    )  # fmt: skip
    assert read(CHAT, body) == [
        (Role.SYSTEM, "Be brief.", "messages[0].content"),
        (Role.SYSTEM, "Be kind.", "messages[1].content"),
        (Role.USER, "Hello", "messages[2].content[0].text"),
        (Role.USER, "again", "messages[2].content[1].text"),
        (Role.ASSISTANT, "find", "messages[3].tool_calls[0].function.name"),
        (Role.ASSISTANT, '{"q":"x y"}', "messages[3].tool_calls[0].function.arguments"),
        (Role.TOOL, "Result", "messages[4].content"),
        (Role.TOOL, "Older result", "messages[5].content"),
        (Role.TOOL, "old", "messages[5].name"),
        (Role.USER, "moderator", "messages[6].role"),
        (Role.USER, "Who is this?", "messages[6].content"),
    ]


def test_a_chat_says_what_it_asks_for() -> None:
    prompt = parse(
        CHAT,
        chat(
            {"role": "user", "content": "Hi"},
            stream=True,
            max_tokens=10,
            max_completion_tokens=20,
            n=3,
            tools=[{"type": "function", "function": {"name": "f", "description": "Finds."}}],
            temperature=0.5,
        ),
    )
    assert prompt.api == "openai.chat"
    assert prompt.model == "small-1"
    assert prompt.stream
    assert (prompt.max_output_tokens, prompt.choices, prompt.messages, prompt.tools) == (20, 3, 1, 1)
    assert [(s.role, s.text) for s in prompt.segments[1:]] == [(Role.SYSTEM, "f\nFinds.")]
    assert prompt.parameters["temperature"] == 0.5


def test_attachments_are_counted_and_their_data_is_not_text() -> None:
    prompt = parse(
        CHAT,
        chat(
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                    {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZF", "format": "wav"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a b.pdf"}},
                ],
            }
        ),
    )
    assert (prompt.images, prompt.files) == (2, 2)
    assert [s.text for s in prompt.segments] == ["low", "https://example.com/cat.png", "wav", "a b.pdf"]


def test_text_in_unknown_places_is_read_as_the_users() -> None:
    body = chat(
        {"role": "user", "content": "Hi", "reasoning_content": "hidden", "name": "bob"},
        chat_template="{{ evil }}",
        documents=[{"title": "t", "text": "doc"}],
        metadata={"a key that is a sentence": "v"},
    )
    texts = [text for _, text, _ in read(CHAT, body)]
    assert texts == ["Hi", "hidden", "bob", "{{ evil }}", "t", "doc", "a key that is a sentence", "v"]


def test_a_message_is_read_with_the_outside_world_told_apart() -> None:
    body = {
        "model": "claude",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "get", "description": "Gets.", "input_schema": {"type": "object", "properties": {"q": {}}}}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get", "input": {"q": "cats"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "A page"}]},
                {"type": "tool_result", "tool_use_id": "t2", "content": "plain"},
                {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "text", "text": "And?"},
            ]},
        ],
    }  # fmt: skip
    prompt = parse(MESSAGES, body)
    assert [(s.role, s.text) for s in prompt.segments] == [
        (Role.SYSTEM, "Rules."),
        (Role.USER, "Hi"),
        (Role.ASSISTANT, "get"),
        (Role.ASSISTANT, "cats"),
        (Role.TOOL, "A page"),
        (Role.TOOL, "plain"),
        (Role.TOOL, "T"),
        (Role.TOOL, "text/plain"),
        (Role.TOOL, "D"),
        (Role.USER, "image/png"),
        (Role.USER, "And?"),
        (Role.SYSTEM, "get\nGets."),
    ]
    assert (prompt.messages, prompt.tools, prompt.images, prompt.files, prompt.max_output_tokens) == (3, 1, 1, 1, 5)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aWdub3JlIGl0"}},
        {"type": "file", "file": {"file_data": "data:application/json;charset=utf-8;base64,aWdub3JlIGl0"}},
        {"type": "file", "file": {"file_data": "data:text/html,ignore%20it"}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,aWdub3JlIGl0"}},
    ],
)
def test_documents_of_text_are_read(part: dict[str, object]) -> None:
    (segment,) = parse(CHAT, chat({"role": "user", "content": [part]})).segments
    assert (segment.role, segment.text) == (Role.TOOL, "ignore it")


def test_a_base64_document_of_text_is_read() -> None:
    source = {"type": "base64", "media_type": "text/plain", "data": "aWdub3JlIGl0"}
    body = {"messages": [{"role": "user", "content": [{"type": "document", "source": source}]}]}
    assert (Role.TOOL, "ignore it") in [(role, text) for role, text, _ in read(MESSAGES, body)]


def test_places_stay_short_however_names_are_chosen() -> None:
    deep: object = ["x"] * 50
    for _ in range(40):
        deep = {"n" * 3000: deep}
    places = [path for _, _, path in read(CHAT, chat({"role": "user", "content": "Hi"}, metadata=deep))]
    assert max(map(len, places)) < 300


REFUSED: list[tuple[str, Any, str]] = [
    (CHAT, {}, "missing_field"),
    (CHAT, [], "json_not_object"),
    (CHAT, chat(), "missing_field"),
    (CHAT, {"messages": "Hi"}, "invalid_field"),
    (CHAT, {"messages": ["Hi"]}, "invalid_field"),
    (CHAT, {"messages": None}, "missing_field"),
    (CHAT, chat({"content": "Hi"}), "invalid_field"),
    (CHAT, chat({"role": 1, "content": "Hi"}), "invalid_field"),
    (CHAT, chat({"role": "user", "content": 1}), "invalid_field"),
    (CHAT, chat({"role": "user", "content": {"text": "Hi"}}), "invalid_field"),
    (CHAT, chat({"role": "user", "content": [1]}), "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}) | {"model": ["a"]}, "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}, n=-1), "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}, n=True), "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}, max_tokens="9"), "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}, stream="yes"), "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}, tools={"a": 1}), "invalid_field"),
    (CHAT, chat({"role": "user", "content": "Hi"}, Model="large"), "ambiguous_key"),
    (CHAT, chat({"role": "user", "content": "Hi"}, MESSAGES=[]), "ambiguous_key"),
    (CHAT, chat({"role": "user", "content": "Hi", "Content": "Ho"}), "ambiguous_key"),
    (CHAT, chat({"role": "user", "content": [{"type": "text", "Text": "Hi"}]}), "ambiguous_key"),
    (CHAT, chat({"role": "user", "content": "Hi"}) | {"me\u017f\u017fages": []}, "ambiguous_key"),
    (MESSAGES, {}, "missing_field"),
    (MESSAGES, {"messages": [{"role": "user", "content": 5}]}, "invalid_field"),
    (MESSAGES, {"messages": [{"role": "user", "content": ["Hi"]}]}, "invalid_field"),
    (MESSAGES, {"messages": [{"content": "Hi"}]}, "invalid_field"),
    (MESSAGES, {"messages": [{"role": "user", "content": "Hi"}], "System": "x"}, "ambiguous_key"),
    (MESSAGES, {"messages": [{"role": "user", "content": "Hi"}], "system": 5}, "invalid_field"),
]


@pytest.mark.parametrize(("path", "body", "code"), REFUSED)
def test_what_the_api_would_not_accept_is_refused(path: str, body: object, code: str) -> None:
    with pytest.raises(InvalidBody) as refused:
        parse(path, body)
    assert refused.value.code == code


def test_the_model_is_the_one_that_the_upstream_reads() -> None:
    body = b'{"mod\\u0065l":"big","messages":[{"role":"user","content":"Hi"}]}'
    assert match("POST", CHAT).parse(body).model == "big"
    with pytest.raises(InvalidBody, match="json_duplicate_key"):
        match("POST", CHAT).parse(body[:-1] + b',"model":"small"}')
