"""A plain reference model of buckets: fractions, no cleverness, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sidecar.limits.limit import Algorithm, Charge


@dataclass
class Model:
    """Levels by key. `take` says whether the charges pass at `now` (microseconds), which are over, and what remains."""

    levels: dict[str, tuple[Fraction, int]] = field(default_factory=dict)

    def level(self, charge: Charge, now: int) -> Fraction:
        limit, full = charge.limit, self._full(charge)
        level, then = self.levels.get(charge.key, (full, now))
        if limit.algorithm is Algorithm.FIXED_WINDOW:
            return level if now // limit.period_us == then // limit.period_us else full
        return min(full, level + Fraction(limit.units * (now - then), limit.period_us))

    def take(self, charges: Sequence[Charge], now: int) -> tuple[bool, list[bool], list[int]]:
        before = dict(self.levels)
        over = [not self._charge(charge, now) for charge in charges]
        quotas = [late for charge, late in zip(charges, over, strict=True) if self._is_quota(charge)]
        refused = any(
            late and not charge.limit.shadow and not self._is_quota(charge)
            for charge, late in zip(charges, over, strict=True)
        ) or (bool(quotas) and all(quotas))
        if refused:
            self.levels = before
            for charge in charges:
                if charge.overdraft or charge.hits < 0:
                    self._charge(charge, now)
        remaining = [max(0, int(self.level(charge, now))) for charge in charges]
        return not refused, over, remaining

    @staticmethod
    def _full(charge: Charge) -> Fraction:
        return Fraction(charge.limit.burst if charge.limit.units else 0)

    @staticmethod
    def _is_quota(charge: Charge) -> bool:
        return charge.quota and not charge.overdraft and not charge.limit.shadow

    def _charge(self, charge: Charge, now: int) -> bool:
        limit, level = charge.limit, self.level(charge, now)
        if charge.hits < 0:
            self.levels[charge.key] = (min(self._full(charge), level - charge.hits), now)
            return True
        if limit.units and limit.burst and charge.hits <= level:
            self.levels[charge.key] = (level - charge.hits, now)
            return True
        if charge.hits == 0 and limit.units and limit.burst:
            return level >= 0
        if charge.overdraft:
            floor = Fraction(-limit.debt)
            self.levels[charge.key] = (min(level, max(level - charge.hits, floor)), now)
        return False
