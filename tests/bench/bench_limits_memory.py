"""What a decision of four limits costs this process's processor when nobody else is asked."""

from __future__ import annotations

import asyncio
import time

from sidecar.limits import BucketSettings, Limiter
from sidecar.limits.limit import Charge, Limit
from sidecar.metrics import Metrics
from tests.bench import report

LIMITS = tuple(Limit(f"l{number}", 1_000_000 + number, 1_000_000, 1_000_000) for number in range(4))
CHARGES = tuple(Charge(limit, limit.name) for limit in LIMITS)
TIMES, ROUNDS = 20_000, 5


def main() -> None:
    """Measure and print."""
    report.progress("four limits in memory")
    cost = min(asyncio.run(_round()) for _ in range(ROUNDS))
    report.table("Four limits in memory", ("", "CPU us/decision"), [("take", f"{cost * 1e6:.1f}")])
    print(f"\n  {report.verdict(cost * 1e6, most=8)}")


async def _round() -> float:
    limiter = Limiter(BucketSettings(), Metrics())
    begun = time.process_time()
    for _ in range(TIMES):
        await limiter.take(CHARGES)
    return (time.process_time() - begun) / TIMES


if __name__ == "__main__":
    main()
