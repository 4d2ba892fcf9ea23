"""Limiter: the one object that decides whether a request's charges may be made."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.limits.limit import NOTHING, Charge, Taken
from sidecar.limits.memory import MemoryStore
from sidecar.limits.peers import Peers
from sidecar.limits.redis_store import Store
from sidecar.limits.settings import BucketSettings
from sidecar.limits.shared import Shared
from sidecar.metrics import Metrics


class Limiter:
    """Takes charges from buckets in this process's memory, or in Redis where a store and peers are given."""

    def __init__(
        self,
        settings: BucketSettings,
        metrics: Metrics,
        store: Store | None = None,
        peers: Peers | None = None,
    ) -> None:
        self._metrics = metrics
        self._memory = MemoryStore(max_buckets=settings.max_buckets)
        self._shared = None if store is None else Shared(settings, metrics, store, peers)

    @property
    def healthy(self) -> bool:
        """False while Redis is out of reach and `on_store_failure` decides."""
        return self._shared is None or self._shared.healthy

    async def start(self) -> None:
        """Begin the work in the background."""
        if self._shared is not None:
            await self._shared.start()

    async def stop(self) -> None:
        """Give back what is leased, and end the work in the background."""
        if self._shared is not None:
            await self._shared.stop()

    def peek(self, charges: Sequence[Charge]) -> Taken | None:
        """A refusal that is known without asking anybody, or None. Charges nothing."""
        return self._memory.peek(charges) if self._shared is None else self._shared.peek(charges)

    async def take(self, charges: Sequence[Charge]) -> Taken:
        """All charges together, or none when one of them is refused. Never raises, and answers within the deadline."""
        if not charges:
            return NOTHING
        taken = self._memory.take(charges) if self._shared is None else await self._shared.take(charges)
        self._count(taken)
        return taken

    def _count(self, taken: Taken) -> None:
        for status in taken.statuses:
            charge = status.charge
            limit = charge.limit
            if status.over:
                counter = self._metrics.shadow_denials if limit.shadow else self._metrics.bucket_denials
                counter.add(1, limit.name)
            elif taken.admitted and charge.hits > 0:
                self._metrics.bucket_hits.add(charge.hits, limit.name)
                if status.remaining * 5 < limit.burst:
                    self._metrics.near_limit.add(charge.hits, limit.name)
