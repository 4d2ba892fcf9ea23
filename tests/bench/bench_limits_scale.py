"""One Redis and up to a thousand replicas, simulated with the real lease code: calls, and what is lost to leasing.

All replicas share one bucket of 10 000 units a second. Asked for 9000 a second, nobody should be refused; asked for
20 000, exactly the rate should be admitted. The network takes 100 us and an exponential 150 us more, each way.
"""

from __future__ import annotations

import sys

from sidecar.limits.limit import Limit
from tests.bench import report
from tests.harness.lease_simulation import Simulation, worst_excess

LIMITS = (
    ("burst of 1 s", Limit("l", 10_000, 1_000_000, 10_000)),
    ("burst of 10 s", Limit("l", 10_000, 1_000_000, 100_000)),
)
REPLICAS = (1, 3, 10, 30, 100, 300, 1000)
SECONDS, WARM_UP = 14.0, 11.0


def main() -> int:
    """Simulate and print; 1 when a unit too many was admitted."""
    failed = 0
    for name, limit in LIMITS:
        rows = []
        for replicas in REPLICAS:
            report.progress(f"{name}, {replicas} replicas")
            cells: list[object] = [replicas]
            for demand in (9_000, 20_000):
                result = Simulation(limit, replicas, demand, SECONDS).run()
                failed |= worst_excess(limit, result.admitted) > 0
                under = 1 - result.admitted_after(WARM_UP) / min(limit.units, demand)
                cells += [f"{result.calls_per_second:,.0f}", f"{result.calls_per_decision:.3f}", f"{under * 100:.1f} %"]
            rows.append(cells)
        head = ("replicas", "calls/s at 9000/s", "a decision", "under", "calls/s at 20 000/s", "a decision", "under")
        report.table(f"One bucket of 10 000/s, {name}; units beyond the limit: {failed}", head, rows)
    return failed


if __name__ == "__main__":
    sys.exit(main())
