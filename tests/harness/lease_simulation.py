"""Many replicas on one store, as discrete events: the real lease code, a modelled store and network."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sidecar.limits.empties import Empties
from sidecar.limits.lease import Leases
from sidecar.limits.limit import Charge, Limit
from sidecar.limits.order import Draw, Order, Outcome
from tests.harness.store_model import StoreModel

START_US = 1_795_399_545_258_657


def worst_excess(limit: Limit, admitted: Sequence[tuple[int, int]]) -> int:
    """Most units by which any interval of a history of (time in us, units) exceeds burst + rate x time."""
    worst, level, last = 0, limit.capacity, 0
    for at, units in sorted(admitted):
        level = min(limit.capacity, level + (at - last) * limit.ticks) if last else limit.capacity
        last = at
        level -= units * limit.price
        worst = max(worst, -level)
    return -(-worst // limit.price)


@dataclass
class Result:
    """What came out of a run. Times are simulated seconds."""

    seconds: float
    asked: int = 0
    calls: int = 0
    admitted: list[tuple[int, int]] = field(default_factory=list)

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def calls_per_decision(self) -> float:
        return self.calls / max(1, self.asked)

    def admitted_after(self, seconds: float) -> float:
        """Units admitted a second, leaving out the first `seconds`, in which the burst is spent."""
        since = START_US + int(seconds * 1e6)
        return sum(units for at, units in self.admitted if at >= since) / (self.seconds - seconds)


class _Replica:
    def __init__(self) -> None:
        self.leases, self.empties, self.alive = Leases(), Empties(), True
        self.empties.trust(True)


class Simulation:
    """`replicas` share one bucket of `limit`; together they are asked `demand` times a second, at random."""

    def __init__(self, limit: Limit, replicas: int, demand: float, seconds: float, seed: int = 1) -> None:
        self.limit, self.demand, self.seconds = limit, demand, seconds
        self.random = random.Random(seed)
        random.seed(seed)
        self.store, self.result = StoreModel(), Result(seconds)
        self.charge = Charge(limit, "{x}:k")
        self.replicas = [_Replica() for _ in range(replicas)]
        self.events: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = itertools.count()
        self.kill_every: float | None = None
        self.quiet_after = seconds  # when the demand ends

    def run(self) -> Result:
        end = START_US + int(self.seconds * 1e6)
        for replica in self.replicas:
            self._arrive(replica, START_US)
            self.at(START_US + self.random.randrange(100_000), lambda now, r=replica: self._sweep(r, now))  # type: ignore[misc]
        if self.kill_every is not None:
            self.at(START_US + int(self.kill_every * 1e6), self._kill)
        while self.events and self.events[0][0] < end:
            now, _, action = heapq.heappop(self.events)
            action(now)
        self.result.calls = self.store.calls
        return self.result

    def at(self, when: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self.events, (when, next(self._order), action))

    def _latency(self) -> int:
        return 100 + int(self.random.expovariate(1 / 150))

    def _arrive(self, replica: _Replica, now: int) -> None:
        gap = self.random.expovariate(self.demand / len(self.replicas)) * 1e6
        self.at(now + int(gap), lambda then: self._decide(replica, then))

    def _decide(self, replica: _Replica, now: int) -> None:
        if not replica.alive or now >= START_US + self.quiet_after * 1e6:
            return
        self._arrive(replica, now)
        self.result.asked += 1
        charge, leases = self.charge, replica.leases
        if replica.empties.find(charge, now) is not None or leases.known_empty(charge, now) is not None:
            return
        if charge.limit.leasable and leases.spend(charge, now) is not None:
            self.result.admitted.append((now, charge.hits))
            if leases.low(charge, now):
                draw = leases.draw(charge)
                if draw is not None:
                    self._ask(replica, self._returning(draw, now), now)
            return
        order = Order([charge], asked_us=now)
        draw = leases.draw(charge) if charge.limit.leasable else None
        if draw is not None:
            order.draws[0] = draw
        self._ask(replica, order, now)

    def _returning(self, draw: Draw, now: int) -> Order:
        limit = replace(self.limit, shadow=True)
        return Order([replace(self.charge, limit=limit, hits=0)], {0: draw}, asked_us=now)

    def _ask(self, replica: _Replica, order: Order, now: int) -> None:
        def arrived(then: int) -> None:
            (outcome,) = self.store.take([order], then)
            if order.charges[0].hits and outcome.taken.admitted:
                self.result.admitted.append((then, order.charges[0].hits))
            self.at(then + self._latency(), lambda later: self._answered(replica, order, outcome, later))

        self.at(now + self._latency(), arrived)

    def _answered(self, replica: _Replica, order: Order, outcome: Outcome, now: int) -> None:
        if not replica.alive:
            return
        for status in outcome.taken.statuses:
            replica.leases.learn(status, now)
            if status.over:
                replica.empties.add(status, now)
        for index, draw in order.draws.items():
            replica.leases.drawn(self.charge, draw, outcome.leases.get(index), order.asked_us, now)

    def _sweep(self, replica: _Replica, now: int) -> None:
        if replica.alive:
            for _, draw in replica.leases.idle(now):
                self._ask(replica, self._returning(draw, now), now)
            self.at(now + 100_000, lambda then: self._sweep(replica, then))

    def _kill(self, now: int) -> None:
        place = self.random.randrange(len(self.replicas))
        self.replicas[place].alive = False
        fresh = self.replicas[place] = _Replica()
        self._arrive(fresh, now)
        self.at(now + 100_000, lambda then: self._sweep(fresh, then))
        if self.kill_every is not None:
            self.at(now + int(self.kill_every * 1e6), self._kill)
