"""Buckets in a Redis Cluster: one script call for each slot, and refunds where a take spans several."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import structs
from redis.crc import key_slot

from sidecar.errors import StoreUnavailable
from sidecar.limits.limit import BucketStatus, Charge, Taken
from sidecar.limits.order import Lease, Order, Outcome
from sidecar.limits.redis_store import RedisStore


@dataclass(frozen=True, slots=True)
class _Part:
    """The charges of order `number` that lie in one slot, and their `indices` in it."""

    number: int
    indices: list[int]
    order: Order

    @property
    def unconditional(self) -> bool:
        """Whether something has to be charged or given back whatever becomes of the rest."""
        return any(charge.overdraft or charge.hits < 0 for charge in self.order.charges)


class ClusterStore:
    """Takes orders to the slots that their buckets lie in.

    A take within one slot is atomic. One that spans several charges slot by slot, and gives back what was charged when
    a later slot refuses: nobody is ever admitted beyond a limit, though for a moment a bucket may look emptier than it
    is.
    """

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    def group(self, order: Order) -> tuple[int, ...]:
        """The slots of an order. Only orders with the same ones may be asked together: another node may be down."""
        return tuple(sorted({self._slot(charge) for charge in order.charges}))

    async def take(self, orders: Sequence[Order]) -> list[Outcome]:
        """All orders, in one call for each slot; StoreUnavailable when one of the slots can't answer.

        A refusal has the statuses of the slots that were asked; the others' charges stand as not asked, not over.
        """
        if len({slot for order in orders for slot in self.group(order)}) == 1:
            return await self._store.take(orders)
        parts: dict[int, list[_Part]] = {}
        for number, order in enumerate(orders):
            for slot, part in self._split(number, order).items():
                parts.setdefault(slot, []).append(part)
        answered: list[list[tuple[_Part, Outcome]]] = [[] for _ in orders]
        refused: set[int] = set()
        # One slot after the other, in the same order everywhere: of two replicas that want the last units of several
        # buckets, one gets them all. Asked at once, each could get some, and both would be refused.
        for slot in sorted(parts):
            listed = [part for part in parts[slot] if part.number not in refused or part.unconditional]
            try:
                reply = await self._store.take([part.order for part in listed]) if listed else []
            except StoreUnavailable:
                await self._give_back([outcome for found in answered for _, outcome in found])
                raise
            for part, outcome in zip(listed, reply, strict=True):
                answered[part.number].append((part, outcome))
                if not outcome.taken.admitted:
                    refused.add(part.number)
        outcomes = [_join(order, found) for order, found in zip(orders, answered, strict=True)]
        await self._give_back(
            [
                part_outcome
                for outcome, found in zip(outcomes, answered, strict=True)
                if not outcome.taken.admitted
                for _, part_outcome in found
            ]
        )
        return outcomes

    def _slot(self, charge: Charge) -> int:
        return int(key_slot(self._store.key(charge).encode()))

    def _split(self, number: int, order: Order) -> dict[int, _Part]:
        slots: dict[int, list[int]] = {}
        for index, charge in enumerate(order.charges):
            slots.setdefault(self._slot(charge), []).append(index)
        parts = {}
        for slot, indices in slots.items():
            charges = [order.charges[index] for index in indices]
            if len(slots) > 1:
                # Whether all quotas are over is known only when every slot has answered.
                charges = [_unrefusing(charge) if charge.quota else charge for charge in charges]
            draws = {place: order.draws[index] for place, index in enumerate(indices) if index in order.draws}
            parts[slot] = _Part(number, indices, Order(charges, draws))
        return parts

    async def _give_back(self, outcomes: Sequence[Outcome]) -> None:
        charged = [
            Order([replace(status.charge, hits=-status.charge.hits, quota=False)])
            for outcome in outcomes
            if outcome.taken.admitted
            for status in outcome.taken.statuses
            if status.charge.hits > 0 and not status.over and not status.charge.overdraft
        ]
        if charged:
            # What can't be given back now is lost to its bucket, and refills.
            with contextlib.suppress(StoreUnavailable):
                await self.take(charged)


def _unrefusing(charge: Charge) -> Charge:
    return replace(charge, limit=replace(charge.limit, shadow=True))


def _join(order: Order, parts: Sequence[tuple[_Part, Outcome]]) -> Outcome:
    statuses: dict[int, BucketStatus] = {}
    leases: dict[int, Lease] = {}
    for part, outcome in parts:
        for place, index in enumerate(part.indices):
            statuses[index] = structs.replace(outcome.taken.statuses[place], charge=order.charges[index])
            if place in outcome.leases:
                leases[index] = outcome.leases[place]
    ordered = [
        statuses[index] if index in statuses else BucketStatus(charge, charge.limit.burst, 0, 0, False)
        for index, charge in enumerate(order.charges)
    ]
    quotas = [
        status.over
        for status in ordered
        if status.charge.quota and not status.charge.overdraft and not status.charge.limit.shadow
    ]
    admitted = all(outcome.taken.admitted for _, outcome in parts) and not (quotas and all(quotas))
    if not admitted:
        ordered = [_uncharged(status) for status in ordered]
    now_us = min(outcome.now_us for _, outcome in parts)
    return Outcome(Taken(admitted, tuple(ordered)), now_us, leases)


def _uncharged(status: BucketStatus) -> BucketStatus:
    """What a status says once its charge has been given back."""
    charge = status.charge
    if status.over or charge.hits <= 0 or charge.overdraft:
        return status
    remaining = min(charge.limit.burst, status.remaining + charge.hits)
    return structs.replace(status, remaining=remaining)
