"""What is kept about one API key."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class KeyState(StrEnum):
    """How a key stands at a moment; only an active one opens anything."""

    ACTIVE = "active"
    NOT_YET = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key, without its secret. Times are Unix seconds.

    `mac` is HMAC-SHA256 (hexadecimal) of the whole text under the pepper in slot `pepper`. Keys that follow each other
    by rotation share a `family`, which owns the budget. `addresses` are networks in CIDR notation, empty for all.
    `models` are glob patterns, None for whatever the plan allows.
    """

    id: str
    environment: str
    mac: str
    pepper: str
    family: str
    created_at: int
    name: str = ""
    owner: str = ""
    tenant: str = ""
    plan: str = ""
    scopes: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    addresses: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    not_before: int | None = None
    expires_at: int | None = None
    revoked_at: int | None = None

    def state(self, now: float, max_age: float | None = None) -> KeyState:
        """How the key stands at `now`; `max_age` (seconds) ends keys that outlived the policy."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        end = self.ends_at(max_age)
        if end is not None and now >= end:
            return KeyState.EXPIRED
        if self.not_before is not None and now < self.not_before:
            return KeyState.NOT_YET
        return KeyState.ACTIVE

    def ends_at(self, max_age: float | None) -> float | None:
        """When the key stops working: its own expiry or its greatest age, whichever is first."""
        ends = [float(self.expires_at)] if self.expires_at is not None else []
        if max_age is not None:
            ends.append(self.created_at + max_age)
        return min(ends, default=None)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(KeyRecord)


def encode(record: KeyRecord) -> bytes:
    """The record as JSON."""
    return _encoder.encode(record)


def decode(data: bytes) -> KeyRecord:
    """The record in `data`; raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(data)
