"""Batches: what is asked of Redis in one turn of the event loop goes there together, with a deadline."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from sidecar.errors import StoreUnavailable
from sidecar.limits.order import Order, Outcome
from sidecar.limits.redis_store import Store
from sidecar.metrics import Metrics

_CHARGES = 512  # in one script call: about 3 ms of Redis's time
_IN_FLIGHT = 4  # calls under way; what comes meanwhile makes the next one larger
_GRACE_TURNS = 4  # turns of the loop in which an answer that has already arrived gets from the socket to us

Late = Callable[[Order, Outcome], None]


@dataclass(slots=True, eq=False)
class _Entry:
    order: Order
    future: asyncio.Future[Outcome]
    due: float
    extended: bool = False


class Batcher:
    """Takes orders to `store`, many at a time.

    An order unanswered after `deadline` seconds raises StoreUnavailable(`store_deadline`); when Redis answers it
    nevertheless, `late` is told. A deadline that passes because this process was late (a busy event loop, a busy
    machine) is extended once by as much as it was late: Redis has to have had its time before anybody falls back.
    """

    def __init__(self, store: Store, late: Late, deadline: float, metrics: Metrics) -> None:
        self._store, self._late, self._deadline, self._metrics = store, late, deadline, metrics
        self._queues: dict[Hashable, deque[_Entry]] = {}
        self._waiting: deque[_Entry] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[Hashable] = Counter()
        self._flush_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, order: Order) -> Outcome:
        """The answer to one order."""
        return await self._enqueue(order).future

    def post(self, order: Order, done: Callable[[Order, Outcome | None], None]) -> None:
        """Send an order that nobody waits for; `done` gets the outcome, or None."""

        def answered(future: asyncio.Future[Outcome]) -> None:
            failed = future.cancelled() or future.exception() is not None
            done(order, None if failed else future.result())

        self._enqueue(order).future.add_done_callback(answered)

    def _enqueue(self, order: Order) -> _Entry:
        loop = asyncio.get_running_loop()
        entry = _Entry(order, loop.create_future(), loop.time() + self._deadline)
        self._queues.setdefault(self._store.group(order), deque()).append(entry)
        self._waiting.append(entry)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            loop.call_soon(self._flush)
        if self._timer is None:
            self._timer = loop.call_at(entry.due, self._check, entry.due)
        return entry

    def abandon(self) -> None:
        """Forget the calls under way: the connection is dead, and what is asked next must not queue behind them."""
        self._in_flight.clear()

    async def stop(self) -> None:
        """End the calls under way; whoever waits gets StoreUnavailable(`store_stopped`)."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entry in self._waiting:
            self._fail(entry, StoreUnavailable("store_stopped"))
        self._queues.clear()
        self._waiting.clear()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _flush(self) -> None:
        self._flush_scheduled = False
        for group in list(self._queues):
            self._flush_group(group)

    def _flush_group(self, group: Hashable) -> None:
        queue = self._queues.get(group)
        while queue and self._in_flight[group] < _IN_FLIGHT:
            batch, charges = [], 0
            while queue and charges < _CHARGES:
                entry = queue.popleft()
                if not entry.future.done():  # else its caller has gone, or fallen back
                    batch.append(entry)
                    charges += len(entry.order.charges)
            if batch:
                self._in_flight[group] += 1
                task = asyncio.get_running_loop().create_task(self._call(group, batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if not queue:
            self._queues.pop(group, None)

    async def _call(self, group: Hashable, batch: list[_Entry]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._metrics.store_batch.record(len(batch))
        try:
            outcomes = await self._store.take([entry.order for entry in batch])
        except StoreUnavailable as error:
            self._metrics.store_seconds.record(loop.time() - began, error.code)
            for entry in batch:
                self._fail(entry, error)
        else:
            self._metrics.store_seconds.record(loop.time() - began, "ok")
            for entry, outcome in zip(batch, outcomes, strict=True):
                if entry.future.done():
                    self._late(entry.order, outcome)
                else:
                    entry.future.set_result(outcome)
        finally:
            self._in_flight[group] -= 1
            if self._in_flight[group] <= 0:
                del self._in_flight[group]
            self._flush_group(group)

    @staticmethod
    def _fail(entry: _Entry, error: StoreUnavailable) -> None:
        if not entry.future.done():
            entry.future.set_exception(error)

    def _check(self, planned: float, turns: int = 0) -> None:
        loop = asyncio.get_running_loop()
        if turns < _GRACE_TURNS:
            loop.call_soon(self._check, planned, turns + 1)
            return
        now = loop.time()
        late = now - planned
        while self._waiting and (self._waiting[0].future.done() or self._waiting[0].due <= now):
            entry = self._waiting.popleft()
            if entry.future.done():
                continue
            if late > 0.001 and not entry.extended:
                entry.extended = True
                entry.due = now + min(late, self._deadline)
                self._waiting.append(entry)
                continue
            self._fail(entry, StoreUnavailable("store_deadline"))
        following = self._waiting[0].due if self._waiting else None
        self._timer = None if following is None else loop.call_at(following, self._check, following)
