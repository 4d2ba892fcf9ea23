"""Buckets in this process's memory: the store of a single replica, and the share of a limit while Redis is away."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from sidecar.limits.limit import BucketStatus, Charge, Limit, Taken
from sidecar.limits.status import token_status, window_status

_Cell = tuple[int, int, int]
# A token bucket: when it is full again in ticks, ticks in a microsecond, 0.
# A fixed window: its end in microseconds, 1, units taken.

_ABSENT: _Cell = (0, 1, 0)


def steady_clock() -> Callable[[], int]:
    """Unix time in microseconds that never steps: today's wall clock, carried on by the monotonic one."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1000


class MemoryStore:
    """All buckets of one process. `take` never waits, and nothing can come between its charges."""

    def __init__(self, clock: Callable[[], int] | None = None, max_buckets: int = 1_000_000) -> None:
        self._clock = steady_clock() if clock is None else clock
        self._max_buckets = max_buckets
        self._cells: OrderedDict[str, _Cell] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cells)

    def take(self, charges: Sequence[Charge], now: int | None = None) -> Taken:
        """Charge all, or none when one refuses; refunds and overdrafts always happen. `now` is the clock's time, or an
        earlier one to leave out what has come back since."""
        if now is None:
            now = self._clock()
        return self._take_plain(charges, now) or self._take_any(charges, now)

    def _take_plain(self, charges: Sequence[Charge], now: int) -> Taken | None:
        """The common case in one pass: plain charges to different buckets that all have room. None otherwise."""
        cells = self._cells
        keys: list[str] = []
        fresh: list[_Cell] = []
        statuses: list[BucketStatus] = []
        for charge in charges:
            key = charge.key
            if not charge.plain or key in keys:
                return None
            keys.append(key)
            limit = charge.limit
            ticks = limit.ticks
            start = full = now * ticks
            cell = cells.get(key)
            if cell is None or cell[1] != ticks:
                return None
            full = max(full, cell[0])
            full += charge.hits * limit.price
            ahead = full - start
            room = limit.capacity - ahead
            if room < 0:
                return None
            fresh.append((full, ticks, 0))
            statuses.append(BucketStatus(charge, room // limit.price, 0, -(-ahead // ticks), False))
        cells.update(zip(keys, fresh, strict=True))
        return Taken(True, tuple(statuses))

    def _take_any(self, charges: Sequence[Charge], now: int) -> Taken:
        undo: list[tuple[str, _Cell | None]] = []
        over: list[bool] = []
        admitted, quotas, quotas_over = True, 0, 0
        for charge in charges:
            room = self._apply(charge, now, undo)
            over.append(not room)
            if charge.quota and not charge.limit.shadow and not charge.overdraft:
                quotas += 1
                quotas_over += not room
            elif not room and not charge.limit.shadow:
                admitted = False
        if quotas and quotas == quotas_over:
            admitted = False
        if not admitted:
            self._restore(undo)
            for charge in charges:
                if charge.overdraft or charge.hits < 0:
                    self._apply(charge, now, undo)
        if len(self._cells) > self._max_buckets:
            self._evict(now)
        return Taken(admitted, tuple([self._status(*pair, now) for pair in zip(charges, over, strict=True)]))

    def peek(self, charges: Sequence[Charge]) -> Taken | None:
        """The refusal that `take` would answer now because of one bucket alone, or None."""
        now = self._clock()
        over = [self._is_empty(charge, now) for charge in charges]
        if not any(over):
            return None
        return Taken(False, tuple([self._status(*pair, now) for pair in zip(charges, over, strict=True)]))

    def status(self, charge: Charge) -> BucketStatus:
        """How a bucket stands, without charging it."""
        return self._status(charge, False, self._clock())

    def _is_empty(self, charge: Charge, now: int) -> bool:
        if charge.hits <= 0 or charge.overdraft or charge.quota or charge.limit.shadow:
            return False
        cell = self._cells.get(charge.key)
        return cell is not None and not self._fits(charge, cell, now)

    def remember(self, share: Limit, status: BucketStatus, shares: int) -> None:
        """Make the bucket of `share` stand like the whole one that `status` tells of, one of `shares` equal parts.

        A token bucket that is full again at the same time holds the same part of its burst.
        """
        now, key = self._clock(), status.charge.key
        if share.windowed:
            cell = (now + status.reset_us, 1, share.capacity - status.remaining // shares)
        else:
            cell = ((now + status.reset_us) * share.ticks, share.ticks, 0)
        known = key in self._cells
        self._cells[key] = cell
        if not known:
            self._tidy(now)
            if len(self._cells) > self._max_buckets:
                self._evict(now)

    def _fits(self, charge: Charge, cell: _Cell, now: int) -> bool:
        limit = charge.limit
        if limit.windowed:
            return (cell[2] if cell[0] > now else 0) + charge.hits <= limit.capacity
        return max(self._full(cell, limit.ticks), now * limit.ticks) + charge.hits * limit.price <= (
            now * limit.ticks + limit.capacity
        )

    @staticmethod
    def _full(cell: _Cell, ticks: int) -> int:
        return cell[0] if cell[1] == ticks else cell[0] * ticks // cell[1]

    def _apply(self, charge: Charge, now: int, undo: list[tuple[str, _Cell | None]]) -> bool:
        limit, hits, key = charge.limit, charge.hits, charge.key
        cell = self._cells.get(key)
        if limit.windowed:
            return self._apply_window(charge, cell, now, undo)
        start = now * limit.ticks
        full = start if cell is None else cell[0] if cell[1] == limit.ticks else self._full(cell, limit.ticks)
        full = max(full, start)
        after = full + hits * limit.price
        top = start + limit.capacity
        room = after <= top or hits < 0
        if not room:
            if not charge.overdraft:
                return False
            after = max(full, min(after, top + limit.floor))
        elif after < start:
            after = start
        if hits:
            undo.append((key, cell))
            self._cells[key] = (after, limit.ticks, 0)
            if cell is None:
                self._tidy(now)
        return room

    def _apply_window(self, charge: Charge, cell: _Cell | None, now: int, undo: list[tuple[str, _Cell | None]]) -> bool:
        limit, hits = charge.limit, charge.hits
        if cell is None or cell[0] <= now:
            end, count = now - now % limit.period_us + limit.period_us, 0
        else:
            end, count = cell[0], cell[2]
        after = count + hits
        room = after <= limit.capacity or hits < 0
        if not room:
            if not charge.overdraft:
                return False
            after = max(count, min(after, max(limit.capacity, 0) + limit.floor))
        if hits:
            undo.append((charge.key, cell))
            self._cells[charge.key] = (end, 1, max(after, 0))
            if cell is None:
                self._tidy(now)
        return room

    def _restore(self, undo: list[tuple[str, _Cell | None]]) -> None:
        while undo:
            key, cell = undo.pop()
            if cell is None:
                self._cells.pop(key, None)
            else:
                self._cells[key] = cell

    def _status(self, charge: Charge, over: bool, now: int) -> BucketStatus:
        cell, limit = self._cells.get(charge.key, _ABSENT), charge.limit
        if limit.windowed:
            return window_status(charge, now, cell[0], cell[2], over)
        return token_status(charge, self._full(cell, limit.ticks) - now * limit.ticks, over)

    def _tidy(self, now: int) -> None:
        # Every new bucket pays for looking at the two that were looked at longest ago: what is full again needs no
        # memory, and no request ever waits for a sweep over all of them.
        for _ in range(min(2, len(self._cells))):
            key, cell = next(iter(self._cells.items()))
            if cell[0] <= now * cell[1]:
                del self._cells[key]
            else:
                self._cells.move_to_end(key)

    def _evict(self, now: int) -> None:
        # Whoever floods the store with keys makes it forget; of eight, the bucket that loses least by it goes.
        keys = [key for key, _ in zip(self._cells, range(8), strict=False)]
        del self._cells[min(keys, key=lambda key: self._cells[key][0] // self._cells[key][1] - now)]
