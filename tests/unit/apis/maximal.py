"""For each API a body with every member that its reference describes, and a marker in every text that is read.

A marker's role is that of whoever wrote the text. `{..}` comments name the reference that a body follows.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from sidecar.prompt import Role


class Mark:
    """Makes markers and remembers them."""

    def __init__(self) -> None:
        self.made: list[tuple[Role, str]] = []

    def _make(self, role: Role) -> str:
        text = f"{role} marker #{len(self.made)}."
        self.made.append((role, text))
        return text

    def system(self) -> str:
        return self._make(Role.SYSTEM)

    def user(self) -> str:
        return self._make(Role.USER)

    def assistant(self) -> str:
        return self._make(Role.ASSISTANT)

    def tool(self) -> str:
        return self._make(Role.TOOL)

    def base64(self) -> str:
        """A document of text, as base64."""
        return base64.b64encode(self.tool().encode()).decode()

    def data_url(self, media_type: str = "text/plain") -> str:
        return f"data:{media_type};base64,{self.base64()}"


Case = tuple[str, str, Callable[[Mark], Any]]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4).decode()


def schema(text: Callable[[], str]) -> dict[str, Any]:
    return {
        "$id": text(), "title": text(), "description": text(), "type": "object", "required": ["q"],
        "properties": {
            "q": {"type": "string", "description": text(), "enum": [text()], "default": text(), "examples": [text()]},
            "r": {"anyOf": [{"const": text()}, {"type": "null"}], "pattern": text(), "$comment": text()},
        },
        "$defs": {"d": {"type": "string", "description": text()}},
    }  # fmt: skip


def chat(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": s(), "name": s()},
            {"role": "developer", "content": [{"type": "text", "text": s()}]},
            {"role": "user", "name": u(), "content": u()},
            {"role": "user", "content": [
                {"type": "text", "text": u()},
                {"type": "text", "text": u(), "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": u(), "detail": "high"}},
                {"type": "image_url", "image_url": {"url": m.data_url("image/svg+xml")}},
                {"type": "image_url", "image_url": {"url": "DATA:text/plain;base64," + m.base64()}, "uuid": u()},
                {"type": "input_audio", "input_audio": {"data": m.base64(), "format": "wav"}},
                {"type": "audio_url", "audio_url": {"url": u()}},
                {"type": "video_url", "video_url": {"url": u()}},
                {"type": "file", "file": {"file_data": m.data_url(), "filename": u()}},
                {"type": "file", "file": {"file_data": m.data_url("application/javascript"), "filename": u()}},
                {"type": "file", "file": {"file_data": m.base64(), "filename": u(), "file_id": u()}},
                {"type": "refusal", "refusal": u()},
                {"type": u(), "text": u()},
                u(),
            ]},
            {"role": "assistant", "content": a(), "refusal": a(), "reasoning_content": a(), "reasoning": a(),
             "audio": {"id": a()}, "function_call": {"name": a(), "arguments": a()},
             "annotations": [{"type": "url_citation", "url_citation": {"title": a(), "url": a()}}],
             "tool_calls": [
                 {"id": a(), "type": "function", "function": {"name": a(), "arguments": a()}},
                 {"id": "call_1", "type": "custom", "custom": {"name": a(), "input": a()}},
             ]},
            {"role": "tool", "tool_call_id": t(), "content": t()},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": t()}]},
            {"role": "function", "name": t(), "content": t()},
            {"role": u(), "content": u()},
        ],
        "tools": [
            {"type": "function", "function": {"name": s(), "description": s(), "parameters": schema(s)}},
            {"type": "custom", "custom": {"name": s(), "description": s(), "format": {
                "type": "grammar", "grammar": {"definition": s(), "syntax": "lark"}}}},
            {"type": s()},
        ],
        "functions": [{"name": s(), "description": s(), "parameters": schema(s)}],
        "function_call": {"name": u()},
        "tool_choice": {"type": "function", "function": {"name": u()}},
        "response_format": {"type": "json_schema", "json_schema": {
            "name": u(), "description": u(), "schema": schema(u), "strict": True}},
        "prediction": {"type": "content", "content": [{"type": "text", "text": u()}]},
        "web_search_options": {"search_context_size": "low", "user_location": {
            "type": "approximate", "approximate": {"city": u(), "country": u(), "region": u(), "timezone": u()}}},
        "audio": {"voice": u(), "format": "mp3"},
        "metadata": {"k": u(), u(): "v"},
        "stop": [u()],
        "user": u(),
        "reasoning_effort": u(),
        "verbosity": u(),
        "modalities": [u()],
        "n": 2, "max_tokens": 3, "max_completion_tokens": 5, "stream": True, "temperature": 1, "top_p": 1, "seed": 1,
        "logit_bias": {"50256": -100}, "logprobs": True, "top_logprobs": 1, "store": False,
        # vLLM, SGLang, llama.cpp
        "documents": [{"title": t(), "text": t()}, {"id": t(), "contents": t()}],
        "chat_template": s(),
        "chat_template_kwargs": {"model_identity": s(), "builtin_tools": [s()], "enable_thinking": False},
        "guided_json": schema(u), "guided_regex": u(), "guided_choice": [u()], "guided_grammar": u(),
        "structured_outputs": {"regex": u(), "choice": [u()], "grammar": u(), "structural_tag": u()},
        "bad_words": [u()], "mm_processor_kwargs": {"x": u()}, "vllm_xargs": {"x": u()},
        "extra_body": {"system": s(), "documents": [t()], "x": u()},
        # Members of other APIs, for servers that take several.
        "instructions": s(), "system": s(), "system_prompt": s(), "preamble": s(), "prompt": u(), "input": u(),
    }  # fmt: skip


def responses(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "model": "m",
        "instructions": s(),
        "input": [
            {"role": "system", "content": s()},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": s()}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": u()},
                {"type": "input_image", "image_url": u(), "detail": "auto"},
                {"type": "input_image", "file_id": u()},
                {"type": "input_file", "file_data": m.data_url(), "filename": u()},
                {"type": "input_file", "file_data": m.base64()},
                {"type": "input_file", "file_url": u()},
                {"type": "input_file", "file_id": u()},
                {"type": "input_audio", "input_audio": {"data": m.base64(), "format": "mp3"}},
            ]},
            {"type": "message", "role": "assistant", "id": a(), "status": "completed", "content": [
                {"type": "output_text", "text": a(), "annotations": [
                    {"type": "file_citation", "filename": a(), "file_id": a(), "index": 1},
                    {"type": "url_citation", "title": a(), "url": a()}]},
                {"type": "refusal", "refusal": a()}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": a()}],
             "content": [{"type": "reasoning_text", "text": a()}], "encrypted_content": "gAAAA"},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": a(), "arguments": a()},
            {"type": "function_call_output", "call_id": t(), "output": t()},
            {"type": "function_call_output", "call_id": "call_1", "output": [
                {"type": "input_text", "text": t()}, {"type": "input_image", "image_url": t()},
                {"type": "input_file", "file_data": m.data_url(), "filename": t()}]},
            {"type": "custom_tool_call", "call_id": "call_2", "name": a(), "input": a()},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": t()},
            {"type": "file_search_call", "queries": [a()], "status": "completed", "results": [
                {"filename": t(), "text": t(), "file_id": t(), "attributes": {"k": t()}}]},
            {"type": "web_search_call", "action": {"type": "search", "query": a(), "sources": [
                {"type": "url", "url": a()}]}},
            {"type": "computer_call", "call_id": "call_3", "action": {"type": "type", "text": a()},
             "pending_safety_checks": [{"id": "s1", "code": a(), "message": a()}]},
            {"type": "computer_call_output", "call_id": "call_3", "acknowledged_safety_checks": [{"message": t()}],
             "output": {"type": "computer_screenshot", "image_url": m.data_url("image/svg+xml")}},
            {"type": "image_generation_call", "result": PNG, "revised_prompt": a()},
            {"type": "code_interpreter_call", "code": a(), "container_id": a(), "outputs": [
                {"type": "logs", "logs": t()}, {"type": "image", "url": t()}]},
            {"type": "local_shell_call", "call_id": "call_4", "action": {"type": "exec", "command": [a()],
             "env": {"K": a()}, "working_directory": a(), "user": a()}},
            {"type": "local_shell_call_output", "id": "x1", "output": t()},
            {"type": "shell_call", "call_id": "call_5", "action": {"commands": [a()]}},
            {"type": "shell_call_output", "call_id": "call_5", "output": [{"stdout": t(), "stderr": t()}]},
            {"type": "apply_patch_call", "call_id": "call_6", "operation": {"path": a(), "diff": a()}},
            {"type": "apply_patch_call_output", "call_id": "call_6", "output": t()},
            {"type": "mcp_list_tools", "server_label": t(), "tools": [
                {"name": t(), "description": t(), "input_schema": schema(t), "annotations": {"title": t()}}]},
            {"type": "mcp_approval_request", "name": u(), "arguments": u(), "server_label": u()},
            {"type": "mcp_approval_response", "approve": True, "approval_request_id": u(), "reason": u()},
            {"type": "mcp_call", "name": a(), "arguments": a(), "server_label": a(), "output": t(), "error": a()},
            {"type": "item_reference", "id": u()},
            {"type": u(), "x": u()},
        ],
        "items": [{"role": "system", "content": s()}],
        "tools": [
            {"type": "function", "name": s(), "description": s(), "parameters": schema(s)},
            {"type": "file_search", "vector_store_ids": [s()], "filters": {"key": s(), "value": s(), "type": "eq"}},
            {"type": "mcp", "server_label": s(), "server_description": s(), "server_url": s(), "allowed_tools": [s()]},
            {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [s()]}},
            {"type": "image_generation", "input_image_mask": {"file_id": s()}},
            {"type": "custom", "name": s(), "description": s(), "format": {"type": "text"}},
        ],
        "tool_choice": {"type": "function", "name": u()},
        "prompt": {"id": u(), "version": u(), "variables": {"a": u(), "b": {"type": "input_text", "text": u()}}},
        "reasoning": {"effort": u(), "summary": u()},
        "text": {"verbosity": u(), "format": {
            "type": "json_schema", "name": u(), "description": u(), "schema": schema(u)}},
        "metadata": {"k": u()}, "user": u(), "conversation": {"id": u()}, "truncation": u(), "max_output_tokens": 5,
    }  # fmt: skip


def completions(m: Mark) -> Any:
    u, s = m.user, m.system
    return {
        "model": "m", "prompt": [u(), u()], "suffix": u(), "stop": [u()], "user": u(), "best_of": 3, "max_tokens": 2,
        "guided_json": schema(u), "guided_regex": u(), "chat_template": s(), "response_format": {"type": u()},
        "logits_processors": [{"qualname": u()}], "echo": True,
    }  # fmt: skip


def embeddings(m: Mark) -> Any:
    u, s = m.user, m.system
    return {
        "model": "m", "input": [u(), u()], "user": u(), "encoding_format": u(), "input_type": u(), "task": u(),
        "messages": [{"role": "system", "content": s()}, {"role": "user", "content": [
            {"type": "text", "text": u()}, {"type": "image_url", "image_url": {"url": u()}}]}],
        "chat_template": s(), "instruction": u(),
    }  # fmt: skip


def moderations(m: Mark) -> Any:
    u = m.user
    return {"model": "m", "input": [
        {"type": "text", "text": u()}, {"type": "image_url", "image_url": {"url": u()}}]}  # fmt: skip


def images(m: Mark) -> Any:
    u = m.user
    return {
        "model": "m", "prompt": u(), "negative_prompt": u(), "style": u(), "size": u(), "quality": u(), "user": u(),
        "background": u(), "n": 2, "output_format": "png", "moderation": "low",
    }  # fmt: skip


def image_edits(m: Mark) -> Any:
    u = m.user
    return {
        "model": "m", "prompt": u(), "n": 3, "mask": {"image_url": m.data_url()}, "user": u(), "size": u(),
        "images": [{"image_url": u()}, {"file_id": u()}, {"image_url": m.data_url("image/svg+xml")}],
    }  # fmt: skip


def speech(m: Mark) -> Any:
    u, s = m.user, m.system
    return {"model": "m", "input": u(), "instructions": s(), "voice": u(), "response_format": u(), "ref_text": u()}


def messages(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "model": "m",
        "max_tokens": 5,
        "system": [{"type": "text", "text": s(), "cache_control": {"type": "ephemeral", "ttl": "5m"}}],
        "messages": [
            {"role": "user", "content": u()},
            {"role": "system", "content": s()},
            {"role": "user", "content": [
                {"type": "text", "text": u()},
                {"type": u(), "text": u()},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": m.base64()}},
                {"type": "image", "source": {"type": "url", "url": u()}},
                {"type": "image", "source": {"type": "file", "file_id": u()}},
                {"type": "document", "title": t(), "context": t(), "citations": {"enabled": True},
                 "source": {"type": "text", "media_type": "text/plain", "data": t()}},
                {"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": m.base64()}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": m.base64()}},
                {"type": "document", "source": {"type": "url", "url": t()}},
                {"type": "document", "source": {"type": "content", "content": t()}},
                {"type": "document", "source": {"type": "content", "content": [
                    {"type": "text", "text": t()},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}},
                {"type": "search_result", "source": t(), "title": t(), "content": [{"type": "text", "text": t()}]},
                {"type": "container_upload", "file_id": u()},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": a(), "signature": "sig"},
                {"type": "text", "text": a(), "citations": [
                    {"type": "char_location", "cited_text": a(), "document_title": a(), "document_index": 0},
                    {"type": "web_search_result_location", "url": a(), "title": a(), "cited_text": a()}]},
                {"type": "tool_use", "id": a(), "name": a(), "input": {"q": a(), "id": a(), a(): 1}},
                {"type": "server_tool_use", "id": "srvtoolu_01A", "name": a(), "input": {"query": a()}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01A", "content": [
                    {"type": "web_search_result", "url": t(), "title": t(), "page_age": t()}]},
                {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_01A", "content": {
                    "type": "web_fetch_result", "url": t(), "content": {"type": "document", "title": t(), "source": {
                        "type": "base64", "media_type": "text/html", "data": m.base64()}}}},
                {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_01A", "content": {
                    "type": "bash_code_execution_result", "stdout": t(), "stderr": t(), "content": [
                        {"type": "bash_code_execution_output", "file_id": t()}]}},
                {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": a(), "server_name": a(), "input": {"q": a()}},
                {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [{"type": "text", "text": t()}]},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": t(), "content": t()},
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": [
                    {"type": "text", "text": t()},
                    {"type": "search_result", "source": t(), "title": t(), "content": [{"type": "text", "text": t()}]},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": t()}}]},
            ]},
            {"role": u(), "content": u()},
        ],
        "tools": [
            {"name": s(), "description": s(), "input_schema": schema(s), "input_examples": [{"q": s()}]},
            {"type": "web_search_20250305", "name": s(), "allowed_domains": [s()], "user_location": {"city": s()}},
        ],
        "tool_choice": {"type": "tool", "name": u()},
        "mcp_servers": [{"type": "url", "url": u(), "name": u(), "tool_configuration": {"allowed_tools": [u()]}}],
        "container": {"id": u(), "skills": [{"type": u(), "skill_id": u(), "version": u()}]},
        "context_management": {"edits": [{"type": u(), "instructions": u()}]},
        "output_config": {"effort": u(), "format": {"type": "json_schema", "schema": schema(u)}},
        "metadata": {"user_id": u()},
        "stop_sequences": [u()],
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": u()},
        "service_tier": u(),
    }  # fmt: skip


def anthropic_batch(m: Mark) -> Any:
    return {"requests": [{"custom_id": m.user(), "params": messages(m)}, {"custom_id": "b", "params": messages(m)}]}


def gemini(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "systemInstruction": {"role": "user", "parts": [{"text": s()}, {"text": s(), "thought": False}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": u()},
                {"inlineData": {"mimeType": "text/plain", "data": m.base64(), "displayName": u()}},
                {"inlineData": {"mimeType": "application/pdf", "data": m.base64().rstrip("=")}},
                {"inline_data": {"mime_type": "IMAGE/png", "data": PNG}},
                {"fileData": {"mimeType": "video/mp4", "fileUri": u(), "displayName": u()},
                 "videoMetadata": {"startOffset": u()}},
            ]},
            {"role": "model", "parts": [
                {"text": a(), "thought": True, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": a(), "name": a(), "args": {"q": a(), "id": a(), "type": a()}}},
                {"executableCode": {"language": "PYTHON", "code": a()}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": t()}},
            ]},
            {"role": "function", "parts": [
                {"functionResponse": {"id": t(), "name": t(), "response": {"result": t(), "id": t()}, "parts": [
                    {"inlineData": {"mimeType": "text/plain", "data": t()}}]}}]},
            {"role": "system", "parts": [{"text": s()}]},
            {"role": u(), "parts": [{"text": u()}]},
            {"parts": {"text": u()}},
        ],
        "tools": [
            {"functionDeclarations": [{"name": s(), "description": s(), "parameters": schema(s), "response": schema(s),
                                       "parametersJsonSchema": schema(s)}, {"name": s()}]},
            {"googleSearch": {}, "urlContext": {}, "codeExecution": {}},
            {"retrieval": {"vertexAiSearch": {"datastore": s()}}},
        ],
        "generationConfig": {
            "stopSequences": [u()], "responseMimeType": u(), "responseSchema": schema(u),
            "responseJsonSchema": schema(u), "responseModalities": [u()], "candidateCount": 2, "maxOutputTokens": 5,
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": u()}}},
            "thinkingConfig": {"thinkingLevel": u(), "includeThoughts": True}, "mediaResolution": u(), "topK": 1,
        },
        "labels": {"k": u()},
    }  # fmt: skip


def gemini_snake(m: Mark) -> Any:
    u, s, t = m.user, m.system, m.tool
    return {
        "system_instruction": {"parts": [{"text": s()}]},
        "contents": [{"role": "user", "parts": [
            {"text": u()}, {"file_data": {"mime_type": "text/plain", "file_uri": u()}},
            {"function_response": {"name": t(), "response": {"x": t()}}},
            {"code_execution_result": {"output": t()}}]}],
        "tools": [{"function_declarations": [{"name": s(), "description": s()}, {"name": s()}]}],
        "generation_config": {"stop_sequences": [u()], "max_output_tokens": 5, "candidate_count": 2,
                              "response_schema": schema(u)},
    }  # fmt: skip


def gemini_count(m: Mark) -> Any:
    return {"generateContentRequest": {"model": "models/g", **gemini(m)}}


def gemini_embed(m: Mark) -> Any:
    u = m.user
    return {"model": "models/e", "content": {"parts": [{"text": u()}]}, "title": u(), "taskType": u()}


def gemini_embed_batch(m: Mark) -> Any:
    return {"requests": [gemini_embed(m), gemini_embed(m)]}


def gemini_cache(m: Mark) -> Any:
    return {"model": "models/g", "displayName": m.user(), "ttl": "300s"} | gemini(m)


def ollama_chat(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": s()},
            {"role": "user", "content": u(), "images": [PNG, m.base64()]},
            {"role": "assistant", "content": a(), "thinking": a(), "tool_calls": [
                {"id": a(), "function": {"name": a(), "arguments": {"q": a(), "type": a()}}}]},
            {"role": "tool", "content": t(), "tool_name": t(), "tool_call_id": t()},
            {"role": u(), "content": u()},
        ],
        "tools": [{"type": "function", "function": {"name": s(), "description": s(), "parameters": schema(s)}}],
        "format": schema(u), "options": {"stop": [u()], "num_predict": 5, "x": u()}, "think": u(), "keep_alive": u(),
    }  # fmt: skip


def ollama_generate(m: Mark) -> Any:
    u, s = m.user, m.system
    return {
        "model": "m", "prompt": u(), "suffix": u(), "system": s(), "template": s(), "images": [m.base64()],
        "format": u(), "options": {"stop": [u()]}, "context": [1, 2, 3], "raw": True,
    }  # fmt: skip


def ollama_embed(m: Mark) -> Any:
    return {"model": "m", "input": [m.user(), m.user()], "prompt": m.user(), "options": {"x": m.user()}}


def cohere_v2(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "model": "m",
        "messages": [
            {"role": "system", "content": s()},
            {"role": "developer", "content": s()},
            {"role": "user", "content": [{"type": "text", "text": u()}, {"type": "image_url", "image_url": {
                "url": u()}}]},
            {"role": "assistant", "tool_plan": a(), "content": [{"type": "thinking", "thinking": a()}],
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": a(), "arguments": a()}}],
             "citations": [{"text": a(), "sources": [{"type": "tool", "id": a(), "tool_output": {"x": a()}}]}]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": t()},
                {"type": "document", "document": {"id": t(), "data": {"title": t(), "snippet": t()}}},
                {"type": "document", "document": {"data": t()}}]},
        ],
        "documents": [t(), {"id": t(), "data": {"title": t(), "text": t()}}, {"data": t()}],
        "tools": [{"type": "function", "function": {"name": s(), "description": s(), "parameters": schema(s)}}],
        "response_format": {"type": "json_object", "schema": schema(u)},
        "citation_options": {"mode": u()}, "safety_mode": u(), "stop_sequences": [u()], "tool_choice": u(),
        "thinking": {"type": "enabled", "x": u()}, "max_tokens": 5,
    }  # fmt: skip


def cohere_v1(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "model": "m", "message": u(), "preamble": s(), "preamble_override": s(),
        "chat_history": [
            {"role": "User", "message": u()}, {"role": "CHATBOT", "message": a(), "tool_calls": [
                {"name": a(), "parameters": {"q": a()}}]},
            {"role": "SYSTEM", "message": s()},
            {"role": "TOOL", "tool_results": [{"call": {"name": t(), "parameters": {"q": t()}}, "outputs": [
                {"x": t()}]}]},
        ],
        "documents": [{"id": t(), "title": t(), "snippet": t()}],
        "tool_results": [{"call": {"name": t(), "parameters": {"q": t()}}, "outputs": [{"x": t()}]}],
        "tools": [{"name": s(), "description": s(), "parameter_definitions": {"q": {"description": s(), "type": s()}}}],
        "connectors": [{"id": u(), "options": {"site": u()}}], "response_format": {"type": "json_object",
                                                                                  "schema": schema(u)},
        "stop_sequences": [u()], "max_tokens": 5,
    }  # fmt: skip


def converse(m: Mark) -> Any:
    u, s, a, t = m.user, m.system, m.assistant, m.tool
    return {
        "system": [{"text": s()}, {"guardContent": {"text": {"text": s(), "qualifiers": [s()]}}},
                   {"cachePoint": {"type": "default"}}],
        "messages": [
            {"role": "user", "content": [
                {"text": u()},
                {"image": {"format": "png", "source": {"bytes": PNG}}},
                {"document": {"format": "txt", "name": t(), "context": t(), "source": {"bytes": m.base64()}}},
                {"document": {"format": "pdf", "name": t(), "source": {"bytes": m.base64()}}},
                {"document": {"format": "txt", "name": t(), "source": {"text": t()}}},
                {"document": {"format": "txt", "name": t(), "source": {"content": [{"text": t()}]}}},
                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}},
                {"searchResult": {"source": t(), "title": t(), "content": [{"text": t()}]}},
                {"guardContent": {"text": {"text": u()}}},
            ]},
            {"role": "assistant", "content": [
                {"text": a()},
                {"reasoningContent": {"reasoningText": {"text": a(), "signature": "x"}}},
                {"toolUse": {"toolUseId": "t1", "name": a(), "input": {"q": a(), "id": a(), "type": a()}}},
                {"citationsContent": {"content": [{"text": a()}], "citations": [
                    {"title": a(), "sourceContent": [{"text": a()}]}]}},
            ]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "status": "success", "content": [
                {"text": t()}, {"json": {"x": t(), "id": t()}},
                {"document": {"format": "md", "name": t(), "source": {"bytes": m.base64()}}},
                {"searchResult": {"source": t(), "title": t(), "content": [{"text": t()}]}}]}}]},
            {"role": u(), "content": [{"text": u()}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": s(), "description": s(), "inputSchema": {"json": schema(s)}}}],
                       "toolChoice": {"tool": {"name": "x"}}},
        "inferenceConfig": {"maxTokens": 5, "stopSequences": [u()]},
        "additionalModelRequestFields": {"system": s(), "x": u()},
        "promptVariables": {"v": {"text": u()}},
        "requestMetadata": {"k": u()},
    }  # fmt: skip


def invoke(m: Mark) -> Any:
    return {"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["x"]} | messages(m)


def anything(m: Mark) -> Any:
    """Bodies of servers that have no reader of their own: every string there is, all as the user's."""
    u = m.user
    return {
        "messages": [{"role": "system", "content": u()}], "prompt": u(), "inputs": u(), "text": [u()], "query": u(),
        "documents": [u(), {"text": u()}], "text_1": u(), "text_2": [u()], "queries": [u()], "inputText": u(),
        "chat_template": u(), "instances": [{"content": u(), "prompt": u()}], "parameters": {"x": u(), "id": u()},
        "system": u(), "input": {"text": u(), "type": u()}, u(): u(),
    }  # fmt: skip


