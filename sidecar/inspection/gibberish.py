"""Gibberish: token soup, as left behind by an optimiser that looks for a suffix which breaks a model's refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.prompt import Prompt, Role

if TYPE_CHECKING:
    from sidecar.inspection.model.gibberish import GibberishModel

_RULE = "gibberish.adversarial_suffix"


class GibberishSettings(InspectorSettings):
    """How sure a finding has to be. At 0.5, about one text in 500 of the kinds nearest to soup is a false alarm."""

    kind: Literal["gibberish"]
    action: Action = Field(default=Action.FLAG, description="What a finding leads to: allow, flag or deny")
    min_score: float = Field(default=0.5, gt=0, le=1, description="Findings less sure than this are dropped")


def _load_model() -> GibberishModel:
    from sidecar.inspection.model.gibberish import GibberishModel  # noqa: PLC0415 - numpy, only where it is asked for

    return GibberishModel.load()


class GibberishInspector:
    """Looks for a stretch of a text in which neither words nor signs follow one another as they do in any language."""

    def __init__(self, settings: GibberishSettings, model: GibberishModel | None = None) -> None:
        """`model` stands in for the one that is shipped. Raises ConfigurationError."""
        self._settings = settings
        self._model = model or _load_model()

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """At most one finding for each segment, at its worst stretch. The operator's own text is not looked at."""
        for index, segment in enumerate(prompt.segments):
            if segment.role is Role.SYSTEM:
                continue
            found = self._model.locate(segment.text, self._settings.min_score)
            if found is not None and found.score >= self._settings.min_score:
                yield Finding(
                    rule=_RULE,
                    category="gibberish",
                    severity="medium",
                    score=round(found.score, 3),
                    action=self._settings.action,
                    segment=index,
                    start=found.start,
                    end=found.end,
                )
