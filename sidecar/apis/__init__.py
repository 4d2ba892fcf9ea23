"""LLM API formats, one file each: bytes -> Prompt."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote

from sidecar.apis import (
    anthropic_batches,
    anthropic_messages,
    bedrock,
    cohere,
    gemini,
    ollama,
    openai_chat,
    openai_files,
    openai_inputs,
    openai_responses,
    openai_uploads,
    unknown,
)
from sidecar.apis.format import ApiFormat, Matcher

MATCHERS: tuple[Matcher, ...] = (
    openai_chat.match,
    anthropic_messages.match,
    anthropic_batches.match,
    openai_responses.match,
    ollama.match,
    openai_inputs.match,
    openai_uploads.match,
    openai_files.match,
    gemini.match,
    cohere.match,
    bedrock.match,
)


@lru_cache(maxsize=1024)
def match(method: str, path: str) -> ApiFormat:
    """The format of the API that (method, canonical path) belongs to; one that reads every string if none is known.

    Escapes, upper case and a slash at the end make no other format: some upstream does not mind them either.
    """
    path = unquote(path).rstrip("/")
    for matcher in MATCHERS:
        found = matcher(method, path)
        if found is not None:
            return found
    return unknown.match(path)


__all__ = ["MATCHERS", "ApiFormat", "match"]
