"""The other APIs, each as its clients write it: what is read, by whom, and what is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.apis import match
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Role

S, U, A, T = Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL


def parse(path: str, body: object) -> Prompt:
    return match("POST", path).parse(json.dumps(body).encode())


CASES: list[tuple[str, str, Any, list[tuple[Role, str]], dict[str, Any]]] = [
    (
        "openai.responses",
        "/v1/responses",
        {"model": "m", "input": "Hi", "instructions": "Be brief.", "max_output_tokens": 9, "stream": True},
        [(S, "Be brief."), (U, "Hi")],
        {"model": "m", "max_output_tokens": 9, "stream": True, "messages": 1},
    ),
    (
        "openai.responses",
        "/v1/responses",
        {
            "model": "m",
            "input": [
                {"role": "developer", "content": "Dev"},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "Look"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                    {"type": "input_file", "filename": "f.pdf", "file_id": "file_1"},
                ]},
                {"type": "function_call", "call_id": "c", "name": "find", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "Found"},
                {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "More"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Thought"}]},
            ],
            "tools": [{"type": "function", "name": "find", "description": "Finds."}],
        },
        [
            (S, "Dev"), (U, "Look"), (U, "f.pdf"), (U, "file_1"), (A, "find"), (A, "{}"), (T, "Found"), (T, "More"),
            (A, "Thought"), (S, "find\nFinds."),
        ],
        {"images": 1, "tools": 1, "messages": 6},
    ),
    (
        "openai.completions",
        "/v1/completions",
        {"model": "m", "prompt": ["One", "Two"], "suffix": "End", "max_tokens": 3, "n": 2, "temperature": 0},
        [(U, "One"), (U, "Two"), (U, "End")],
        {"max_output_tokens": 3, "choices": 2, "input_ids": 0},
    ),
    ("openai.completions", "/v1/completions", {"model": "m", "prompt": [1, 2, 3]}, [], {"input_ids": 3}),
    ("openai.completions", "/v1/completions", {"model": "m", "prompt": [[1, 2], [3]]}, [], {"input_ids": 3}),
    ("openai.completions", "/v1/completions", {"model": "m", "prompt_embeds": "AAAA"}, [], {"input_ids": 1}),
    ("openai.embeddings", "/v1/embeddings", {"model": "m", "input": "Text"}, [(U, "Text")], {"model": "m"}),
    ("openai.embeddings", "/openai/deployments/e/embeddings", {"input": ["a"]}, [(U, "a")], {"model": "e"}),
    (
        "openai.moderations",
        "/v1/moderations",
        {"input": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://e.com/i.png"}}]},
        [(U, "x"), (U, "https://e.com/i.png")],
        {"images": 1},
    ),
    ("openai.images", "/v1/images/generations", {"prompt": "Cat", "n": 4, "size": "1x1"}, [(U, "Cat")], {"choices": 4}),
    (
        "openai.speech",
        "/v1/audio/speech",
        {"model": "m", "input": "Say this", "voice": "x", "instructions": "Softly"},
        [(U, "Say this"), (S, "Softly")],
        {},
    ),
    (
        "anthropic.count_tokens",
        "/v1/messages/count_tokens",
        {"model": "m", "system": "S", "messages": [{"role": "user", "content": "Hi"}]},
        [(S, "S"), (U, "Hi")],
        {},
    ),
    (
        "gemini.generate_content",
        "/v1beta/models/gemini-2.5-pro:generateContent",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
                {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"q": "cats"}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": {"result": "Found"}}}]},
                {"parts": [{"inlineData": {"mimeType": "text/plain", "data": "aWdub3Jl"}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "find", "description": "Finds."}]}],
            "generationConfig": {"maxOutputTokens": 7, "candidateCount": 2, "stopSequences": ["END"]},
        },
        [
            (S, "Be brief."), (U, "Hi"), (A, "find"), (A, "cats"), (T, "find"), (T, "Found"), (T, "ignore"),
            (S, "find\nFinds."), (U, "END"),
        ],
        {
            "model": "gemini-2.5-pro", "max_output_tokens": 7, "choices": 2, "images": 1, "files": 1, "messages": 4,
            "stream": False, "tools": 1,
        },
    ),
    (
        "gemini.generate_content",
        "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
        {"system_instruction": {"parts": {"text": "S"}}, "contents": {"parts": [{"text": "Hi"}]}},
        [(S, "S"), (U, "Hi")],
        {"model": "g", "stream": True},
    ),
    ("gemini.embed_content", "/v1beta/models/e:embedContent", {"content": {"parts": [{"text": "x"}]}}, [(U, "x")], {}),
    (
        "gemini.embed_content",
        "/v1beta/models/e:batchEmbedContents",
        {"requests": [{"content": {"parts": [{"text": "x"}]}}]},
        [(U, "x")],
        {},
    ),
    (
        "ollama.chat",
        "/api/chat",
        {
            "model": "llama3",
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "Hi", "images": ["AAAA"]},
                {"role": "tool", "content": "Found", "tool_name": "find"},
            ],
            "options": {"num_predict": 5, "stop": ["END"]},
        },
        [(S, "S"), (U, "Hi"), (T, "Found"), (T, "find"), (U, "END")],
        {"model": "llama3", "stream": True, "images": 1, "max_output_tokens": 5},
    ),
    (
        "ollama.generate",
        "/api/generate",
        {"model": "l", "prompt": "Hi", "system": "S", "template": "T", "context": [1, 2], "stream": False,
         "options": {"num_predict": -1}},
        [(S, "S"), (S, "T"), (U, "Hi")],
        {"stream": False, "input_ids": 2, "max_output_tokens": None},
    ),
    ("ollama.embed", "/api/embed", {"model": "l", "input": ["a"]}, [(U, "a")], {"stream": False}),
    ("ollama.embed", "/api/embeddings", {"model": "l", "prompt": "a"}, [(U, "a")], {}),
    (
        "cohere.chat",
        "/v2/chat",
        {
            "model": "command",
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            ],
            "documents": ["Doc", {"id": "1", "data": {"text": "Other"}}],
        },
        [(S, "S"), (U, "Hi"), (T, "Doc"), (T, "Other")],
        {"messages": 2},
    ),
    (
        "cohere.chat",
        "/v1/chat",
        {"message": "Hi", "preamble": "S", "chat_history": [{"role": "CHATBOT", "message": "Yes?"}], "max_tokens": 4},
        [(S, "S"), (A, "Yes?"), (U, "Hi")],
        {"messages": 2, "max_output_tokens": 4},
    ),
    (
        "bedrock.converse",
        "/model/anthropic.claude-v1%3A0/converse-stream",
        {
            "system": [{"text": "S"}],
            "messages": [
                {"role": "user", "content": [
                    {"text": "Hi"},
                    {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
                    {"document": {"format": "txt", "name": "notes", "source": {"bytes": "SW5zaWRl"}}},
                ]},
                {"role": "assistant", "content": [{"toolUse": {"name": "find", "input": {"q": "x"}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "Found"}]}}]},
            ],
            "toolConfig": {"tools": [{"toolSpec": {"name": "find", "description": "Finds."}}]},
            "inferenceConfig": {"maxTokens": 6},
        },
        [
            (S, "S"), (U, "Hi"), (T, "notes"), (T, "Inside"), (A, "find"), (A, "x"), (T, "Found"),
            (S, "find"), (S, "Finds."),
        ],
        {"model": "anthropic.claude-v1:0", "stream": True, "images": 1, "files": 1, "tools": 1, "max_output_tokens": 6},
    ),
]  # fmt: skip


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
