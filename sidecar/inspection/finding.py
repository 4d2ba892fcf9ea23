"""Finding: what an inspector reports, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a finding leads to. `flag` lets the request pass and says so in the log, the span and the metric."""

    ALLOW = "allow"
    FLAG = "flag"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an inspector saw. It names places, never text: findings go to logs and spans.

    `rule` is the stable id (`injection.override.ignore_previous`), `segment` the index in `Prompt.segments`, `start`
    and `end` character offsets in that segment's original text. `score` is in 0..1. `action` has been decided by the
    inspector's settings.
    """

    rule: str
    category: str
    severity: str  # "low" | "medium" | "high" | "critical"
    score: float
    action: Action
    segment: int = 0
    start: int = 0
    end: int = 0
