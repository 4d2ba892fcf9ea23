"""Question: one call of Envoy's rate-limit service, compiled to charges; and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sidecar.errors import InvalidRequest
from sidecar.limits.descriptors import Descriptors, Match, bucket_of
from sidecar.limits.keys import bucket_key, escape
from sidecar.limits.layers import window_name
from sidecar.limits.limit import MAX_UNITS, BucketStatus, Charge, Limit, Taken
from sidecar.limits.rule import Rule, with_debt
from sidecar.limits.settings import UNIT_US, DescriptorSettings

_MOST_DESCRIPTORS = 256  # in one call: Redis answers nobody else while it works on them
_MOST_HITS = 11 * MAX_UNITS  # more than any bucket and its debt can hold: a greater number means the same


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor as Envoy sends it. `hits` is None when the request's own number counts; `override` is (units,
    name of the window)."""

    entries: tuple[tuple[str, str], ...]
    hits: int | None = None
    refund: bool = False
    override: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What one descriptor came to: its rule, and which charges are its own. No rule: nothing limits it."""

    rule: Rule | None
    label: str = ""
    first: int = 0
    last: int = 0
    refund: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """All charges of a call, and the rows that say whose they are, one for each descriptor.

    `happened`: some of the usage is past, and has to be booked even when nobody waits for the answer any more.
    """

    domain: str
    descriptors: tuple[Descriptor, ...]
    hits: int
    charges: tuple[Charge, ...]
    rows: tuple[Row, ...]
    happened: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one descriptor. `limit` is None where nothing limits it; times in microseconds."""

    over: bool
    rule: Rule | None
    remaining: int
    reset_us: int
    worst: BucketStatus | None


class Questions:
    """Compiles calls, by the rules and settings in force."""

    def __init__(self, descriptors: Descriptors, settings: DescriptorSettings) -> None:
        self._descriptors, self._settings = descriptors, settings
        self._domains = frozenset(descriptors.domains)

    @property
    def settings(self) -> DescriptorSettings:
        """The settings in force."""
        return self._settings

    def compile(self, domain: str, descriptors: Sequence[Descriptor], hits_addend: int) -> Question:
        """The charges that a call makes.

        Raises InvalidRequest: `empty_domain`, `empty_descriptors`, `too_many_descriptors`, or `override_without_unit`.
        """
        if not domain:
            raise InvalidRequest("empty_domain")
        if not descriptors:
            raise InvalidRequest("empty_descriptors")
        if len(descriptors) > _MOST_DESCRIPTORS:
            raise InvalidRequest("too_many_descriptors")
        matches = [self._match(domain, descriptor) for descriptor in descriptors]
        replaced = {name for match in matches if match is not None for name in match.rule.replaces}
        hits = max(1, hits_addend)
        charges: list[Charge] = []
        rows: list[Row] = []
        for descriptor, match in zip(descriptors, matches, strict=True):
            if match is None or (match.rule.name and match.rule.name in replaced and not match.rule.unlimited):
                rows.append(Row(None))
                continue
            first = len(charges)
            charges += self._charges(domain, descriptor, match, hits)
            rows.append(Row(match.rule, match.label, first, len(charges), descriptor.refund))
        happened = any(charge.overdraft or charge.hits < 0 for charge in charges)
        return Question(domain, tuple(descriptors), hits, tuple(charges), tuple(rows), happened)

    def _match(self, domain: str, descriptor: Descriptor) -> Match | None:
        if domain not in self._domains:
            return None
        if descriptor.override is None:
            return self._descriptors.match(domain, descriptor.entries)
        units, unit = descriptor.override
        if unit not in UNIT_US:
            raise InvalidRequest("override_without_unit")
        # One name for all overrides: their values are a request's, and must not become names of metrics.
        label = f"{domain}.override"
        limit = with_debt(Limit(label, units, UNIT_US[unit], units, ("descriptor",)))
        rule = Rule(label, limits=(limit,), requests_per_unit=units, unit=unit)
        return Match(rule, bucket_of(descriptor.entries), label)

    def _charges(self, domain: str, descriptor: Descriptor, match: Match, hits: int) -> list[Charge]:
        rule = match.rule
        amount = min(hits if descriptor.hits is None else descriptor.hits, _MOST_HITS) * rule.cost
        amount = min(amount, _MOST_HITS)
        slot = f"d.{escape(domain)}"
        tenant = next((value for key, value in descriptor.entries if key == self._settings.slot_by), "")
        if tenant:
            slot = f"{slot}/{escape(tenant)}"
        return [
            Charge(
                replace(limit, shadow=True) if self._settings.shadow_mode else limit,
                bucket_key(slot, f"rl{index}:{window_name(limit)}", match.bucket),
                -amount if descriptor.refund else amount,
                overdraft=descriptor.hits is not None and rule.overdraft and not descriptor.refund,
                quota=rule.quota or self._settings.quota_mode,
            )
            for index, limit in enumerate(rule.limits)
        ]


def answers(question: Question, taken: Taken) -> list[Answer]:
    """One answer for each descriptor, in order. Of several limits of one descriptor the tightest is told."""
    told = []
    for row in question.rows:
        statuses = taken.statuses[row.first : row.last]
        if row.rule is None or not statuses:
            told.append(Answer(False, row.rule, MAX_UNITS if row.rule and row.rule.unlimited else 0, 0, None))
            continue
        worst = statuses[0] if len(statuses) == 1 else max(statuses, key=_tightness)
        over = worst.over and not row.rule.shadow and not row.refund
        reset_us = worst.retry_after_us if over else worst.reset_us
        told.append(Answer(over, row.rule, worst.remaining, reset_us, worst))
    return told


def _tightness(status: BucketStatus) -> tuple[bool, int, int]:
    return status.over, status.retry_after_us, -status.remaining


def metadata(question: Question, told: Sequence[Answer]) -> dict[str, Any]:
    """What envoyproxy/ratelimit tells in dynamic metadata, the rules' own metadata of those that passed included."""
    merged: dict[str, Any] = {}
    for answer in told:
        if answer.rule is not None and not answer.over:
            _merge(merged, answer.rule.metadata)
    descriptors = []
    for descriptor in question.descriptors:
        entry: dict[str, Any] = {"entries": [f"{key}={value}" for key, value in descriptor.entries]}
        if descriptor.override is not None:
            units, unit = descriptor.override
            entry["limit"] = {"requests_per_unit": units, "unit": unit.upper()}
        if descriptor.hits is not None:
            entry["hitsAddend"] = descriptor.hits
        descriptors.append(entry)
    content: dict[str, Any] = {"domain": question.domain, "descriptors": descriptors, "hitsAddend": question.hits}
    return {**content, "metadata": merged} if merged else content


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Deep merge; what is there first stays."""
    for key, value in more.items():
        known = into.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            _merge(known, value)
        elif key not in into:
            into[key] = dict(value) if isinstance(value, Mapping) else value
