"""Isolation of the system prompt: who may write one, and whether other text pretends to be one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import Field

from sidecar.errors import ConfigurationError
from sidecar.inspection.finding import Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import PatternSet, read_patterns
from sidecar.prompt import Prompt, Role, Segment
from sidecar.settings import LocalPath

# Stop sequences hold these marks for good reasons, and no model is shown them.
_STOP = re.compile(
    r"(?:options\.|generationConfig\.|inferenceConfig\.)?(?:stop|stop_sequences|stopSequences)(?:\[\d+\])?\Z"
)
_CONDENSED = 5000  # characters; longer segments are not made of parts
_TOOLS = re.compile(
    r"(?:requests\[\d+\]\.(?:params\.)?|file\[\d+\]\[\d+\]\.body\.|generateContentRequest\.)?"
    r"(?:(?:tools|functions)\[|toolConfig)"
)


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
    system_required: bool = Field(
        default=False, description="Whether a request must have system text: with listed, one of the operator's prompts"
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
        spoken = False
        marked: set[str] = set()
        for index, segment in enumerate(prompt.segments):
            if segment.role is Role.SYSTEM and not _is_tool_definition(segment):
                spoken = True
                if self._is_foreign(segment):
                    yield self._finding("isolation.system_text", 1.0, index, 0, len(segment.text))
            elif self._settings.marks and not _STOP.match(segment.path):
                for match in self._marks.find(segment.text):
                    marked.add(match.rule)
                    yield self._finding(match.rule, match.pattern.score, index, match.start, match.end)
        if self._settings.marks:
            yield from self._find_split_marks(prompt, marked)
        if prompt.claims_system and self._settings.system_text is not SystemText.ANY:
            yield self._finding("isolation.system_text", 1.0, 0, 0, 0)
        if self._settings.system_required and not spoken:
            yield self._finding("isolation.system_missing", 1.0, 0, 0, 0)
        if prompt.prefilled and not self._settings.prefill:
            yield self._finding("isolation.prefill", 1.0, max(len(prompt.segments) - 1, 0), 0, 0)

    def _is_foreign(self, segment: Segment) -> bool:
        if self._settings.system_text is SystemText.ANY:
            return False
        return self._settings.system_text is SystemText.NONE or _digest(segment.text) not in self._known

    def _find_split_marks(self, prompt: Prompt, known: set[str]) -> Iterator[Finding]:
        """Marks that come about when a server joins the parts of one message, unless they are known anyway."""
        for first, parts in _messages(prompt.segments):
            whole = "".join(parts)
            if "<" in whole or "[" in whole:
                for match in self._marks.find(whole.replace("\n", "")):  # condensed prompts have parts line by line
                    if match.rule not in known:
                        yield self._finding(match.rule, match.pattern.score, first, 0, 0)

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
    return _TOOLS.match(segment.path) is not None


def _messages(segments: tuple[Segment, ...]) -> Iterator[tuple[int, list[str]]]:
    """The texts of each message that has several, or several short lines, with the index of the first."""
    index = 0
    for (role, _), run in groupby(segments, key=lambda one: (one.role, one.path.partition(".")[0])):
        texts = [segment.text for segment in run]
        if role is not Role.SYSTEM and (len(texts) > 1 or (len(texts[0]) < _CONDENSED and "\n" in texts[0])):
            yield index, texts
        index += len(texts)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.strip().replace("\r\n", "\n").encode("utf-8", "surrogatepass")).digest()


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            str(file), "", f"cannot be read: {type(error).__name__}", "check system_files"
        ) from None
