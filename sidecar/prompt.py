"""Prompt: what the model will read, whichever API carried it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """Who wrote a segment. Inspectors weigh text by role: the operator is trusted, a tool's output never is."""

    SYSTEM = "system"  # system and developer text, and tool definitions: the operator's
    USER = "user"
    ASSISTANT = "assistant"  # also tool calls: the model's own words, replayed by the caller
    TOOL = "tool"  # tool and function results, retrieved documents: the outside world


class Segment(Struct, frozen=True):
    """One run of text. `path` says where it stood in the body (`messages[2].content[0].text`)."""

    role: Role
    text: str
    path: str

    def __repr__(self) -> str:
        """Without the text: what is shown may be logged."""
        return f"Segment(role={self.role!r}, path={self.path!r})"


class Prompt(Struct, frozen=True):
    """Everything that a request asks a model to read, in order, and what it asks for.

    `api` is the format's name (`openai.chat`, `anthropic.messages`, ...). `images`, `tools`, `messages` and `files`
    (audio, documents and other attachments that are no text) are counts; `input_ids` counts the entries of a prompt
    given as numbers, which nobody can inspect. `max_output_tokens` is None when the caller left it to the API's
    default. `prefilled`: the last message is the assistant's, to be continued. `claims_system`: a body of an unknown
    API has a member or a message that other APIs take for the operator's text. `parameters` is the decoded body, for
    rules about its fields. Text is never logged.
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
    files: int = 0
    input_ids: int = 0
    prefilled: bool = False
    claims_system: bool = False
    parameters: Mapping[str, object] = {}

    def __repr__(self) -> str:
        """Without text and parameters: what is shown may be logged."""
        return f"Prompt(api={self.api!r}, segments={self.segments!r})"

    @property
    def text_bytes(self) -> int:
        """UTF-8 size of all text."""
        return sum(
            len(s.text) if s.text.isascii() else len(s.text.encode("utf-8", "surrogatepass")) for s in self.segments
        )

    @property
    def estimated_input_tokens(self) -> int:
        """A cautious estimate from text alone: one per 3.5 bytes of ASCII, one per 2 bytes of anything else.

        Byte-pair vocabularies average about four bytes of English text; other scripts cost more by the byte.
        """
        estimate = 0.0
        for segment in self.segments:
            if segment.text.isascii():
                estimate += len(segment.text) / 3.5
            else:
                estimate += len(segment.text.encode("utf-8", "surrogatepass")) / 2
        return int(estimate) + 4 * self.messages + self.input_ids
