"""LLM API formats, one file each: bytes -> Prompt."""

from __future__ import annotations

from sidecar.apis import anthropic_messages, openai_chat, unknown
from sidecar.apis.format import ApiFormat, Matcher

MATCHERS: tuple[Matcher, ...] = (
    openai_chat.match,
    anthropic_messages.match,
)


def match(method: str, path: str) -> ApiFormat:
    """The format of the API that (method, canonical path) belongs to; one that reads every string if none is known."""
    for matcher in MATCHERS:
        found = matcher(method, path)
        if found is not None:
            return found
    return unknown.FORMAT


__all__ = ["MATCHERS", "ApiFormat", "match"]
