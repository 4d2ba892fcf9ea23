"""Abuse of the model itself within one prompt: floods, many-shot prompting, extraction by repetition, costly glyphs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import PatternSet, read_patterns
from sidecar.inspection.scanner import Scanner
from sidecar.prompt import Prompt, Role

_SLICE = 4096  # bytes looked at in one place
_SHORTEST = 1024
_PLACES = 4
_TURN = (
    r"(?i)(?:^|\n)[ \t>*#-]{0,6}(?:user|human|customer|question|q|assistant|ai|bot|model|answer|a)(?: \d{1,4})?\*{0,2}:"
)
_STACKED = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{6}")
_COSTLY = re.compile(
    "[\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff\U00010000-\U0001efff\u0f00-\u0fff\ua000-\ua4cf]{200}"
)


class AbuseSettings(InspectorSettings):
    """Where use ends and abuse begins."""

    kind: Literal["abuse"]
    action: Action = Field(default=Action.FLAG, description="What a finding leads to: allow, flag or deny")
    min_score: float = Field(default=0.6, gt=0, le=1, description="Findings less sure than this are dropped")
    max_turns: int = Field(
        default=40, ge=4, description="Turns of a conversation written out inside one message (many-shot prompting)"
    )
    max_repetition: float = Field(
        default=20.0, ge=4, description="How many times smaller a text may get by compression before it is a flood"
    )


class AbuseInspector:
    """Looks for patterns that cost the model much, or that make it give away what it was trained on."""

    def __init__(self, settings: AbuseSettings) -> None:
        self._settings = settings
        rules = {key: rule for key, rule in read_patterns("abuse").items() if rule.score >= settings.min_score}
        self._patterns = PatternSet(rules, caseless=True)
        self._turns = Scanner([_TURN.encode()], 0)

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each rule in each segment. The operator's own text is not looked at."""
        for index, segment in enumerate(prompt.segments):
            if segment.role is not Role.SYSTEM:
                yield from self._look(segment.text, index)

    def _look(self, text: str, index: int) -> Iterator[Finding]:
        for match in self._patterns.find(text):
            yield self._finding(match.rule, match.pattern.score, index, match.start, match.end)
        data = text.encode("utf-8", "surrogatepass")
        turns = len(self._turns.scan(data))
        if turns > self._settings.max_turns:
            yield self._finding("abuse.many_shot", 0.8, index, 0, len(text))
        if len(data) >= _SHORTEST and self._is_flood(data):
            yield self._finding("abuse.repetition", 0.9, index, 0, len(text))
        if not text.isascii():
            for rule, glyphs in (("abuse.stacked_marks", _STACKED), ("abuse.costly_glyphs", _COSTLY)):
                if found := glyphs.search(text):
                    yield self._finding(rule, 0.8, index, found.start(), found.end())

    def _is_flood(self, data: bytes) -> bool:
        """Whether a few samples, spread evenly, all compress far better than anything written does."""
        step = max(len(data) // _PLACES, _SLICE)
        for start in range(0, len(data), step):
            sample = data[start : start + _SLICE]
            if len(sample) >= _SHORTEST and len(zlib.compress(sample, 1)) * self._settings.max_repetition > len(sample):
                return False
        return True

    def _finding(self, rule: str, score: float, segment: int, start: int, end: int) -> Finding:
        return Finding(
            rule=rule,
            category="abuse",
            severity="medium",
            score=score,
            action=self._settings.action,
            segment=segment,
            start=start,
            end=end,
        )
