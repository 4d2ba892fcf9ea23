"""Exfiltration: text that would make an answer carry data away, in a link, an image or a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import read_patterns
from sidecar.inspection.scanner import FIRST_MATCH, Scanner
from sidecar.prompt import Prompt, Role

# The caller's own words: people paste documents and write web pages, so the same text says less.
_SPAN = 240  # characters before the end of a match that a finding names
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
        self._hosts = tuple(host.lower().encode() for host in settings.allowed_hosts)
        rules = read_patterns("exfiltration")
        self._rules = tuple(rules.items())
        self._scanner = Scanner([f"(?i){rule.pattern}".encode() for rule in rules.values()], FIRST_MATCH)

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each rule in each segment, where it first applies. Operator text is not searched."""
        for index, segment in enumerate(prompt.segments):
            if segment.role is Role.SYSTEM:
                continue
            data = segment.text.encode("utf-8", "surrogatepass")
            for pattern, end in self._scanner.scan(data):
                key, rule = self._rules[pattern]
                score = rule.score * _DISCOUNT.get(segment.role, 1.0)
                if score < self._settings.min_score or self._is_trusted(data[max(0, end - _SPAN) : end]):
                    continue
                last = len(data[:end].decode("utf-8", "replace"))
                yield Finding(
                    rule=key,
                    category="exfiltration",
                    severity=rule.severity,
                    score=round(score, 3),
                    action=self._settings.action,
                    segment=index,
                    start=max(0, last - _SPAN),
                    end=last,
                )

    def _is_trusted(self, data: bytes) -> bool:
        """Whether the last address in `data` is of an allowed host."""
        if not self._hosts:
            return False
        host = data.lower().rpartition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
        return any(host == allowed or host.endswith(b"." + allowed) for allowed in self._hosts)
