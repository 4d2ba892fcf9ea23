"""Prompt: what the model will read, whichever API carried it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who wrote a segment. Inspectors weigh text by role: the operator is trusted, a tool's output never is."""

    SYSTEM = "system"  # system and developer text, and tool definitions: the operator's
    USER = "user"
    ASSISTANT = "assistant"  # also tool calls: the model's own words, replayed by the caller
    TOOL = "tool"  # tool and function results, retrieved documents: the outside world


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of text. `path` says where it stood in the body (`messages[2].content[0].text`)."""

    role: Role
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything that a request asks a model to read, in order, and what it asks for.

    `api` is the format's name (`openai.chat`, `anthropic.messages`, ...). `images`, `tools` and `messages` are counts.
    `max_output_tokens` is None when the caller left it to the API's default. Text is never logged.
    """

    api: str
    model: str | None
    segments: tuple[Segment, ...]
    stream: bool = False
    max_output_tokens: int | None = None
    choices: int = 1
    messages: int = 0
    images: int = 0
    tools: int = 0
    body_bytes: int = 0

    @property
    def text_bytes(self) -> int:
        """UTF-8 size of all text."""
        return sum(len(s.text.encode("utf-8", "surrogatepass")) for s in self.segments)
