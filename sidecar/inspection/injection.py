"""Prompt injection: rules and a small model over everything that a text can be read as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sidecar.inspection.finding import Finding
from sidecar.inspection.fusion import THRESHOLDS, fuse, threshold_of
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.normalise import View, normalise, triggers
from sidecar.inspection.rulepack import RuleHit, RulePack
from sidecar.prompt import Prompt, Role
from sidecar.settings import LocalPath

if TYPE_CHECKING:
    from sidecar.inspection.model import InjectionModel

_MODEL_RULE = "model"
_UNSEEN = RuleHit(_MODEL_RULE, "model", 0.0, 0, 0, "medium")
OperatingPoint = Literal["monitor", "balanced", "strict"]


class InjectionSettings(InspectorSettings):
    """Attempts to override, extract or escape the instructions of an application."""

    kind: Literal["injection"]
    operating_point: OperatingPoint = Field(
        default="balanced", description="The score from which text is a finding: monitor, balanced or strict"
    )
    thresholds: Mapping[Role, float] = Field(
        default={}, description="Scores (0..1) of your own instead, by role: user, assistant, tool, system"
    )
    roles: tuple[Role, ...] = Field(
        default=(Role.USER, Role.ASSISTANT, Role.TOOL),
        description="Whose text is inspected; the operator's own system text often looks like an attack",
    )
    rule_files: tuple[LocalPath, ...] = Field(default=(), description="Files of rules of your own")
    disabled_rules: tuple[str, ...] = Field(default=(), description="Ids of rules that are left out")
    model: bool = Field(
        default=True,
        description="Ask the small model, and the rules only where it doubts: better and cheaper than rules",
    )


def _load_model() -> InjectionModel:
    from sidecar.inspection.model import InjectionModel  # noqa: PLC0415 - numpy is 15 MB that rules alone don't need

    return InjectionModel.load()


class InjectionInspector:
    """Reads each segment in all its disguises and reports it once, under its strongest rule."""

    def __init__(self, settings: InjectionSettings, model: InjectionModel | None = None) -> None:
        """Compile the rules. `model` stands in for the one that is shipped. Raises ConfigurationError."""
        self._action = settings.action
        point = THRESHOLDS[settings.operating_point]
        usual = {role: threshold_of(point, role) for role in Role} | dict(settings.thresholds)
        self._thresholds = {role: usual[role] for role in settings.roles}
        with ThreadPoolExecutor(max_workers=1) as beside:  # Hyperscan compiles without the interpreter's lock
            compiling = beside.submit(triggers)
            self._rules = RulePack.load(settings.rule_files, without=settings.disabled_rules)
            compiling.result()
        self._model = (model or _load_model()) if settings.model else None

    def threshold(self, role: Role) -> float:
        """The score from which text of that role is a finding; 1 for a role that is not inspected."""
        return self._thresholds.get(role, 1.0)

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each rule that hit in a segment whose score reaches the threshold of its role."""
        for index, segment in enumerate(prompt.segments):
            threshold = self._thresholds.get(segment.role)
            if threshold is not None and segment.text:
                score, view, hits = self.judge(segment.text, segment.role)
                if score >= threshold:
                    for hit in hits:
                        yield self._finding(view, hit, score, index)

    def score(self, prompt: Prompt) -> float:
        """The highest score of the inspected segments, also below the threshold."""
        return max(
            (self.judge(one.text, one.role)[0] for one in prompt.segments if one.role in self._thresholds), default=0.0
        )

    def judge(self, text: str, role: Role = Role.USER) -> tuple[float, View, list[RuleHit]]:
        """The worst reading of the text, its score, and what hit in it, the surest first: rules, or the model."""
        worst: tuple[float, View, list[RuleHit]] | None = None
        for view, hits, witness in self._witnesses(text, role):
            score = fuse(hits, witness.score, trusting=self._model is None or role is Role.TOOL)
            if worst is None or score > worst[0]:
                worst = (score, view, sorted([*hits, witness], key=lambda hit: -hit.score))
        assert worst is not None
        score, view, hits = worst
        return score, view, [hit for hit in hits if hit.rule != _MODEL_RULE or hit is hits[0]]

    def _witnesses(self, text: str, role: Role) -> Iterator[tuple[View, list[RuleHit], RuleHit]]:
        """Each reading of the text with the rules that hit in it, and what the model says of it."""
        views = normalise(text)
        if self._model is None:
            for view in views:
                yield view, self._rules.match(view.text), _UNSEEN
            return
        seen = [self._model.locate(view.text, role) for view in views]
        likeness = max((one.score for view, one in zip(views, seen, strict=True) if not view.superseded), default=0.0)
        for view, one in zip(views, seen, strict=True):
            score = likeness if view.superseded else one.score  # a disguised text says what it says without
            witness = RuleHit(_MODEL_RULE, "model", score, one.start, one.end, "medium")
            yield view, self._rules.match(view.text, one.doubtful), witness

    def _finding(self, view: View, hit: RuleHit, score: float, index: int) -> Finding:
        start, end = view.locate(hit.start, hit.end)
        return Finding(
            rule=f"injection.{hit.rule}",
            category="injection",
            severity=hit.severity,
            score=score,
            action=self._action,
            segment=index,
            start=start,
            end=end,
        )