CASES: list[Case] = [
    ("openai.chat", "/v1/chat/completions", chat),
    ("openai.chat", "/openai/deployments/d/chat/completions", chat),
    ("openai.chat", "/v1beta/openai/chat/completions", chat),
    ("openai.chat", "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", chat),
    ("openai.responses", "/v1/responses", responses),
    ("openai.responses", "/openai/v1/responses", responses),
    ("openai.responses", "/v1/responses/input_tokens", responses),
    ("openai.responses", "/v1/conversations", responses),
    ("openai.responses", "/v1/conversations/conv_1/items", responses),
    ("openai.completions", "/v1/completions", completions),
    ("openai.completions", "/openai/deployments/d/completions", completions),
    ("openai.embeddings", "/v1/embeddings", embeddings),
    ("openai.moderations", "/v1/moderations", moderations),
    ("openai.images", "/v1/images/generations", images),
    ("openai.images", "/v1/images/edits", image_edits),
    ("openai.speech", "/v1/audio/speech", speech),
    ("anthropic.messages", "/v1/messages", messages),
    ("anthropic.messages", "/anthropic/v1/messages", messages),
    ("anthropic.messages", "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:rawPredict", invoke),
    ("anthropic.messages", "/model/us.anthropic.claude-v1%3A0/invoke", invoke),
    ("anthropic.count_tokens", "/v1/messages/count_tokens", messages),
    ("anthropic.batches", "/v1/messages/batches", anthropic_batch),
    ("gemini.generate_content", "/v1/models/g:generateContent", gemini),
    ("gemini.generate_content", "/v1beta/models/g:streamGenerateContent", gemini),
    ("gemini.generate_content", "/v1beta/tunedModels/g:generateContent", gemini_snake),
    ("gemini.generate_content", "/v1/projects/p/locations/l/publishers/google/models/g:generateContent", gemini),
    ("gemini.generate_content", "/v1/projects/p/locations/l/endpoints/1:generateContent", gemini),
    ("gemini.count_tokens", "/v1beta/models/g:countTokens", gemini),
    ("gemini.count_tokens", "/v1beta/models/g:countTokens", gemini_count),
    ("gemini.embed_content", "/v1beta/models/e:embedContent", gemini_embed),
    ("gemini.embed_content", "/v1beta/models/e:batchEmbedContents", gemini_embed_batch),
    ("gemini.cached_contents", "/v1beta/cachedContents", gemini_cache),
    ("ollama.chat", "/api/chat", ollama_chat),
    ("ollama.generate", "/api/generate", ollama_generate),
    ("ollama.embed", "/api/embed", ollama_embed),
    ("cohere.chat", "/v2/chat", cohere_v2),
    ("cohere.chat", "/v1/chat", cohere_v1),
    ("bedrock.converse", "/model/m/converse", converse),
    ("bedrock.converse", "/model/m/converse-stream", converse),
    *(
        ("unknown", path, anything)
        for path in (
            "/v1/rerank", "/score", "/tokenize", "/pooling", "/classify", "/invocations", "/generate", "/v1/batches",
            "/model/amazon.titan/invoke", "/v1/embed", "/v1/assistants", "/v1/threads/t/messages", "/api/create",
            "/v1beta/models/g:predict", "/v1beta/models/g:batchGenerateContent", "/v1/realtime/client_secrets",
        )
    ),
]  # fmt: skip
