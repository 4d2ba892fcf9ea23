"""What a limit is, what a request charges to it, and what the store answers. All integers; times in microseconds.

The arithmetic is exact. A token bucket is one number, the time at which it will be full again (GCRA's theoretical
arrival time), counted in *ticks*: a limit of `units` per `period_us`, reduced by their greatest common divisor, has
`units / gcd` ticks in a microsecond and asks `period_us / gcd` ticks for a unit, so that a unit and a microsecond are
both whole. A fixed window is the number of units taken since its start, aligned to the Unix epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

MAX_UNITS = 2**32 - 1
"""Most units that a limit or one charge may name: what the rate-limit protocol carries."""

MAX_FILL_US = 100 * 365 * 86_400 * 1_000_000
"""Longest time in which a bucket may fill (100 years): added to the present it stays far below 2**53, up to which the
doubles of Redis's Lua are exact."""

_LEASABLE_RATE, _LEASABLE_BURST = 50, 50  # units a second, units


class OnStoreFailure(StrEnum):
    """What a limit does while its store can't be reached."""

    LOCAL = "local"  # this replica's share of the limit, kept in memory
    ALLOW = "allow"
    DENY = "deny"


class Algorithm(StrEnum):
    """How units come back: continuously (token bucket), or all at once at the end of a calendar window."""

    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - the name of an algorithm
    FIXED_WINDOW = "fixed_window"


@dataclass(frozen=True, slots=True)
class Limit:
    """`units` come back every `period_us`; at most `burst` are held. Identity (hash) is by value.

    `units` 0 refuses every charge. `debt` is how many units an overdraft may put the bucket below empty. The fields
    after `debt` are derived: ticks in a microsecond, ticks for a unit, then `burst` (-1 where nothing ever passes) and
    `debt`, in ticks for a token bucket and in units for a fixed window; and whether units may be leased. ValueError is
    raised where the arithmetic would leave its bounds.
    """

    name: str
    units: int
    period_us: int
    burst: int
    by: tuple[str, ...] = ()
    on_store_failure: OnStoreFailure = OnStoreFailure.LOCAL
    algorithm: Algorithm = Algorithm.TOKEN_BUCKET
    exact: bool = False  # never lease units ahead
    shadow: bool = False  # count and report, never refuse
    debt: int = 0
    ticks: int = field(init=False, compare=False, repr=False)
    price: int = field(init=False, compare=False, repr=False)
    capacity: int = field(init=False, compare=False, repr=False)
    floor: int = field(init=False, compare=False, repr=False)
    windowed: bool = field(init=False, compare=False, repr=False)
    leasable: bool = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (0 <= self.units <= MAX_UNITS and 0 <= self.burst <= MAX_UNITS and 0 <= self.debt <= 10 * MAX_UNITS):
            raise ValueError(f"units, burst and debt of limit {self.name!r} must lie between 0 and 2^32-1")
        if not 1 <= self.period_us <= MAX_FILL_US:
            raise ValueError(f"the window of limit {self.name!r} must lie between 1us and 100 years")
        units = self.units or 1
        divisor = math.gcd(units, self.period_us)
        ticks, price = units // divisor, self.period_us // divisor
        if (self.burst + self.debt) * price > MAX_FILL_US * ticks:
            raise ValueError(f"limit {self.name!r} would need more than 100 years to fill its bucket")
        windowed = self.algorithm is Algorithm.FIXED_WINDOW
        scale = 1 if windowed else price
        for name, value in (
            ("ticks", ticks),
            ("price", price),
            ("capacity", self.burst * scale if self.units and self.burst else -1),
            ("floor", self.debt * scale),
            ("windowed", windowed),
            ("leasable", self._leasable(windowed)),
            ("_hash", hash((self.name, self.units, self.period_us, self.burst, self.by, self.shadow, self.debt))),
        ):
            object.__setattr__(self, name, value)

    def _leasable(self, windowed: bool) -> bool:
        """Whether units may be drawn ahead: not from a bucket so small that a replica's block would be felt."""
        busy = self.units * 1_000_000 >= _LEASABLE_RATE * self.period_us and self.burst >= _LEASABLE_BURST
        return busy and not (windowed or self.exact or self.shadow)

    def __hash__(self) -> int:
        return self._hash  # limits are looked up for every charge; the fields never change


@dataclass(frozen=True, slots=True)
class Charge:
    """`hits` units to take from the bucket `key` of `limit`. `key` is escaped: no value can aim at another bucket.

    `hits` 0 only asks, and passes unless the bucket is in debt; a negative one gives back (floored at a full bucket).
    `overdraft` charges even beyond what is left, whatever becomes of the other charges, because the usage has already
    happened. Charges with `quota` refuse only when every one of the take does.
    """

    limit: Limit
    key: str
    hits: int = 1
    overdraft: bool = False
    quota: bool = False
    plain: bool = field(init=False, compare=False, repr=False)  # takes units from a token bucket, or refuses

    def __post_init__(self) -> None:
        special = self.hits <= 0 or self.overdraft or self.quota or self.limit.shadow or self.limit.windowed
        object.__setattr__(self, "plain", not special)


class BucketStatus(Struct, frozen=True):
    """How one bucket stands after a take.

    `remaining` whole units (0 when in debt); `retry_after_us` until this charge would pass (0 when it would now);
    `reset_us` until the bucket is full again; `over` when this bucket refused (or would have, in shadow mode).
    """

    charge: Charge
    remaining: int
    retry_after_us: int
    reset_us: int
    over: bool


class Taken(Struct, frozen=True):
    """The answer to one take: all charges together, or none. `statuses` has one entry per charge, in order.

    `degraded` is True when the store was out of reach and `on_store_failure` decided.
    """

    admitted: bool
    statuses: tuple[BucketStatus, ...] = ()
    degraded: bool = False


NOTHING = Taken(True)
"""The answer to a take without charges."""
