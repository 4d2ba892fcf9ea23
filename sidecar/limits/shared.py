"""Shared: buckets in Redis, asked as seldom as possible and never waited for longer than the deadline."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from sidecar.errors import StoreUnavailable
from sidecar.limits.batch import Batcher
from sidecar.limits.breaker import Breaker
from sidecar.limits.empties import Empties
from sidecar.limits.fallback import Fallback
from sidecar.limits.lease import Leases
from sidecar.limits.limit import BucketStatus, Charge, Limit, Taken
from sidecar.limits.order import Draw, Order, Outcome
from sidecar.limits.peers import Peers
from sidecar.limits.redis_store import Store
from sidecar.limits.settings import BucketSettings
from sidecar.metrics import Metrics

_PROBE = Charge(Limit("probe", 1_000_000, 1_000_000, 1_000_000, shadow=True), "{probe}:probe:b1000000:%")
_SWEEP_SECONDS = 0.1
_PROBE_SECONDS = 0.5


class Shared:
    """Takes charges from buckets in Redis: from leases where they cover them, else in one batched call."""

    def __init__(self, settings: BucketSettings, metrics: Metrics, store: Store, peers: Peers | None) -> None:
        self._metrics, self._store, self._peers = metrics, store, peers
        self._fallback = Fallback(settings.max_buckets, 1 if settings.replicas == "auto" else settings.replicas)
        self._counted = settings.replicas == "auto"
        self._empties = Empties()
        self._leases = Leases() if settings.leasing else None
        self._breaker = Breaker(self._probe, metrics)
        self._batcher = Batcher(store, self._late, settings.deadline, metrics)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def healthy(self) -> bool:
        """False while Redis is out of reach."""
        return not self._breaker.open

    async def start(self) -> None:
        """Begin to count replicas, to hear of refunds, and to give idle leases back."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._sweep())]
        if self._peers is not None:
            self._tasks += [
                loop.create_task(self._peers.follow(self._empties.forget, self._empties.trust)),
                loop.create_task(self._peers.count(self._count_replicas)),
            ]

    async def stop(self) -> None:
        """Give all leases back and end the background work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._breaker.stop()
        orders = [_returning(charge, draw) for charge, draw in self._leases.release()] if self._leases else []
        if orders and not self._breaker.open:
            with contextlib.suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(1):
                    await self._store.take(orders)
        await self._batcher.stop()
        if self._peers is not None:
            await self._peers.stop()

    def peek(self, charges: Sequence[Charge]) -> Taken | None:
        """A refusal that is known without asking, or None."""
        now = time.monotonic_ns() // 1000
        known = [self._known_empty(charge, now) for charge in charges]
        if known.count(None) == len(known):
            return None
        statuses = [status or self._fallback.last_heard(charge) for charge, status in zip(charges, known, strict=True)]
        return Taken(False, tuple(statuses))

    def _known_empty(self, charge: Charge, now: int) -> BucketStatus | None:
        if charge.hits <= 0 or charge.overdraft or charge.quota:
            return None
        status = self._empties.find(charge, now)
        if status is None and self._leases is not None and charge.limit.leasable:
            status = self._leases.known_empty(charge, now)
        return status

    async def take(self, charges: Sequence[Charge]) -> Taken:
        """All charges together, or none; never raises, and never later than the deadline."""
        refused = self.peek(charges)
        if refused is not None and not any(charge.overdraft or charge.hits < 0 for charge in charges):
            return refused
        now = time.monotonic_ns() // 1000
        if self._leases is None:
            return await self._ask(Order(charges, asked_us=now))
        held = self._spend(self._leases, charges, now)
        if not held:
            return await self._ask(self._order(self._leases, charges, now))
        if len(held) == len(charges):
            return Taken(True, tuple(held.values()))
        rest = [charge for index, charge in enumerate(charges) if index not in held]
        taken = await self._ask(self._order(self._leases, rest, now))
        if not taken.admitted:
            for index in held:
                self._leases.unspend(charges[index])
        asked = iter(taken.statuses)
        statuses = [held[index] if index in held else next(asked) for index in range(len(charges))]
        return structs.replace(taken, statuses=tuple(statuses))

    def _spend(self, leases: Leases, charges: Sequence[Charge], now: int) -> dict[int, BucketStatus]:
        held: dict[int, BucketStatus] = {}
        for index, charge in enumerate(charges):
            if charge.limit.leasable:
                status = leases.spend(charge, now)
                if status is not None:
                    held[index] = status
                    if leases.low(charge, now):
                        self._renew(leases, charge, now)
        return held

    def _order(self, leases: Leases, charges: Sequence[Charge], now: int) -> Order:
        order = Order(charges, asked_us=now)
        for index, charge in enumerate(charges):
            if charge.limit.leasable and charge.hits > 0:
                draw = leases.draw(charge)
                if draw is not None:
                    order.draws[index] = draw
        return order

    def _renew(self, leases: Leases, charge: Charge, now: int) -> None:
        draw = None if self._breaker.open else leases.draw(charge)
        if draw is not None:
            self._batcher.post(_returning(charge, draw, now), self._posted)

    async def _ask(self, order: Order) -> Taken:
        if self._breaker.open:
            self._undraw(order)
            return self._fallback.take(order.charges)
        try:
            outcome = await self._batcher.take(order)
        except StoreUnavailable as error:
            away = self._breaker.failure(error.code)
            if away:
                self._batcher.abandon()
            self._undraw(order)
            taken = self._fallback.take(order.charges, away=away)
            order.told = taken.admitted
            return taken
        self._learn(order, outcome)
        return outcome.taken

    def _learn(self, order: Order, outcome: Outcome) -> None:
        self._breaker.success()
        now = time.monotonic_ns() // 1000
        for status in outcome.taken.statuses:
            charge = status.charge
            self._fallback.learn(status)
            if charge.limit.leasable and self._leases is not None:
                self._leases.learn(status, now)
            if charge.hits < 0:
                self._empties.forget(charge.key)
                if self._peers is not None:
                    self._peers.tell(charge.key)
            elif status.over:
                self._empties.add(status, now)
        if self._leases is not None:
            for index, draw in order.draws.items():
                lease = outcome.leases.get(index)
                self._leases.drawn(order.charges[index], draw, lease, order.asked_us, now)
                self._metrics.leased_units.add(lease.units if lease else 0, "drawn")
                self._metrics.leased_units.add(draw.unspent_units, "returned")

    def _late(self, order: Order, outcome: Outcome) -> None:
        """Redis has answered after somebody was told something else: make the books agree."""
        self._learn(order, outcome)
        if outcome.taken.admitted and order.told:
            self._fallback.give_back(order.charges)
        elif outcome.taken.admitted:
            paid = [charge for charge in order.charges if charge.hits > 0 and not charge.overdraft]
            self._post([replace(charge, hits=-charge.hits) for charge in paid])

    def _post(self, charges: Iterable[Charge]) -> None:
        for charge in charges:
            self._batcher.post(Order([charge]), self._posted)

    def _posted(self, order: Order, outcome: Outcome | None) -> None:
        if outcome is None:
            self._undraw(order)
        else:
            self._learn(order, outcome)

    def _undraw(self, order: Order) -> None:
        if self._leases is not None:
            for index in order.draws:
                self._leases.undrawn(order.charges[index])

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._store.take([Order([_PROBE])])
        except TimeoutError:
            raise StoreUnavailable("store_timeout") from None
        if self._leases is not None:
            self._leases.forget()  # Redis may have come back without knowing of them
        self._post(self._fallback.settle())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            if not self._breaker.open:
                self._post(self._fallback.settle())
            if self._leases is not None:
                for charge, draw in self._leases.idle(time.monotonic_ns() // 1000):
                    if not self._breaker.open:
                        self._batcher.post(_returning(charge, draw), self._posted)

    def _count_replicas(self, count: int) -> None:
        self._metrics.replicas.set(count)
        if self._counted:
            self._fallback.replicas = count


def _returning(charge: Charge, draw: Draw, now: int = 0) -> Order:
    """An order that only draws or settles. In shadow mode, so that a bucket in debt carries it out too."""
    return Order([replace(charge, limit=replace(charge.limit, shadow=True), hits=0)], {0: draw}, asked_us=now)
