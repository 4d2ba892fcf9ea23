"""Plans: what a class of callers has been promised."""

from __future__ import annotations

from pydantic import Field

from sidecar.limits.settings import LimitSettings
from sidecar.settings import Settings


class PlanSettings(Settings):
    """One plan: the models that it opens and the limits that it adds to the layered ones."""

    models: tuple[str, ...] = Field(default=("*",), description="glob patterns of models that may be asked")
    limits: tuple[LimitSettings, ...] = Field(default=(), description="limits of this plan, as under `limits`")
