"""Limiter: the one object that decides whether a request's charges may be made."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sidecar.errors import StoreUnavailable
from sidecar.limits.batch import Batcher
from sidecar.limits.breaker import Breaker
from sidecar.limits.fallback import Fallback
from sidecar.limits.limit import NOTHING, BucketStatus, Charge, Limit, Taken
from sidecar.limits.memory import MemoryStore
from sidecar.limits.order import Order, Outcome
from sidecar.limits.redis_store import RedisStore
from sidecar.limits.settings import BucketSettings
from sidecar.metrics import Metrics

_EMPTIES = 65_536  # empty buckets remembered
_LONGEST_EMPTY_US = 1_000_000  # another replica may give units back, so nobody trusts an empty bucket for longer
_PROBE = Charge(Limit("probe", 1_000_000, 1_000_000, 1_000_000, shadow=True), "{probe}:probe:b1000000:%")


class Limiter:
    """Takes charges from buckets in memory, or in Redis where `store` is given."""

    def __init__(self, settings: BucketSettings, metrics: Metrics, store: RedisStore | None = None) -> None:
        self._metrics = metrics
        self._memory = MemoryStore(max_buckets=settings.max_buckets)
        self._empties: dict[str, tuple[int, Charge]] = {}
        self._store = store
        if store is not None:
            self._fallback = Fallback(self._memory, 1 if settings.replicas == "auto" else settings.replicas)
            self._breaker = Breaker(self._probe, metrics)
            self._batcher = Batcher(store.take, self._late, settings.deadline, metrics)

    @property
    def healthy(self) -> bool:
        """False while Redis is out of reach and `on_store_failure` decides."""
        return self._store is None or not self._breaker.open

    async def start(self) -> None:
        """Begin the work in the background."""

    async def stop(self) -> None:
        """End the work in the background."""
        if self._store is not None:
            await self._breaker.stop()
            await self._batcher.stop()

    def peek(self, charges: Sequence[Charge]) -> Taken | None:
        """A refusal that is known without asking anybody, or None. Charges nothing."""
        if self._store is None:
            return self._memory.peek(charges)
        if not self._empties:
            return None
        now = time.monotonic_ns() // 1000
        for charge in charges:
            empty = self._empties.get(charge.key)
            if empty is None:
                continue
            until, known = empty
            if until <= now:
                del self._empties[charge.key]
            elif charge.hits >= known.hits and _may_refuse(charge):
                left = until - now
                return Taken(False, (BucketStatus(charge, 0, left, left, True),))
        return None

    async def take(self, charges: Sequence[Charge]) -> Taken:
        """All charges together, or none when one of them is refused. Never raises, and answers within the deadline."""
        if not charges:
            return NOTHING
        taken = self._memory.take(charges) if self._store is None else await self._take_shared(charges)
        self._count(taken)
        return taken

    async def _take_shared(self, charges: Sequence[Charge]) -> Taken:
        refused = self.peek(charges)
        if refused is not None:
            return refused
        if self._breaker.open:
            return self._fallback.take(charges)
        try:
            outcome = await self._batcher.take(Order(charges))
        except StoreUnavailable as error:
            if self._breaker.failure(error.code):
                self._batcher.abandon()
            return self._fallback.take(charges)
        self._breaker.success()
        self._learn(outcome.taken)
        return outcome.taken

    def _learn(self, taken: Taken) -> None:
        for status in taken.statuses:
            self._fallback.learn(status)
            charge = status.charge
            if status.over and _may_refuse(charge):
                if len(self._empties) >= _EMPTIES:
                    self._empties.clear()
                wait = min(status.retry_after_us, _LONGEST_EMPTY_US)
                self._empties[charge.key] = (time.monotonic_ns() // 1000 + wait, charge)
            elif charge.hits < 0:
                self._empties.pop(charge.key, None)

    def _late(self, order: Order, outcome: Outcome) -> None:
        """Redis has answered after the fallback had decided: make the books agree."""
        self._breaker.success()
        if outcome.taken.admitted:
            self._fallback.give_back(order.charges)

    async def _probe(self) -> None:
        assert self._store is not None
        await self._store.take([Order([_PROBE])])

    def _count(self, taken: Taken) -> None:
        for status in taken.statuses:
            if status.over:
                self._metrics.bucket_denials.add(1, status.charge.limit.name)


def _may_refuse(charge: Charge) -> bool:
    return charge.hits > 0 and not (charge.overdraft or charge.quota or charge.limit.shadow)
