"""Rule hits and the model's score -> one score, with the thresholds that it is published for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from sidecar.inspection.rulepack import RuleHit
from sidecar.prompt import Role

THRESHOLDS: Final[Mapping[str, float]] = {"monitor": 0.9, "balanced": 0.5, "strict": 0.25}
"""From which fused score an operating point speaks up: `monitor` when next to nothing benign may be touched (0.1 % of
chat), `balanced` at about one benign text in a hundred, `strict` where a missed attack costs more than a question
asked twice. `make eval-inspection` prints what each one catches."""

_TOOL_SHARE: Final = 0.85  # of the threshold: a tool's output has no business telling the model what to do
_CEILING: Final = 0.995
_LEAST_TRUST: Final = 0.2  # in a rule where the model sees nothing at all: benign texts in the words of attacks
_FULL_TRUST: Final = 0.25  # what the model must say for a rule to count in full


def threshold_of(point: float, role: Role) -> float:
    """From which score text of that role is a finding, where user text is one from `point`."""
    return point * _TOOL_SHARE if role is Role.TOOL else point


def fuse(hits: Iterable[RuleHit], model_score: float, *, trusting: bool = False) -> float:
    """One score in 0..1 from independent witnesses (noisy or): each family of rules once, by its surest rule.

    A rule counts the less, the less the model sees, and not at all where it hit the words of a quotation in a text that
    says more than that. `trusting` takes rules as they are: where there is no model, or nobody has a reason to quote an
    order.
    """
    trust = 1.0 if trusting else min(1.0, _LEAST_TRUST + (1 - _LEAST_TRUST) * model_score / _FULL_TRUST)
    surest: dict[str, float] = {}
    for hit in hits:
        if trusting or not hit.quoted:
            surest[hit.category] = max(hit.score * trust, surest.get(hit.category, 0.0))
    doubt = math.prod((1 - min(score, _CEILING) for score in surest.values()), start=1 - min(model_score, _CEILING))
    return 1 - doubt
