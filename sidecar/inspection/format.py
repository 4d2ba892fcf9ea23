"""The shape of a request: fields that it must have, and things that it must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from sidecar.inspection.finding import Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.prompt import Prompt


class FormatSettings(InspectorSettings):
    """Rules about the body as data. A path names a member, and with dots a member of a member: `stream_options.x`.

    What is forbidden is so in every spelling (`top_k`, `topK`) and in every element of a list (`messages.name`).
    """

    kind: Literal["format"]
    apis: tuple[str, ...] = Field(default=(), description="Patterns of the API formats that are served; empty: all")
    required: tuple[str, ...] = Field(default=(), description="Paths that the body must have")
    forbidden: tuple[str, ...] = Field(default=(), description="Paths that the body must not have")
    input_ids: bool = Field(
        default=False, description="Whether a prompt may be given as numbers, which cannot be inspected"
    )
    tools: bool = Field(default=True, description="Whether the caller may define tools")


class FormatInspector:
    """Checks the decoded body against the settings."""

    def __init__(self, settings: FormatSettings) -> None:
        self._settings = settings
        self._required = tuple(tuple(path.split(".")) for path in settings.required)
        self._forbidden = tuple(tuple(map(_fold, path.split("."))) for path in settings.forbidden)

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each rule that the request breaks."""
        settings = self._settings
        if settings.apis and not any(fnmatchcase(prompt.api, pattern) for pattern in settings.apis):
            yield self._finding("format.api_not_served")
        if prompt.input_ids and not settings.input_ids:
            yield self._finding("format.input_ids")
        if prompt.tools and not settings.tools:
            yield self._finding("format.tools")
        yield from self._check_fields(prompt.parameters)

    def _check_fields(self, fields: Mapping[str, object]) -> Iterator[Finding]:
        for path in self._required:
            if not _has(fields, path):
                yield self._finding("format.field_required")
        for path in self._forbidden:
            if _has_like(fields, path):
                yield self._finding("format.field_forbidden")

    def _finding(self, rule: str) -> Finding:
        return Finding(rule=rule, category="format", severity="medium", score=1.0, action=self._settings.action)


def _has(value: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return True


def _has_like(value: object, path: tuple[str, ...]) -> bool:
    """Whether a path is there in any spelling that some server takes (`topK`, `top_k`), or in an element of a list."""
    if not path:
        return True
    if isinstance(value, list):
        return any(_has_like(inner, path) for inner in value)
    return isinstance(value, Mapping) and any(
        _fold(name) == path[0] and _has_like(inner, path[1:]) for name, inner in value.items()
    )


def _fold(name: str) -> str:
    return name.replace("_", "").casefold()
