"""What a store is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.limits.limit import Charge, Taken


@dataclass(frozen=True, slots=True)
class Draw:
    """Units to lease from a token bucket, spendable for `lease_us`.

    The first of `rungs` (units, falling) that the bucket can give is drawn. The lease held until now is settled: it
    ends at `old_epoch`, was `old_units` large, and `unspent_units` of it come back.
    """

    lease_us: int
    rungs: tuple[int, ...]
    old_epoch: int = 0
    old_units: int = 0
    unspent_units: int = 0


@dataclass(slots=True, eq=False)
class Order:
    """One take: all `charges` together or none, and what to lease (by index of the charge) when it is admitted.

    `asked_us` is when it was made, on this process's clock. `told` is what the caller was told when the store had not
    answered in time: admitted, refused, or nothing because it has gone.
    """

    charges: Sequence[Charge]
    draws: dict[int, Draw] = field(default_factory=dict)
    asked_us: int = 0
    told: bool | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """`units` that were drawn, spendable until `epoch` on the store's clock (microseconds)."""

    units: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one order, given at `now_us` of the store's clock. `leases` has what each draw got, if anything."""

    taken: Taken
    now_us: int
    leases: dict[int, Lease] = field(default_factory=dict)
