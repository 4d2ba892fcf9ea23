"""Plans: what a class of callers has been promised."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sidecar.settings import Settings


class PlanSettings(Settings):
    """One plan: the models that it opens and the limits that it adds to the layered ones."""

    models: tuple[str, ...] = Field(default=("*",), description="glob patterns of models that may be asked")
    limits: tuple[dict[str, Any], ...] = Field(default=(), description="limits of this plan, as under `limits`")
