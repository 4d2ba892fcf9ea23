"""Isolation of the system prompt: who may write one, and whether other text pretends to be one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from sidecar.errors import ConfigurationError
from sidecar.inspection.finding import Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import PatternSet, read_patterns
from sidecar.prompt import Prompt, Role, Segment
from sidecar.settings import LocalPath


class SystemText(StrEnum):
    """Whose system prompt may be sent."""

    ANY = "any"
    LISTED = "listed"
    NONE = "none"


class IsolationSettings(InspectorSettings):
    """What may stand where. Exempt trusted callers with `unless_scopes: [llm:system]`."""

    kind: Literal["isolation"]
    system_text: SystemText = Field(
        default=SystemText.ANY,
        description="System and developer text in a request: any, listed (in system_files) or none",
    )
    system_files: tuple[LocalPath, ...] = Field(
        default=(), description="Files with the operator's system prompts, one each, compared without outer white space"
    )
    marks: bool = Field(default=True, description="Report marks of chat templates in text that is not the operator's")
    prefill: bool = Field(default=True, description="Whether a request may end in words put into the model's mouth")


class IsolationInspector:
    """Checks system text against the list, and other text for marks of chat templates."""

    def __init__(self, settings: IsolationSettings) -> None:
        """Raises ConfigurationError when a system prompt can't be read or none is listed."""
        self._settings = settings
        if settings.system_text is SystemText.LISTED and not settings.system_files:
            raise ConfigurationError(
                "inspection", "system_files", "is empty", "list the system prompts that are allowed"
            )
        self._known = frozenset(_digest(_read(file)) for file in settings.system_files)
        self._marks = PatternSet(read_patterns("isolation"))

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each system text that is not allowed, and for each kind of mark in each other segment."""
        for index, segment in enumerate(prompt.segments):
            if segment.role is not Role.SYSTEM:
                if self._settings.marks:
                    yield from self._find_marks(segment, index)
            elif self._is_foreign(segment):
                yield self._finding("isolation.system_text", 1.0, index, 0, len(segment.text))
        if not self._settings.prefill and _ends_in_prefill(prompt):
            yield self._finding("isolation.prefill", 1.0, len(prompt.segments) - 1, 0, 0)

    def _is_foreign(self, segment: Segment) -> bool:
        if self._settings.system_text is SystemText.ANY or _is_tool_definition(segment):
            return False
        return self._settings.system_text is SystemText.NONE or _digest(segment.text) not in self._known

    def _find_marks(self, segment: Segment, index: int) -> Iterator[Finding]:
        for match in self._marks.find(segment.text):
            yield self._finding(match.rule, match.pattern.score, index, match.start, match.end)

    def _finding(self, rule: str, score: float, segment: int, start: int, end: int) -> Finding:
        return Finding(
            rule=rule,
            category="isolation",
            severity="high",
            score=score,
            action=self._settings.action,
            segment=segment,
            start=start,
            end=end,
        )


def _is_tool_definition(segment: Segment) -> bool:
    return segment.path.startswith(("tools", "functions", "toolConfig"))


def _ends_in_prefill(prompt: Prompt) -> bool:
    spoken = [segment for segment in prompt.segments if segment.path.startswith(("messages", "contents", "input"))]
    return bool(spoken) and spoken[-1].role is Role.ASSISTANT


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.strip().replace("\r\n", "\n").encode("utf-8", "surrogatepass")).digest()


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            str(file), "", f"cannot be read: {type(error).__name__}", "check system_files"
        ) from None
