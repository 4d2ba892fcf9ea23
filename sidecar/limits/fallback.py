"""What a limit does while Redis is out of reach: this replica's share of it, all, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from msgspec import structs

from sidecar.limits.limit import MAX_FILL_US, BucketStatus, Charge, Limit, OnStoreFailure, Taken
from sidecar.limits.memory import MemoryStore, steady_clock

_SHARES = 4096  # limits whose share is remembered
_HEARD = 65_536  # buckets of which it is remembered when Redis told of them
_RECENT_US = 1_000_000
_OWED = 65_536  # buckets whose local spending is charged to Redis when it is back


class Fallback:
    """Decides without Redis. `replicas` is how many share each limit.

    A share stands like the whole bucket did when Redis last told of it, so that falling back opens no fresh burst. What
    was spent of it is charged to Redis later (`settle`), as far as it has not come back by then.
    """

    def __init__(self, max_buckets: int, replicas: int = 1, clock: Callable[[], int] | None = None) -> None:
        self._clock = steady_clock() if clock is None else clock
        self._memory = MemoryStore(self._clock, max_buckets)
        self._spent = MemoryStore(self._clock, max_buckets)
        self._heard: dict[str, int] = {}
        self._owed: dict[str, Limit] = {}
        self._shares: dict[Limit, Limit] = {}
        self._replicas = replicas

    @property
    def replicas(self) -> int:
        """How many replicas share a limit."""
        return self._replicas

    @replicas.setter
    def replicas(self, count: int) -> None:
        if count != self._replicas:
            self._replicas = max(1, count)
            self._shares.clear()

    def take(self, charges: Sequence[Charge], *, away: bool = True) -> Taken:
        """All together or none, as the limits' `on_store_failure` says.

        `away`: Redis is known to be out of reach. Otherwise it was only late this once: the other replicas go on
        taking from the shared bucket what comes back to it, so none of that is counted into this one's share.
        """
        denied = [
            charge.limit.on_store_failure is OnStoreFailure.DENY and not charge.limit.shadow and charge.hits > 0
            for charge in charges
        ]
        refused = any(denied)
        local = [index for index, charge in enumerate(charges) if _is_local(charge)]
        shares = [self._share_of(charges[index], 0 if refused else charges[index].hits) for index in local]
        taken = self._memory.take(shares, None if away else self._last_moment(shares))
        if taken.admitted and not refused:
            self._owe([charges[index] for index in local], shares)
        statuses = [
            BucketStatus(charge, 0 if deny else charge.limit.burst, 1_000_000 if deny else 0, 0, deny)
            for charge, deny in zip(charges, denied, strict=True)
        ]
        for index, status in zip(local, taken.statuses, strict=True):
            statuses[index] = structs.replace(status, charge=charges[index])
        return Taken(taken.admitted and not refused, tuple(statuses), degraded=True)

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Redis did charge these after all: they don't count against this replica's share as well."""
        returned = [self._share_of(charge, -charge.hits) for charge in charges if _is_local(charge) and charge.hits > 0]
        self._memory.take(returned)
        self._spent.take(returned)

    def settle(self) -> list[Charge]:
        """What this replica has spent by itself and Redis should know of; told once."""
        charges = []
        for key, limit in self._owed.items():
            share = self.share(limit)
            (status,) = self._spent.take([Charge(share, key, 0)]).statuses
            missing = share.burst - status.remaining
            if missing > 0:
                charges.append(Charge(replace(limit, debt=limit.burst), key, missing, overdraft=True))
        self._owed.clear()
        self._spent = MemoryStore(self._clock)
        return charges

    def learn(self, status: BucketStatus) -> None:
        """Redis has said how a bucket stands: this replica's share of it stands likewise."""
        limit = status.charge.limit
        if limit.on_store_failure is OnStoreFailure.LOCAL:
            self._memory.remember(self.share(limit), status, self._replicas)
            if len(self._heard) >= _HEARD:
                self._heard.clear()
            self._heard[status.charge.key] = self._clock()

    def last_heard(self, charge: Charge) -> BucketStatus:
        """How the whole bucket stands by what Redis told last and by what this replica has spent alone since."""
        share = self.share(charge.limit)
        status = self._memory.status(replace(charge, limit=share))
        return BucketStatus(
            charge, min(charge.limit.burst, status.remaining * self._replicas), 0, status.reset_us, over=False
        )

    def share(self, limit: Limit) -> Limit:
        """The limit divided by the replicas; its burst is at least one unit."""
        share = self._shares.get(limit)
        if share is None:
            if len(self._shares) >= _SHARES:
                self._shares.clear()
            count = min(self._replicas, MAX_FILL_US // limit.period_us)
            share = self._shares[limit] = replace(
                limit,
                units=limit.units // count if limit.windowed else limit.units,
                period_us=limit.period_us if limit.windowed else limit.period_us * count,
                burst=max(1, limit.burst // count) if limit.burst else 0,
            )
        return share

    def _last_moment(self, charges: Sequence[Charge]) -> int:
        """When Redis last told of one of these buckets; now, where that was too long ago to say anything."""
        now = self._clock()
        moments = [self._heard.get(charge.key, 0) for charge in charges]
        return min((moment for moment in moments if now - moment < _RECENT_US), default=now)

    def _share_of(self, charge: Charge, hits: int) -> Charge:
        return replace(charge, limit=self.share(charge.limit), hits=hits)

    def _owe(self, charges: Sequence[Charge], shares: Sequence[Charge]) -> None:
        if len(self._owed) < _OWED:
            self._spent.take([replace(share, overdraft=share.hits > 0) for share in shares])
            for charge in charges:
                if charge.hits > 0:
                    self._owed[charge.key] = charge.limit


def _is_local(charge: Charge) -> bool:
    return charge.limit.on_store_failure is OnStoreFailure.LOCAL
