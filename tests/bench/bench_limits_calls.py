"""How often Redis is asked: leased and not, for a busy bucket and for four descriptors at once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sidecar.limits import BucketSettings, Limiter, open_limiter
from sidecar.limits.limit import Charge, Limit
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings
from tests.bench import report
from tests.harness import redis_server
from tests.harness.redis_server import RedisServer

HOT = Limit("hot", 10_000, 1_000_000, 10_000)
FOUR = tuple(
    Charge(Limit(f"l{number}", 4_000_000, 86_400_000_000, 4_000_000, exact=True), f"{{x}}:l{number}")
    for number in range(4)
)
SECONDS = 5.0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="pcl-") as folder, redis_server.single(Path(folder)) as node:
        asyncio.run(_measure(node))


async def _measure(node: RedisServer) -> None:
    rows = []
    hot = (Charge(HOT, "{x}:hot"),)
    report.progress("a busy bucket at 9000/s")
    leased = await _paced(node, hot, 9_000)
    rows.append(("one bucket of 10 000/s at 9 000/s, leased", *_cells(leased)))
    report.progress("a busy bucket at 20000/s")
    pressed = await _paced(node, hot, 20_000)
    rows.append(("the same at 20 000/s", *_cells(pressed)))
    report.progress("four buckets, one take after the other")
    asked = await _one_by_one(node, FOUR, 2_000)
    rows.append(("four descriptors, asked, one after the other", *_cells(asked)))
    report.table("Calls to Redis", ("", "decisions/s", "admitted/s", "calls/decision"), rows)
    print(f"\n  leased, calls/decision: {report.verdict(leased[2], most=0.05)}")
    print(f"  four descriptors, calls/decision: {report.verdict(asked[2], most=1)}")


def _cells(measured: tuple[float, float, float]) -> tuple[str, str, str]:
    return f"{measured[0]:,.0f}", f"{measured[1]:,.0f}", f"{measured[2]:.4f}"


async def _paced(node: RedisServer, charges: Sequence[Charge], rate: float) -> tuple[float, float, float]:
    limiter = open_limiter(BucketSettings(deadline=0.1), RedisSettings(url=node.url), Metrics())
    await limiter.start()
    calls, begun = _calls(node), time.perf_counter()
    done = admitted = 0
    while (elapsed := time.perf_counter() - begun) < SECONDS:
        due = int(elapsed * rate) - done
        takes = await asyncio.gather(*(limiter.take(charges) for _ in range(due)))
        done += due
        admitted += sum(taken.admitted for taken in takes)
        await asyncio.sleep(0.001)
    measured = done / elapsed, admitted / elapsed, (_calls(node) - calls) / done
    await limiter.stop()
    return measured


async def _one_by_one(node: RedisServer, charges: Sequence[Charge], times: int) -> tuple[float, float, float]:
    limiter: Limiter = open_limiter(BucketSettings(deadline=0.1), RedisSettings(url=node.url), Metrics())
    calls, begun = _calls(node), time.perf_counter()
    admitted = 0
    for _ in range(times):
        admitted += (await limiter.take(charges)).admitted
    elapsed = time.perf_counter() - begun
    measured = times / elapsed, admitted / elapsed, (_calls(node) - calls) / times
    await limiter.stop()
    return measured


def _calls(node: RedisServer) -> int:
    statistics = node.client().info("commandstats")
    return int(statistics.get("cmdstat_evalsha", {"calls": 0})["calls"])


if __name__ == "__main__":
    main()
