"""Principal: who is calling, as far as the rest of the pipeline needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, whatever credential proved it.

    `id` is unique over all kinds and issuers and safe to log (never a secret): `key:<key id>` or
    `jwt:<issuer>|<subject>`. `budget` names the buckets that the caller spends from; for an API key it is the key's
    family, so that rotation keeps the budget. All values are visible ASCII.
    """

    id: str
    kind: str  # "api_key" | "jwt" | ...
    subject: str
    budget: str
    tenant: str = ""
    plan: str = ""
    scopes: frozenset[str] = frozenset()
    models: tuple[str, ...] | None = None  # glob patterns; None = whatever the plan allows
    key_id: str = ""
    issuer: str = ""
    client_id: str = ""
    environment: str = ""
    expires_at: float | None = None  # Unix seconds
    metadata: Mapping[str, str] = field(default_factory=dict)
