"""LLM API formats, one file each: bytes -> Prompt."""

from __future__ import annotations

from sidecar.apis import (
    anthropic_messages,
    bedrock,
    cohere,
    gemini,
    ollama,
    openai_chat,
    openai_inputs,
    openai_responses,
    openai_uploads,
    unknown,
)
from sidecar.apis.format import ApiFormat, Matcher

MATCHERS: tuple[Matcher, ...] = (
    openai_chat.match,
    anthropic_messages.match,
    openai_responses.match,
    ollama.match,
    openai_inputs.match,
    openai_uploads.match,
    gemini.match,
    cohere.match,
    bedrock.match,
)


def match(method: str, path: str) -> ApiFormat:
    """The format of the API that (method, canonical path) belongs to; one that reads every string if none is known."""
    for matcher in MATCHERS:
        found = matcher(method, path)
        if found is not None:
            return found
    return unknown.FORMAT


__all__ = ["MATCHERS", "ApiFormat", "match"]
