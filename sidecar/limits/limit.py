"""What a limit is, what a request charges to it, and what the store answers. All integers; times in microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """`units` come back every `period_us`; at most `burst` are held. Identity (hash) is by value."""

    name: str
    units: int
    period_us: int
    burst: int
    by: tuple[str, ...] = ()
    on_store_failure: OnStoreFailure = OnStoreFailure.LOCAL
    algorithm: Algorithm = Algorithm.TOKEN_BUCKET
    exact: bool = False  # never lease units ahead
    shadow: bool = False  # count and report, never refuse


@dataclass(frozen=True, slots=True)
class Charge:
    """`hits` units to take from the bucket `key` of `limit`. `key` is escaped: no value can aim at another bucket.

    `hits` 0 only asks; a negative one gives back (floored at a full bucket). `overdraft` charges even beyond what is
    left, because the usage has already happened.
    """

    limit: Limit
    key: str
    hits: int = 1
    overdraft: bool = False


@dataclass(frozen=True, slots=True)
class BucketStatus:
    """How one bucket stands after a take.

    `remaining` whole units (0 when in debt); `retry_after_us` until this charge would pass (0 when it would now);
    `reset_us` until the bucket is full again; `over` when this bucket refused (or would have, in shadow mode).
    """

    charge: Charge
    remaining: int
    retry_after_us: int
    reset_us: int
    over: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to one take: all charges together, or none. `statuses` has one entry per charge, in order.

    `degraded` is True when the store was out of reach and `on_store_failure` decided.
    """

    admitted: bool
    statuses: tuple[BucketStatus, ...] = ()
    degraded: bool = False
