"""What a store of API keys can do; it never sees an opened record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.authentication.master_keys import Wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A wrapped secret of the store: a pepper (`purpose` "pepper") or the data key of one tenant ("data")."""

    id: str
    purpose: str
    wrapped: Wrapped
    created_at: int
    tenant: str = ""

    @property
    def context(self) -> str:
        """What the wrapping is bound to: a slot can't pass for another one."""
        return f"portcullis|{self.purpose}|{self.id}|{self.tenant}"


Changed = Callable[[str | None], None]
"""Called with the id of a key that changed, or None when any may have."""


class KeyStore(Protocol):
    """Sealed records by key id, and slots. Methods raise StoreUnavailable when the store does not answer.

    `name` tells people which store it is. `confirmed_at` is the time (time.monotonic) up to which every change has
    been reported to `watch`.
    """

    name: str

    @property
    def confirmed_at(self) -> float:
        """See above."""

    async def get(self, key_id: str) -> bytes | None:
        """The sealed record."""

    async def replace(self, key_id: str, new: bytes | None, expected: bytes | None) -> bool:
        """Write the record (None deletes it) if it still is `expected` (None: absent), and tell every replica."""

    def ids(self) -> AsyncIterator[str]:
        """The ids of all keys, in no order."""

    async def slots(self) -> tuple[Slot, ...]:
        """All slots."""

    async def add_slot(self, slot: Slot) -> bool:
        """Keep a new slot; False when its id is taken."""

    async def replace_slot(self, slot: Slot) -> None:
        """Write the slot anew."""

    async def remove_slot(self, slot_id: str) -> None:
        """Destroy the slot, and with it everything that is sealed under it; tell every replica."""

    async def touch(self, used: Mapping[str, int]) -> None:
        """Remember when keys were last used (Unix seconds)."""

    async def last_used(self, key_ids: tuple[str, ...]) -> dict[str, int]:
        """When keys were last used, for those that ever were."""

    async def watch(self, changed: Changed) -> None:
        """Report changes until cancelled; never raises for the store's sake."""

    async def close(self) -> None:
        """Give back connections."""
