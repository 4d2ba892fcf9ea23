"""Leases: units of busy buckets, drawn from the store ahead of need and spent without asking it.

A unit is either in the shared bucket or in one replica's hands, so no replica can spend what another has. The store
keeps room for what is out until it is settled, and a lease may not be spent after its end: what a killed replica held
is lost, never doubled. Times are microseconds of one steady clock of this process; no I/O happens here.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sidecar.limits.limit import BucketStatus, Charge, Limit
from sidecar.limits.order import Draw, Lease

LEASE_US = 4_000_000  # how long drawn units may be spent
_LONGEST_WINDOW_US = 2_000_000  # of its own traffic that a replica draws ahead
_IDLE_US = 1_000_000  # without a charge, after which everything goes back
_MEASURE_US = 100_000  # over which traffic is measured
_SOON = 32  # units after which a bucket that was quiet is measured early
_SMALLEST_BLOCK = 2  # units; below it, drawing ahead saves nothing
_RUNGS = 6
_PAUSE_US = 10_000  # an empty busy bucket is asked again after about this long: several units have come back by then
_SCARCE_US = 100_000  # after it was empty, a bucket counts as scarce for so long
_MAX_HOLDINGS = 50_000
_SWEEP = 1000  # holdings looked at in one sweep, so that no decision waits for it


@dataclass(slots=True)
class _Block:
    left: int
    size: int
    epoch: int
    ends: int


@dataclass(slots=True)
class _Holding:
    """What this replica has of one bucket, and what it knows of it."""

    charge: Charge
    blocks: deque[_Block] = field(default_factory=deque)
    settled: deque[tuple[int, int, int]] = field(default_factory=deque)  # epoch, size, unspent: to tell the store
    left: int = 0
    low: int = 0  # at or below it, the next block is drawn
    drawing: bool = False
    seen: int = 0
    since: int = 0
    rate: float = 0.0  # units a microsecond
    last: int = 0
    remaining: int = 0  # in the shared bucket, as last heard
    reset_us: int = 0
    empty_until: int = 0


class Leases:
    """All leases of this replica."""

    def __init__(self) -> None:
        self._holdings: OrderedDict[str, _Holding] = OrderedDict()

    def __len__(self) -> int:
        return len(self._holdings)

    def spend(self, charge: Charge, now: int) -> BucketStatus | None:
        """Pay a charge from what is held; None when the store has to be asked."""
        holding = self._holdings.get(charge.key)
        if holding is None:
            self._meet(charge, now)
            return None
        hits = charge.hits
        holding.seen += hits
        holding.last = now
        if now - holding.since >= _MEASURE_US or (holding.rate == 0 and holding.seen >= _SOON and now > holding.since):
            _measure(holding, now)
        if holding.left < hits or hits <= 0 or charge.overdraft or charge.quota:
            return None
        blocks, due = holding.blocks, hits
        while blocks and blocks[0].ends <= now:
            self._close(holding)
        if holding.left < hits:
            return None
        while due:
            block = blocks[0]
            part = min(block.left, due)
            block.left -= part
            due -= part
            if not block.left:
                self._close(holding)
        holding.left -= hits
        return BucketStatus(charge, holding.left + holding.remaining, 0, holding.reset_us, False)

    def unspend(self, charge: Charge) -> None:
        """Take a spending back, because another bucket has refused the request."""
        holding = self._holdings.get(charge.key)
        if holding is None:
            return
        block = holding.blocks[0] if holding.blocks else None
        if block is not None and block.left + charge.hits <= block.size:
            block.left += charge.hits
            holding.left += charge.hits
        elif holding.settled:  # spent to the last unit: the store will hear of it
            epoch, size, unspent = holding.settled.pop()
            holding.settled.append((epoch, size, min(size, unspent + charge.hits)))

    def known_empty(self, charge: Charge, now: int) -> BucketStatus | None:
        """The refusal of a charge to a busy bucket that was empty a moment ago, or None."""
        holding = self._holdings.get(charge.key)
        if holding is None or holding.left >= charge.hits:
            return None
        left = holding.empty_until - now
        if left <= 0 and holding.drawing:
            # The next block is on its way. What it brings is all there is: asking beside it would find nothing more.
            left += _SCARCE_US
        if left <= 0:
            return None
        holding.seen += charge.hits
        return BucketStatus(charge, 0, left, max(left, holding.reset_us), True)

    def low(self, charge: Charge, now: int) -> bool:
        """Whether the next block should be drawn now, before this one runs out."""
        holding = self._holdings.get(charge.key)
        return (
            holding is not None
            and holding.left <= holding.low
            and not holding.drawing
            and holding.empty_until <= now
            and bool(holding.blocks)
        )

    def draw(self, charge: Charge) -> Draw | None:
        """What to ask of the store for this bucket, or None when leasing does not pay or is under way already."""
        holding = self._holdings.get(charge.key)
        if holding is None or holding.drawing:
            return None
        block = _block(charge.limit, holding.rate)
        if block < max(_SMALLEST_BLOCK, 2 * charge.hits):
            return None
        rungs = [block]
        while len(rungs) < _RUNGS and rungs[-1] // 2 >= _SMALLEST_BLOCK:
            rungs.append(rungs[-1] // 2)
        holding.drawing = True
        epoch, size, unspent = holding.settled.popleft() if holding.settled else (0, 0, 0)
        return Draw(LEASE_US, tuple(rungs), epoch, size, unspent)

    def drawn(self, charge: Charge, draw: Draw, lease: Lease | None, asked: int, now: int) -> None:
        """The store's answer to a draw that was asked for at `asked`; None when it could give nothing."""
        holding = self._holdings.get(charge.key)
        if holding is None:
            if lease is None:
                return
            holding = self._meet(charge, now)
        holding.drawing = False
        if draw.rungs and (lease is None or lease.units < draw.rungs[0]):
            holding.empty_until = max(holding.empty_until, now + _pause())
        if lease is None:
            return
        # The store counts from when it answered, which is later than when it was asked.
        holding.blocks.append(_Block(lease.units, lease.units, lease.epoch, asked + draw.lease_us))
        holding.left += lease.units
        holding.low = lease.units // 3

    def undrawn(self, charge: Charge) -> None:
        """A draw without an answer. Whether the store has carried it out, nobody knows: what it should have settled is
        not told again, or units could come back twice; the store stops holding them when the lease ends."""
        holding = self._holdings.get(charge.key)
        if holding is not None:
            holding.drawing = False

    def learn(self, status: BucketStatus, now: int) -> None:
        """How the shared bucket stands."""
        holding = self._holdings.get(status.charge.key)
        if holding is None:
            return
        holding.remaining, holding.reset_us = status.remaining, status.reset_us
        if status.over:
            holding.empty_until = now + max(status.retry_after_us, _pause() if holding.rate else 0)

    def idle(self, now: int) -> Iterator[tuple[Charge, Draw]]:
        """What to give back: leases of buckets that nobody has charged for a while, and ended ones."""
        for _ in range(min(_SWEEP, len(self._holdings))):
            key, holding = self._holdings.popitem(last=False)
            while holding.blocks and holding.blocks[0].ends <= now:
                self._close(holding)
            if now - holding.last >= _IDLE_US and not holding.drawing:
                yield from self._release(holding)
            else:
                self._holdings[key] = holding

    def release(self) -> Iterator[tuple[Charge, Draw]]:
        """Everything, to be given back at the end."""
        for holding in self._holdings.values():
            yield from self._release(holding)
        self._holdings.clear()

    def forget(self) -> None:
        """Drop every lease and what is known of the buckets: the store has lost them."""
        self._holdings.clear()

    def _release(self, holding: _Holding) -> Iterator[tuple[Charge, Draw]]:
        while holding.blocks:
            self._close(holding)
        for epoch, size, unspent in holding.settled:
            yield holding.charge, Draw(LEASE_US, (), epoch, size, unspent)
        holding.settled.clear()

    def _meet(self, charge: Charge, now: int) -> _Holding:
        if len(self._holdings) >= _MAX_HOLDINGS:
            self._holdings.popitem(last=False)  # its units are lost, and come back when the lease ends
        holding = self._holdings[charge.key] = _Holding(charge, seen=max(charge.hits, 0), since=now, last=now)
        return holding

    @staticmethod
    def _close(holding: _Holding) -> None:
        block = holding.blocks.popleft()
        holding.left -= block.left
        holding.settled.append((block.epoch, block.size, block.left))


def _pause() -> int:
    # At random, so that replicas don't ask in step.
    return int(_PAUSE_US * random.uniform(0.5, 1.5))  # noqa: S311


def _measure(holding: _Holding, now: int) -> None:
    observed = holding.seen / (now - holding.since)
    # Rising traffic counts at once: blocks that are too small cost calls, those that are too large come back.
    holding.rate = max(observed, (holding.rate + observed) / 2)
    holding.seen, holding.since = 0, now


def _block(limit: Limit, rate: float) -> int:
    """Units to draw ahead: a part of a second of this replica's own traffic, in which all replicas together take no
    more than a quarter of the burst out of the bucket, and one alone no more than an eighth."""
    quarter_us = limit.burst * limit.period_us // (4 * limit.units)
    return min(int(rate * min(_LONGEST_WINDOW_US, quarter_us)), limit.burst // 8)
