"""Settings of limits, as they are written in the configuration."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sidecar.limits.keys import KEYS
from sidecar.limits.limit import MAX_UNITS, Algorithm, Limit, OnStoreFailure
from sidecar.settings import Duration, LocalPath, Settings

UNIT_US = {
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
    "month": 30 * 86_400_000_000,
    "year": 365 * 86_400_000_000,
}
"""Microseconds of a named window; a month is 30 days and a year 365, as in envoyproxy/ratelimit."""

_SUFFIX_US = {"us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


class Rate(Settings):
    """`units` in every `period_us`."""

    units: int = Field(ge=0, le=MAX_UNITS)
    period_us: int = Field(ge=1)


def parse_window(text: str) -> int:
    """`minute`, `15s`, `10m` -> microseconds; ValueError on anything else."""
    if text in UNIT_US:
        return UNIT_US[text]
    match = re.match(r"([0-9]{1,9})(us|ms|s|m|h|d)\Z", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a window; write one of {', '.join(UNIT_US)}, or 15s, 10m, 12h, 7d")
    return int(match[1]) * _SUFFIX_US[match[2]]


def parse_rate(value: str) -> Rate:
    """`60/minute`, `1000/15s` -> Rate; ValueError on anything else."""
    units, separator, window = value.partition("/")
    if not separator or not re.match(r"[0-9]{1,10}\Z", units) or int(units) > MAX_UNITS:
        raise ValueError(f"{value!r} is not a rate; write 60/minute, 5000/second or 1000/15s")
    return Rate(units=int(units), period_us=parse_window(window))


def _rate(value: object) -> object:
    return parse_rate(value) if isinstance(value, str) else value


RateSpelling = Annotated[Rate, BeforeValidator(_rate)]


class LimitSettings(Settings):
    """One limit."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="name in headers, logs and metrics")
    by: tuple[str, ...] = Field(default=(), description=f"what gets a bucket of its own: {', '.join(KEYS)}; none: all")
    rate: RateSpelling = Field(description="units that come back in a window: 60/minute, 1000/15s")
    burst: int | None = Field(
        default=None, ge=1, le=MAX_UNITS, description="most units that are held; by default one window's worth"
    )
    on_store_failure: OnStoreFailure = Field(
        default=OnStoreFailure.LOCAL,
        description="while Redis is out of reach: local (this replica's share of the limit), allow or deny",
    )
    exact: bool = Field(default=False, description="ask Redis every time; never lease units to a replica")
    shadow: bool = Field(default=False, description="count and report, never refuse")
    algorithm: Algorithm = Field(
        default=Algorithm.TOKEN_BUCKET, description="token_bucket, or fixed_window for windows aligned to the calendar"
    )

    @model_validator(mode="after")
    def _validate(self) -> Self:
        for key in self.by:
            if key not in KEYS:
                raise ValueError(f"limit {self.name!r}: by: {key!r} is none of {', '.join(KEYS)}")
        if len(set(self.by)) != len(self.by):
            raise ValueError(f"limit {self.name!r}: by: names a key twice")
        if self.algorithm is Algorithm.FIXED_WINDOW and self.burst not in {None, self.rate.units}:
            raise ValueError(f"limit {self.name!r}: a fixed window has no burst; leave it out")
        self.limit()
        return self

    def limit(self) -> Limit:
        """The limit that these settings describe; ValueError where it would leave the bounds of exact arithmetic."""
        return Limit(
            name=self.name,
            units=self.rate.units,
            period_us=self.rate.period_us,
            burst=self.rate.units if self.burst is None else self.burst,
            by=self.by,
            on_store_failure=self.on_store_failure,
            algorithm=self.algorithm,
            exact=self.exact,
            shadow=self.shadow,
        )


class BucketSettings(Settings):
    """How the buckets are kept."""

    deadline: Duration = Field(
        default=0.010, gt=0, le=1, description="longest wait for Redis in one decision; Envoy's own is 20ms"
    )
    replicas: int | Literal["auto"] = Field(
        default="auto",
        description="replicas that share a limit while Redis is away; auto: as many as Redis saw last, or 1",
    )
    leasing: bool = Field(default=True, description="draw units of busy buckets ahead; false asks Redis every time")
    max_buckets: int = Field(
        default=1_000_000, ge=1000, description="most buckets held in memory; beyond it the fullest are forgotten"
    )


class DescriptorSettings(Settings):
    """Envoy's rate-limit service (`envoy.service.ratelimit.v3`), configured as envoyproxy/ratelimit is."""

    descriptors: LocalPath = Field(description="a file, or a folder of .yaml files, in envoyproxy/ratelimit's format")
    merge_domains: bool = Field(default=False, description="several files may add to one domain")
    shadow_mode: bool = Field(default=False, description="count everything, refuse nothing")
    quota_mode: bool = Field(default=False, description="refuse only when every matched limit is over")
    slot_by: str = Field(
        default="tenant",
        description="key of the entry whose value spreads a domain's buckets over the slots of a Redis Cluster",
    )
    headers: Literal["off", "x-ratelimit", "ratelimit"] = Field(
        default="off", description="headers with what is left; off where Envoy's filter adds its own"
    )
    metadata: bool = Field(default=False, description="answer with dynamic metadata; it repeats descriptor values")
