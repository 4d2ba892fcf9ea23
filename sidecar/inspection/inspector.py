"""What an inspector is, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Protocol

from pydantic import Field

from sidecar.inspection.finding import Action, Finding
from sidecar.prompt import Prompt
from sidecar.settings import Settings


class Inspector(Protocol):
    """Reads a prompt and reports. Made once, called from several threads: it keeps no state between prompts."""

    def inspect(self, prompt: Prompt) -> Iterable[Finding]:
        """What there is to say about `prompt`, in any order. Linear in the text; raises nothing on purpose."""


class InspectorSettings(Settings):
    """What every inspector can be told. Lists of names are shell-style patterns; an empty list stands for all."""

    action: Action = Field(default=Action.DENY, description="What a finding leads to: allow, flag or deny")
    shadow_mode: bool = Field(
        default=False, description="Report findings and count what would have been denied, but let the request pass"
    )
    routes: tuple[str, ...] = Field(default=(), description="Only on these routes")
    plans: tuple[str, ...] = Field(default=(), description="Only for callers on these plans")
    tenants: tuple[str, ...] = Field(default=(), description="Only for callers of these tenants")
    models: tuple[str, ...] = Field(default=(), description="Only for these models")
    unless_scopes: tuple[str, ...] = Field(default=(), description="Not for callers who hold one of these scopes")

    def applies(self, *, route: str, plan: str, tenant: str, model: str, scopes: frozenset[str]) -> bool:
        """Whether the inspector looks at a request with these names; "" is a name that is unknown.

        A request that names no model may be answered by any, so that what applies to one model applies to it.
        """
        return (
            scopes.isdisjoint(self.unless_scopes)
            and _listed(route, self.routes)
            and _listed(plan, self.plans)
            and _listed(tenant, self.tenants)
            and (not model or _listed(model, self.models))
        )

    @property
    def applies_always(self) -> bool:
        """Whether no list narrows it down."""
        return not (self.routes or self.plans or self.tenants or self.models or self.unless_scopes)


def _listed(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
