"""Rule: what one descriptor of an envoyproxy/ratelimit file asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sidecar.limits.descriptor_file import Place
from sidecar.limits.limit import MAX_UNITS, Algorithm, Limit, OnStoreFailure
from sidecar.limits.settings import UNIT_US, parse_rate

_DESCRIPTOR = (
    "key",
    "value",
    "rate_limit",
    "descriptors",
    "shadow_mode",
    "quota_mode",
    "detailed_metric",
    "value_to_metric",
    "share_threshold",
    "metadata",
    "portcullis",
)
_RATE_LIMIT = ("unit", "requests_per_unit", "unlimited", "name", "replaces")
_EXTENSION = ("burst", "algorithm", "on_store_failure", "exact", "overdraft", "cost", "rate", "limits")
_MORE = ("rate", "burst", "algorithm")

_Kind = TypeVar("_Kind", Algorithm, OnStoreFailure)


@dataclass(frozen=True, slots=True)
class Rule:
    """The limits of a descriptor, all of which hold, and how they are reported.

    `requests_per_unit` and `unit` (a window's name, "" when it has none) are what Envoy is told of the first limit.
    A hit costs `cost` units. `overdraft`: an explicit per-descriptor `hits_addend` is charged even beyond what is
    left. A rule without limits and not `unlimited` exempts.
    """

    label: str
    name: str = ""
    limits: tuple[Limit, ...] = ()
    unlimited: bool = False
    shadow: bool = False
    quota: bool = False
    replaces: frozenset[str] = frozenset()
    overdraft: bool = True
    cost: int = 1
    requests_per_unit: int = 0
    unit: str = ""
    detailed_metric: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


def read_descriptor(place: Place) -> dict[str, Place]:
    """The members of one descriptor; ConfigurationError for one that is not known."""
    return place.mapping(*_DESCRIPTOR)


def read_rule(members: dict[str, Place], label: str) -> Rule | None:
    """The rule of a descriptor, or None when it has none; ConfigurationError naming the place of a fault."""
    rate_limit, extension = members["rate_limit"], members["portcullis"]
    shadow, quota = members["shadow_mode"].flag(), members["quota_mode"].flag()
    detailed, metadata = members["detailed_metric"].flag(), members["metadata"].structure()
    if rate_limit.empty:
        if extension.empty:
            return None
        own: dict[str, Place] = {}
    else:
        own = rate_limit.mapping(*_RATE_LIMIT)
    more = {} if extension.empty else extension.mapping(*_EXTENSION)
    name = own["name"].text() if own else ""
    replaces = _replaces(own, name)
    if own and own["unlimited"].flag():
        if not own["unit"].empty and own["unit"].text().lower() in UNIT_US:
            raise own["unit"].fault("an unlimited rate limit has no unit")
        return Rule(label, name, unlimited=True, replaces=replaces, detailed_metric=detailed, metadata=metadata)
    overdraft = more["overdraft"].flag(default=True) if more else True
    common: dict[str, Any] = {
        "name": label,
        "by": ("descriptor",),
        "shadow": shadow,
        "on_store_failure": _choice(more, "on_store_failure", OnStoreFailure, OnStoreFailure.LOCAL),
        "exact": more["exact"].flag() if more else False,
    }
    limits, unit, per_unit = _first(rate_limit, own, more, common)
    if more:
        for place in more["limits"].sequence():
            extra = place.mapping(*_MORE)
            limits.append(_limit(extra["rate"], extra, _rate(extra["rate"]), common))
    if not limits:
        raise extension.fault("names no limit", "write rate_limit beside it, or `rate: 100/15s` in it")
    if overdraft:
        limits = [with_debt(limit) for limit in limits]
    return Rule(
        label,
        name,
        tuple(limits),
        shadow=shadow,
        quota=quota,
        replaces=replaces,
        overdraft=overdraft,
        cost=more["cost"].number(default=1, least=1, most=1_000_000) if more else 1,
        requests_per_unit=per_unit,
        unit=unit,
        detailed_metric=detailed,
        metadata=metadata,
    )


def with_debt(limit: Limit) -> Limit:
    """The limit with room for overdrafts: never more than the units of one window below empty."""
    return replace(limit, debt=limit.units)


def _first(
    rate_limit: Place, own: dict[str, Place], more: dict[str, Place], common: dict[str, Any]
) -> tuple[list[Limit], str, int]:
    if own:
        if more and not more["rate"].empty:
            raise more["rate"].fault("stands beside rate_limit", "put it into `limits`, or leave rate_limit out")
        unit = own["unit"].text().lower()
        if unit not in UNIT_US:
            raise own["unit"].fault(f"{own['unit'].text()!r} is no unit", f"write one of {', '.join(UNIT_US)}")
        per_unit = own["requests_per_unit"].number()
        return [_limit(rate_limit, more, (per_unit, UNIT_US[unit]), common)], unit, per_unit
    if more["rate"].empty:
        return [], "", 0
    units, period_us = _rate(more["rate"])
    unit = next((name for name, length in UNIT_US.items() if length == period_us), "")
    return [_limit(more["rate"], more, (units, period_us), common)], unit, units


def _limit(place: Place, more: dict[str, Place], rate: tuple[int, int], common: dict[str, Any]) -> Limit:
    units, period_us = rate
    algorithm = _choice(more, "algorithm", Algorithm, Algorithm.TOKEN_BUCKET)
    burst = more["burst"].number(default=units, least=1, most=MAX_UNITS) if more and not more["burst"].empty else units
    if algorithm is Algorithm.FIXED_WINDOW and burst != units:
        raise more["burst"].fault("a fixed window has no burst", "leave it out")
    try:
        return Limit(units=units, period_us=period_us, burst=burst, algorithm=algorithm, **common)
    except ValueError as fault:
        raise place.fault(str(fault)) from None


def _rate(place: Place) -> tuple[int, int]:
    try:
        rate = parse_rate(place.text())
    except ValueError as fault:
        raise place.fault(str(fault)) from None
    return rate.units, rate.period_us


def _choice(more: dict[str, Place], key: str, kinds: type[_Kind], default: _Kind) -> _Kind:
    if not more or more[key].empty:
        return default
    text = more[key].text()
    if text not in list(kinds):
        raise more[key].fault(f"{text!r} is not known", f"write one of {', '.join(kinds)}")
    return kinds(text)


def _replaces(own: dict[str, Place], name: str) -> frozenset[str]:
    names = []
    for place in own["replaces"].sequence() if own else ():
        other = place.mapping("name")["name"]
        if not other.text():
            raise other.fault("an entry of replaces has no name")
        if other.text() == name:
            raise other.fault("a limit can't replace itself")
        names.append(other.text())
    return frozenset(names)
