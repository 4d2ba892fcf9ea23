"""A secret wrapped under a master key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrapped:
    """`blob` is opaque text of the keeper; `reference` names the master key that made it, to tell people."""

    reference: str
    blob: str
