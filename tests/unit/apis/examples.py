"""Bodies of many APIs as their clients write them, and what is read of each."""

from __future__ import annotations

from typing import Any

from sidecar.prompt import Role

S, U, A, T = Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL

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
        {"max_output_tokens": 3, "choices": 4, "input_ids": 0},
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
        [(S, "S"), (U, "Hi"), (T, "Doc"), (T, "1"), (T, "Other")],
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
