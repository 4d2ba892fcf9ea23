"""What a limit does while Redis is out of reach: this replica's share of it, all, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sidecar.limits.limit import MAX_FILL_US, BucketStatus, Charge, Limit, OnStoreFailure, Taken
from sidecar.limits.memory import MemoryStore

_SHARES = 4096  # limits whose share is remembered


class Fallback:
    """Decides without Redis. `replicas` is how many share each limit."""

    def __init__(self, memory: MemoryStore, replicas: int = 1) -> None:
        self._memory = memory
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

    def take(self, charges: Sequence[Charge]) -> Taken:
        """All together or none, as the limits' `on_store_failure` says."""
        local = [
            (index, replace(charge, limit=self.share(charge.limit)))
            for index, charge in enumerate(charges)
            if charge.limit.on_store_failure is OnStoreFailure.LOCAL
        ]
        denied = [
            charge.limit.on_store_failure is OnStoreFailure.DENY and not charge.limit.shadow and charge.hits > 0
            for charge in charges
        ]
        # A refused request costs nothing here either.
        taken = self._memory.take([charge if not any(denied) else replace(charge, hits=0) for _, charge in local])
        statuses = [
            BucketStatus(charge, 0 if deny else charge.limit.burst, 1_000_000 if deny else 0, 0, deny)
            for charge, deny in zip(charges, denied, strict=True)
        ]
        for (index, _), status in zip(local, taken.statuses, strict=True):
            statuses[index] = replace(status, charge=charges[index])
        return Taken(taken.admitted and not any(denied), tuple(statuses), degraded=True)

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Redis did charge these after all: they don't count against this replica's share as well."""
        self._memory.take(
            [
                replace(charge, limit=self.share(charge.limit), hits=-charge.hits)
                for charge in charges
                if charge.hits > 0 and charge.limit.on_store_failure is OnStoreFailure.LOCAL
            ]
        )

    def learn(self, status: BucketStatus) -> None:
        """Redis has said how a bucket stands: this replica's share of it stands likewise."""
        self._memory.remember(self.share(status.charge.limit), status, self._replicas)

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
