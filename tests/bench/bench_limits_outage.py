"""Redis stops answering under load, as behind a half-open connection, and comes back."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import uvloop

from sidecar.limits import BucketSettings, open_limiter
from sidecar.limits.limit import Charge, Limit
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings
from tests.bench import report
from tests.harness import redis_server
from tests.harness.redis_server import RedisServer

LIMIT = Limit("l", 1_000_000, 86_400_000_000, 1_000_000)
RATE, DEADLINE = 500, 0.010


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="pcl-") as folder, redis_server.single(Path(folder)) as node:
        uvloop.run(_measure(node))


async def _measure(node: RedisServer) -> None:
    report.progress("Redis stops for three seconds")
    settings = BucketSettings(deadline=DEADLINE, replicas=2)
    limiter = open_limiter(settings, RedisSettings(url=node.url), Metrics())
    await limiter.start()
    answers: list[tuple[float, float, bool]] = []  # asked, took, degraded
    lags: list[float] = []
    opened_after: int | None = None

    async def one(number: int) -> None:
        asked = time.perf_counter()
        taken = await limiter.take([Charge(LIMIT, f"{{x}}:{number % 100}")])
        answers.append((asked, time.perf_counter() - asked, taken.degraded))

    async def load(seconds: float) -> None:
        nonlocal opened_after
        begun, sent, tasks = time.perf_counter(), 0, set()
        while (elapsed := time.perf_counter() - begun) < seconds:
            while sent < elapsed * RATE:
                task = asyncio.ensure_future(one(sent))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before - 0.001)
            if opened_after is None and not limiter.healthy:
                opened_after = sum(degraded for _, _, degraded in answers)
        await asyncio.gather(*tasks)

    await load(1.5)
    calm = sorted(took for _, took, _ in answers)
    answers.clear()
    lags.clear()
    node.pause()
    await load(3)
    stopped = sorted(took for _, took, _ in answers)
    lag = max(lags)
    answers.clear()
    back = time.perf_counter()
    node.resume()
    await load(3)
    shared = min((asked for asked, _, degraded in answers if not degraded), default=back + 99) - back
    await limiter.stop()
    rows = [
        (name, report.milliseconds(report.percentile(times, 0.5)), report.milliseconds(times[-1]))
        for name, times in (("before", calm), ("stopped", stopped))
    ]
    report.table(f"Redis stops under {RATE} takes a second, deadline {DEADLINE * 1e3:.0f} ms", ("", "p50", "max"), rows)
    print(f"\n  the event loop itself was late by at most {lag * 1e3:.1f} ms")
    print(f"  slowest answer in ms, less that: {report.verdict((stopped[-1] - lag) * 1e3, most=15)}")
    print(f"  answers without Redis before the breaker opened: {report.verdict(opened_after or 99, most=20)}")
    print(f"  seconds to shared limits after its return, {shared:.2f}: {report.verdict(shared, most=2)}")


if __name__ == "__main__":
    main()
