"""Rule hits and the model's score -> one score, with the thresholds that it is published for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from sidecar.inspection.rulepack import RuleHit

THRESHOLDS: Final[Mapping[str, float]] = {"monitor": 0.9, "balanced": 0.5, "strict": 0.25}
"""From which fused score an operating point speaks up: `monitor` when next to nothing benign may be touched (0.1 % of
chat), `balanced` at about one benign text in a hundred, `strict` where a missed attack costs more than a question
asked twice. `make eval-inspection` prints what each one catches."""

_CEILING: Final = 0.995
_WITNESS: Final = 0.35
_PLAIN: Final = 0.02  # to the model the text is as good as surely benign
_CERTAIN: Final = 0.95
_ALONE: Final = 1.2  # on sources left out: a quarter fewer false positives, hardly any recall lost


def fuse(hits: Iterable[RuleHit], model_score: float) -> float:
    """One score in 0..1 from independent witnesses (noisy or): each family of rules once, by its surest rule.

    Without a rule of some weight beside it the model must be surer. A rule that is not certain counts half where the
    model sees nothing at all: benign texts in the words of attacks are of this kind.
    """
    surest: dict[str, float] = {}
    for hit in hits:
        score = hit.score / 2 if model_score < _PLAIN and hit.score < _CERTAIN else hit.score
        surest[hit.category] = max(score, surest.get(hit.category, 0.0))
    if max(surest.values(), default=0.0) < _WITNESS:
        model_score **= _ALONE
    doubt = math.prod((1 - min(score, _CEILING) for score in surest.values()), start=1 - min(model_score, _CEILING))
    return 1 - doubt
