"""Sizes: how much a prompt may hold, and how much it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import Field

from sidecar.inspection.finding import Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.prompt import Prompt
from sidecar.settings import ByteSize


class LengthSettings(InspectorSettings):
    """Upper limits, each off unless set. Use several with `plans` and `models` for limits of their own."""

    kind: Literal["length"]
    max_bytes: ByteSize | None = Field(default=None, ge=0, description="Bytes of text in UTF-8, all segments together")
    max_input_tokens: int | None = Field(default=None, ge=0, description="Input tokens, estimated from the text")
    max_output_tokens: int | None = Field(
        default=None, ge=0, description="Output tokens asked for, times the choices (`n`)"
    )
    require_max_output_tokens: bool = Field(
        default=False, description="Refuse a request that names no limit of output tokens"
    )
    max_choices: int | None = Field(default=None, ge=1, description="Completions of one prompt (`n`)")
    max_messages: int | None = Field(default=None, ge=0, description="Messages of a conversation")
    max_images: int | None = Field(default=None, ge=0, description="Images")
    max_files: int | None = Field(
        default=None, ge=0, description="Audio, documents and other attachments that are no text"
    )
    max_tools: int | None = Field(default=None, ge=0, description="Tool definitions")


class LengthInspector:
    """Compares the counts of a prompt with the settings."""

    def __init__(self, settings: LengthSettings) -> None:
        self._settings = settings
        measures: tuple[tuple[str, int | None, Callable[[Prompt], int]], ...] = (
            ("bytes", settings.max_bytes, lambda prompt: prompt.text_bytes),
            ("input_tokens", settings.max_input_tokens, lambda prompt: prompt.estimated_input_tokens),
            (
                "output_tokens",
                settings.max_output_tokens,
                lambda prompt: (prompt.max_output_tokens or 0) * max(prompt.choices, 1),
            ),
            ("choices", settings.max_choices, lambda prompt: prompt.choices),
            ("messages", settings.max_messages, lambda prompt: prompt.messages),
            ("images", settings.max_images, lambda prompt: prompt.images),
            ("files", settings.max_files, lambda prompt: prompt.files),
            ("tools", settings.max_tools, lambda prompt: prompt.tools),
        )
        self._limits = tuple(
            (f"length.{name}", limit, measure) for name, limit, measure in measures if limit is not None
        )

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each limit that the prompt exceeds."""
        for rule, limit, measure in self._limits:
            if measure(prompt) > limit:
                yield self._finding(rule)
        if self._settings.require_max_output_tokens and prompt.max_output_tokens is None:
            yield self._finding("length.output_tokens_unlimited")

    def _finding(self, rule: str) -> Finding:
        return Finding(rule=rule, category="length", severity="medium", score=1.0, action=self._settings.action)
