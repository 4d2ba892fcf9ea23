"""Exfiltration: text that would make an answer carry data away, in a link, an image or a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import PatternSet, read_patterns
from sidecar.prompt import Prompt, Role

# The caller's own words: people paste documents and write web pages, so the same text says less.
_DISCOUNT = {Role.USER: 0.75, Role.ASSISTANT: 0.9}


class ExfiltrationSettings(InspectorSettings):
    """How sure a finding has to be. Text of tools and documents counts in full, the caller's own for three quarters."""

    kind: Literal["exfiltration"]
    action: Action = Field(default=Action.FLAG, description="What a finding leads to: allow, flag or deny")
    min_score: float = Field(default=0.6, gt=0, le=1, description="Findings less sure than this are dropped")
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts of links and images that are trusted, with all their subdomains"
    )


class ExfiltrationInspector:
    """Looks for images and links with room for data, for orders to send some, for places that collect it."""

    def __init__(self, settings: ExfiltrationSettings) -> None:
        self._settings = settings
        self._hosts = tuple(host.lower() for host in settings.allowed_hosts)
        self._patterns = PatternSet(read_patterns("exfiltration"), caseless=True)

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each rule in each segment, where it first applies. Operator text is not searched."""
        for index, segment in enumerate(prompt.segments):
            if segment.role is Role.SYSTEM:
                continue
            for match in self._patterns.find(segment.text):
                score = match.pattern.score * _DISCOUNT.get(segment.role, 1.0)
                if score < self._settings.min_score or self._is_trusted(segment.text[match.start : match.end]):
                    continue
                yield Finding(
                    rule=match.rule,
                    category="exfiltration",
                    severity=match.pattern.severity,
                    score=round(score, 3),
                    action=self._settings.action,
                    segment=index,
                    start=match.start,
                    end=match.end,
                )

    def _is_trusted(self, text: str) -> bool:
        """Whether the last address in `text` is of an allowed host."""
        if not self._hosts:
            return False
        host = text.lower().rpartition("://")[2].partition("/")[0].partition("?")[0]
        return any(host == allowed or host.endswith(f".{allowed}") for allowed in self._hosts)
