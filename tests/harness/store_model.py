"""The script's token buckets with leases, in plain Python on a clock that the caller owns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.limits.limit import BucketStatus, Limit, Taken
from sidecar.limits.order import Draw, Lease, Order, Outcome
from sidecar.limits.status import token_status

EPOCH_US = 500_000


@dataclass
class Bucket:
    """`full`: when the bucket is full again, in ticks; `out`: cost of the units leased out, by the lease's end."""

    full: int = 0
    out: dict[int, int] = field(default_factory=dict)

    def settle(self, now: int, ticks: int) -> None:
        for epoch in sorted(self.out):
            if epoch <= now:
                self.hold(epoch, ticks)
                del self.out[epoch]
        self.hold(now, ticks)

    def hold(self, at: int, ticks: int) -> None:
        self.full = max(self.full, at * ticks + sum(self.out.values()))


class StoreModel:
    """Answers orders of enforced or shadowed token-bucket charges, as the script does."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.calls = 0

    def take(self, orders: Sequence[Order], now: int) -> list[Outcome]:
        self.calls += 1
        return [self._take(order, now) for order in orders]

    def _take(self, order: Order, now: int) -> Outcome:
        over, admitted = [], True
        before: list[tuple[Bucket, int]] = []
        for charge in order.charges:
            limit, bucket = charge.limit, self.buckets.setdefault(charge.key, Bucket())
            bucket.settle(now, limit.ticks)
            before.append((bucket, bucket.full))
            after = bucket.full + charge.hits * limit.price
            room = after <= now * limit.ticks + limit.capacity
            over.append(not room)
            if room:
                bucket.full = after
            elif not limit.shadow:
                admitted = False
        leases = {}
        if admitted:
            for index, draw in order.draws.items():
                charge = order.charges[index]
                lease = self._draw(self.buckets[charge.key], charge.limit, draw, now)
                if lease is not None:
                    leases[index] = lease
        else:
            for bucket, full in reversed(before):
                bucket.full = full
        return Outcome(Taken(admitted, tuple(self._statuses(order, over, now))), now, leases)

    def _statuses(self, order: Order, over: Sequence[bool], now: int) -> list[BucketStatus]:
        return [
            token_status(charge, self.buckets[charge.key].full - now * charge.limit.ticks, late)
            for charge, late in zip(order.charges, over, strict=True)
        ]

    @staticmethod
    def _draw(bucket: Bucket, limit: Limit, draw: Draw, now: int) -> Lease | None:
        if draw.old_epoch in bucket.out:
            left = bucket.out[draw.old_epoch] - draw.old_units * limit.price
            if left > 0:
                bucket.out[draw.old_epoch] = left
            else:
                del bucket.out[draw.old_epoch]
        if draw.unspent_units:
            bucket.full -= draw.unspent_units * limit.price
            bucket.hold(now, limit.ticks)
        for units in draw.rungs:
            after = bucket.full + units * limit.price
            if after <= now * limit.ticks + limit.capacity:
                epoch = -(-(now + draw.lease_us) // EPOCH_US) * EPOCH_US
                bucket.full = after
                bucket.out[epoch] = bucket.out.get(epoch, 0) + units * limit.price
                return Lease(units, epoch)
        return None
